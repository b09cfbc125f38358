//! What the ledger has, held against what the model has.

use ledger::domain::money::Minor;
use ledger::ledger::record::Record;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use super::desk::{Desk, Told};
use super::model::{self, AccountName, Model, Step};
use super::{shown, words};

/// The entries that the ledger says it made under the step's key, now or earlier.
pub fn compare_entries(told: &Told, model: &Model, step: &Step) -> Result<(), TestCaseError> {
    let (name, key) = (
        &step.account,
        step.key.as_deref().expect("what tells of entries has a key"),
    );
    let expected = model.entries_of_key(name, key);
    match told {
        Told::Posted(posted) => {
            let made: Vec<model::Entry> = posted.entries.iter().map(words::entry).collect();
            prop_assert_eq!(&made, expected, "what {:?} made", step);
        }
        Told::Shown(data) => {
            let expected: Vec<Value> = expected
                .iter()
                .map(|entry| shown::entry(entry, &name.currency))
                .collect();
            prop_assert_eq!(&data["entries"], &Value::Array(expected), "what {:?} made", step);
            prop_assert_eq!(&data["idempotency_key"], key);
        }
    }
    Ok(())
}

/// How the account stands after the step was applied, by what the ledger says: figures, the record that was made or
/// moved, and the suspension that it ended, which the model knows as it was before.
pub fn compare_state(told: &Told, model: &Model, step: &Step, before: Option<usize>) -> Result<(), TestCaseError> {
    let name = &step.account;
    let resumed = before.filter(|_| model.active_suspension(name).is_none());
    let resumed = resumed.map(|number| &model.suspensions(name)[number - 1]);
    match told {
        Told::Posted(posted) => {
            let figures = model.figures(name);
            let standing = [posted.standing.balance, posted.standing.held, posted.standing.debt].map(Minor::get);
            prop_assert_eq!(standing, [figures.balance, figures.held, figures.debt], "{:?}", step);
            compare_record(posted.record.as_deref(), model, name)?;
            let ended = posted.resumed.as_deref().map(words::suspension);
            prop_assert_eq!(ended.as_ref(), resumed, "{:?}", step);
        }
        Told::Shown(data) => {
            let figures = shown::figures(&model.figures(name), &name.currency);
            prop_assert_eq!(&shown::of_those(&figures, data), &figures, "{:?}", step);
            if let Some((expected, shown)) = shown::record(data, model, name) {
                prop_assert_eq!(&shown::of_those(&expected, shown), &expected, "{:?}", step);
            }
            let expected = resumed.map_or(Value::Null, |ended| shown::suspension(ended, &name.currency));
            let shown = match &data["resumed"] {
                Value::Null => Value::Null,
                shown => shown::of_those(&expected, shown),
            };
            prop_assert_eq!(shown, expected, "{:?}", step);
        }
    }
    Ok(())
}

/// The record that the ledger says it made or moved.
fn compare_record(record: Option<&Record>, model: &Model, name: &AccountName) -> Result<(), TestCaseError> {
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
