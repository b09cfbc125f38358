//! `verify-sync --deep`: every entry read and hashed anew, and everything beside the entries held against them.

mod claims;
mod intents;
mod reading;
mod recurring;

use std::collections::HashMap;

use super::error::LedgerError;
use super::repair::ChainBreak;
use crate::db::accounts::currencies;
use crate::db::balances::StoredBalance;
use crate::db::checks::doubts;
use crate::db::entries::{Summed, entries_summed};
use crate::db::evidence::{RECORDED, granted, named_entries, opened_records, unrecorded};
use crate::db::journal::{entries_read, entries_read_in_order};
use crate::db::{Db, DbError};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::Break;
use crate::domain::currency::Currency;
use crate::domain::proof::Held;
use crate::domain::tamper::{Tamper, WINDOW, diagnose};
use claims::Fingerprints;
use intents::Claimed;
use reading::{Reading, in_order};

/// Something that is not as it must be, and that no recomputation mends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub table: &'static str,
    /// What names the row within its account: a number, a key.
    pub record: String,
    /// `edited`, `deleted` ... of an entry; `wrong` of anything else.
    pub kind: &'static str,
    pub what: String,
}

impl Issue {
    fn wrong(table: &'static str, record: String, what: &str) -> Self {
        Self {
            table,
            record,
            kind: "wrong",
            what: what.into(),
        }
    }
}

/// What reading a page has found, by account.
#[derive(Default)]
pub(super) struct Depths {
    pub(super) sums: HashMap<AccountId, Summed>,
    pub(super) breaks: HashMap<AccountId, ChainBreak>,
    pub(super) issues: HashMap<AccountId, Vec<Issue>>,
}

/// Reads every entry of the accounts in `first..=last`, and what stands beside them.
pub(super) fn read_depths(
    db: &mut Db,
    (first, last): (i64, i64),
    stored: &[StoredBalance],
    proofs: &HashMap<AccountId, Held>,
    mut read: impl FnMut(u64),
) -> Result<Depths, LedgerError> {
    let accounts = || stored.iter().filter_map(|stored| stored.account.as_ref());
    let mut readings: HashMap<AccountId, Reading<'_>> = HashMap::with_capacity(stored.len());
    for StoredBalance { id, account, row } in stored {
        if let Some(account) = account {
            let proven = proofs.get(id).map(|held| held.proof.state);
            let expected = row.map_or(0, |row| row.state.last_seq);
            readings.insert(*id, Reading::new(account, expected, proven));
        }
    }
    let mut orphans: Vec<AccountId> = Vec::new();
    let mut count = 0_u64;
    let mut fingerprints = Fingerprints::default();
    entries_read(db, first, last, |account, entry| -> Result<(), LedgerError> {
        count += 1;
        if count == TICK {
            read(std::mem::take(&mut count));
        }
        match readings.get_mut(&account) {
            Some(reading) => {
                reading.take(&entry);
                fingerprints.keep(reading, &entry);
            }
            None if orphans.last() != Some(&account) => orphans.push(account),
            None => {}
        }
        Ok(())
    })?;
    read(count);
    let mut depths = Depths::default();
    for account in accounts() {
        if let Some(reading) = readings.get_mut(&account.id) {
            depths.finish(db, account, reading)?;
        }
    }
    for id in orphans {
        let sums = entries_summed(db, id.get(), id.get())?;
        depths.sums.extend(sums.into_iter().map(|sums| (sums.account, sums)));
    }
    depths.beside(db, (first, last), stored, (&readings, &fingerprints))?;
    Ok(depths)
}

/// A page has so many entries at the most, unless they are one account's: for each four bytes are kept in memory, of two
/// pages at a time. A server goes through the whole table for each page.
pub(super) const fn most_entries(on_a_server: bool) -> i64 {
    if on_a_server { 4_000_000 } else { 2_000_000 }
}

/// After so many entries it is told how far the reading has come.
const TICK: u64 = 50_000;

impl Depths {
    fn issue(&mut self, account: AccountId, issue: Issue) {
        self.issues.entry(account).or_default().push(issue);
    }

    fn finish(&mut self, db: &mut Db, account: &Account, reading: &mut Reading<'_>) -> Result<(), LedgerError> {
        let id = account.id;
        if reading.disordered {
            in_order(db, id, reading)?;
        }
        if reading.broken.is_none() && reading.rows != reading.state.last_seq {
            // Rows before the first entry, where there can be none.
            reading.broken = Some(Break::Sequence);
        }
        if let Some(reason) = reading.broken {
            self.diagnosed(db, id, reading, reason)?;
            let sums = entries_summed(db, id.get(), id.get())?;
            self.sums.extend(sums.into_iter().map(|sums| (id, sums)));
            return Ok(());
        }
        if let Some((proven, Some(reached))) = &reading.proven
            && proven != reached
        {
            let record = proven.last_seq.to_string();
            self.issue(
                id,
                Issue::wrong("proofs", record, "it is not what the entries come to there"),
            );
        }
        if reading.rows > 0 {
            let sums = Summed {
                account: id,
                entries: reading.rows,
                figures: reading.state.figures,
            };
            self.sums.insert(id, sums);
        }
        Ok(())
    }

