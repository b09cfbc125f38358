//! Records held against the intents that opened them and took them back, against the log, and against each other: all
//! that needs no look at the journal itself.

use std::collections::HashMap;

use super::Issue;
use super::intents::Asked;
use crate::db::checks::{Doubt, doubts};
use crate::db::evidence::{RECORDED, granted, named_entries, opened_records};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::ledger::error::LedgerError;

/// What has been read of them: alone, or while another reads the entries.
pub(super) struct Records {
    pub(super) issues: Vec<(AccountId, Issue)>,
    pub(super) doubts: Vec<Doubt>,
    /// How many entries they name, for each of [`RECORDED`].
    pub(super) named: Vec<HashMap<AccountId, i64>>,
}

impl Records {
    pub(super) fn read(db: &mut Db, (first, last): (i64, i64), asked: &Asked<'_>) -> Result<Self, LedgerError> {
        let mut records = Self {
            issues: Vec::new(),
            doubts: Vec::new(),
            named: Vec::new(),
        };
        records.opened(db, (first, last), asked)?;
        records.recurring(db, (first, last), asked)?;
        for (_, table) in RECORDED {
            let named = named_entries(db, table, first, last)?;
            records.named.push(named.into_iter().collect());
        }
        records.doubts = doubts(db, first, last)?;
        Ok(records)
    }

    /// Against what was asked when they were opened and taken back.
    fn opened(&mut self, db: &mut Db, (first, last): (i64, i64), asked: &Asked<'_>) -> Result<(), LedgerError> {
        let currency = |account: &AccountId| asked.get(account).map(|(_, currency)| *currency);
        opened_records(db, first, last, |account, table, opened| -> Result<(), DbError> {
            let wrong = currency(&account).map(|currency| opened.contradictions(currency));
            self.wrong(account, table, opened.number, wrong);
            Ok(())
        })?;
        granted(db, first, last, |account, granted| -> Result<(), DbError> {
            let wrong = currency(&account).map(|currency| granted.contradictions(currency));
            self.wrong(account, "access_grants", granted.number, wrong);
            Ok(())
        })?;
        Ok(())
    }

    pub(super) fn wrong(
        &mut self,
        account: AccountId,
        table: &'static str,
        number: i64,
        what: Option<Vec<&'static str>>,
    ) {
        for what in what.unwrap_or_default() {
            self.issues
                .push((account, Issue::wrong(table, number.to_string(), what)));
        }
    }
}
