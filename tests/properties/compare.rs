//! What the ledger has, held against what the model has.

use ledger::ledger::record::Record;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::desk::Desk;
use super::model::{self, AccountName, Model};
use super::words;

/// The record that the ledger says it made or moved.
pub fn compare_record(record: Option<&Record>, model: &Model, name: &AccountName) -> Result<(), TestCaseError> {
    match record {
        None => {}
        Some(Record::Recharge(recharge)) => {
            let expected = &model.recharges(name)[recharge.id.number as usize - 1];
            prop_assert_eq!(&words::recharge(recharge), expected);
        }
        Some(Record::Hold(hold)) => {
            let expected = &model.holds(name)[hold.id.number as usize - 1];
            prop_assert_eq!(&words::hold(hold), expected);
        }
        Some(Record::Purchase(purchase)) => {
            let expected = &model.purchases(name)[purchase.id.number as usize - 1];
            prop_assert_eq!(&words::purchase(purchase), expected);
        }
        Some(Record::Gift(gift)) => {
            let expected = &model.gifts(name)[gift.id.number as usize - 1];
            prop_assert_eq!(&words::gift(gift), expected);
        }
        Some(Record::Grant(grant)) => {
            let expected = model.grants(name).iter().find(|known| known.entry == grant.id.number);
            prop_assert_eq!(Some(&words::grant(grant)), expected);
        }
    }
    Ok(())
}

/// All entries, with their hashes.
pub fn compare_journal(desk: &mut Desk, model: &Model, name: &AccountName) -> Result<(), TestCaseError> {
    let journal: Vec<model::Entry> = desk.journal(name).iter().map(words::entry).collect();
    prop_assert_eq!(&journal, model.entries(name));
    Ok(())
}

/// Recharges, holds, purchases, gifts, access, suspensions, and what others are told of.
pub fn compare_records(desk: &mut Desk, model: &Model, name: &AccountName) -> Result<(), TestCaseError> {
    let recharges: Vec<model::Recharge> = desk.recharges(name).iter().map(words::recharge).collect();
    prop_assert_eq!(&recharges, model.recharges(name));
    let holds: Vec<model::Hold> = desk.holds(name).iter().map(words::hold).collect();
    prop_assert_eq!(&holds, model.holds(name));
    let purchases: Vec<model::Purchase> = desk.purchases(name).iter().map(words::purchase).collect();
    prop_assert_eq!(&purchases, model.purchases(name));
    let gifts: Vec<model::Gift> = desk.gifts(name).iter().map(words::gift).collect();
    prop_assert_eq!(&gifts, model.gifts(name));
    let grants: Vec<model::Grant> = desk.grants(name).iter().map(words::grant).collect();
    prop_assert_eq!(&grants, model.grants(name));
    let suspensions: Vec<model::Suspension> = desk.suspensions(name).iter().map(words::suspension).collect();
    prop_assert_eq!(&suspensions, model.suspensions(name));
    let events: Vec<String> = desk.events(name).iter().map(words::event).collect();
    prop_assert_eq!(&events, model.events(name));
    Ok(())
}