    fn diagnosed(
        &mut self,
        db: &mut Db,
        id: AccountId,
        reading: &Reading<'_>,
        reason: Break,
    ) -> Result<(), LedgerError> {
        let mut window = Vec::new();
        let limit = i64::try_from(WINDOW).unwrap_or(i64::MAX);
        let next = reading.state.last_seq.saturating_add(1);
        entries_read_in_order(db, id, next, limit, |entry| -> Result<(), DbError> {
            window.push(entry);
            Ok(())
        })?;
        let seq = window.first().map_or(next, |entry| entry.place.seq);
        self.breaks.insert(id, ChainBreak { seq, reason });
        if let Some(tamper) = diagnose(&reading.chain, &reading.state, &window) {
            self.issue(id, tampered(seq, tamper));
        }
        Ok(())
    }

    /// Intents against their entries, and the tables of records by their questions.
    fn beside(
        &mut self,
        db: &mut Db,
        (first, last): (i64, i64),
        stored: &[StoredBalance],
        (readings, fingerprints): (&HashMap<AccountId, Reading<'_>>, &Fingerprints),
    ) -> Result<(), LedgerError> {
        let claims = self.intents(db, (first, last), readings, fingerprints)?;
        self.records(db, (first, last), readings)?;
        self.recurring(db, (first, last), readings)?;
        for (account, reading) in readings {
            if let Some(seq) = reading.unasked {
                self.issue(
                    *account,
                    Issue::wrong("entries", seq.to_string(), "nobody asked for it: it has no key"),
                );
            }
            let Claimed { entries, end } = claims.get(account).copied().unwrap_or_default();
            if reading.keyed != entries {
                let what = format!("{} entries carry a key, and intents name {entries}", reading.keyed);
                self.issue(*account, Issue::wrong("intents", String::new(), &what));
            }
            let at_end = reading.state.last_seq;
            if reading.broken.is_none() && end > at_end {
                let tamper = Tamper::Cut {
                    first: at_end + 1,
                    last: end,
                };
                let (seq, reason) = (at_end + 1, Break::Cut);
                self.breaks.insert(*account, ChainBreak { seq, reason });
                self.issue(*account, tampered(seq, tamper));
            }
        }
        self.unrecorded(db, (first, last), readings)?;
        self.units(db, stored)?;
        for doubt in doubts(db, first, last)? {
            self.issue(doubt.account, Issue::wrong(doubt.table, doubt.record, doubt.what));
        }
        Ok(())
    }

    /// Records against what was asked when they were opened and taken back.
    fn records(
        &mut self,
        db: &mut Db,
        (first, last): (i64, i64),
        readings: &HashMap<AccountId, Reading<'_>>,
    ) -> Result<(), LedgerError> {
        let currency = |account: &AccountId| readings.get(account).map(|reading| reading.currency);
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

    fn wrong(&mut self, account: AccountId, table: &'static str, number: i64, what: Option<Vec<&'static str>>) {
        for what in what.unwrap_or_default() {
            self.issue(account, Issue::wrong(table, number.to_string(), what));
        }
    }

    /// Every account counts in a unit that there is, with its digits.
    fn units(&mut self, db: &mut Db, stored: &[StoredBalance]) -> Result<(), LedgerError> {
        let added = currencies(db)?;
        for account in stored.iter().filter_map(|stored| stored.account.as_ref()) {
            let code = account.currency.code();
            let known = Currency::iso(code.as_str()).or_else(|| added.iter().find(|unit| unit.code() == code).cloned());
            if known.as_ref() != Some(&account.currency) {
                let what = "its currency is not one that there is, with so many digits";
                let user = account.user_id.to_string();
                self.issue(account.id, Issue::wrong("accounts", user, what));
            }
        }
        Ok(())
    }

    /// Entries that a record must name and none does.
    fn unrecorded(
        &mut self,
        db: &mut Db,
        (first, last): (i64, i64),
        readings: &HashMap<AccountId, Reading<'_>>,
    ) -> Result<(), LedgerError> {
        for (place, (kind, table)) in RECORDED.into_iter().enumerate() {
            let named: HashMap<AccountId, i64> = named_entries(db, table, first, last)?.into_iter().collect();
            for (account, reading) in readings {
                if reading.recorded[place] == named.get(account).copied().unwrap_or(0) {
                    continue;
                }
                for seq in unrecorded(db, *account, kind, table)? {
                    let what = format!("no row of {table} names it");
                    self.issue(*account, Issue::wrong("entries", seq.to_string(), &what));
                }
            }
        }
        Ok(())
    }
}

fn tampered(seq: i64, tamper: Tamper) -> Issue {
    Issue {
        table: "entries",
        record: seq.to_string(),
        kind: tamper.name(),
        what: tamper.meaning(),
    }
}
