//! `verify-sync --deep`: every entry read and hashed anew, and everything beside the entries held against them.

mod claims;
mod intents;
mod reading;
mod records;
mod recurring;
mod together;

use std::collections::HashMap;

use super::error::LedgerError;
use super::repair::ChainBreak;
use crate::db::accounts::currencies;
use crate::db::balances::StoredBalance;
use crate::db::entries::{Summed, entries_summed};
use crate::db::evidence::{RECORDED, Reach, unrecorded};
use crate::db::journal::entries_read_in_order;
use crate::db::{Db, DbError};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::Break;
use crate::domain::currency::Currency;
use crate::domain::proof::Held;
use crate::domain::tamper::{Tamper, WINDOW, diagnose};
use claims::{Claims, Fingerprints};
use intents::{Asked, Claimed, Intents};
use reading::{Reading, in_order, read_entries};
use records::Records;
use together::Together;

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

/// A page has so many entries at the most, unless they are one account's: for each four bytes are kept in memory. A server
/// goes through whole tables for each page, and keeps its pages for itself.
pub(super) const fn most_entries(on_a_server: bool) -> i64 {
    if on_a_server { MOST_ENTRIES } else { 8_000_000 }
}

const MOST_ENTRIES: i64 = 12_000_000;

/// After so many entries it is told how far the reading has come.
const TICK: u64 = 50_000;

/// Intents are looked up by account where these are the smaller part of the ledger; otherwise all are gone through.
const SMALL_PART: i64 = 8;

/// The page that is read.
pub(super) struct Extract<'a> {
    pub(super) range: (i64, i64),
    pub(super) stored: &'a [StoredBalance],
    pub(super) proofs: &'a HashMap<AccountId, Held>,
    /// How many entries the whole ledger has, unless it is about a few accounts only.
    pub(super) of_entries: Option<i64>,
}

impl Extract<'_> {
    fn asked(&self) -> Asked<'_> {
        let of = |stored: &StoredBalance| stored.row.map_or(0, |row| row.state.last_seq);
        let accounts = self.stored.iter();
        let known = accounts.filter_map(|stored| Some((stored.account.as_ref()?, Claims::of(of(stored)))));
        known
            .map(|(account, claims)| (account.id, (claims, &account.currency)))
            .collect()
    }

    fn reach(&self, asked: &Asked<'_>) -> Reach {
        let entries: usize = asked.values().map(|(claims, _)| claims.room()).sum();
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        match self.of_entries {
            Some(all) if entries.saturating_mul(SMALL_PART) >= all => Reach::Whole,
            _ => Reach::Part,
        }
    }
}

/// Reads every entry of these accounts, and what stands beside them; on two connections, where there are two that see
/// the same moment.
pub(super) fn read_depths(
    (db, beside): (&mut Db, Option<&mut Db>),
    extract: &Extract<'_>,
    mut read: impl FnMut(u64),
) -> Result<Depths, LedgerError> {
    let accounts = || extract.stored.iter().filter_map(|stored| stored.account.as_ref());
    let asked = extract.asked();
    let mut readings: HashMap<AccountId, Reading<'_>> = accounts()
        .filter_map(|account| {
            let proven = extract.proofs.get(&account.id).map(|held| held.proof.state);
            let (claims, currency) = asked.get(&account.id)?;
            Some((account.id, Reading::new(account, (claims, currency), proven)))
        })
        .collect();
    let reach = extract.reach(&asked);
    let fingerprints = Fingerprints::default();
    let together = Together::default();
    let (orphans, (intents, records)) = together.read(
        (&mut *db, beside),
        |db| {
            let tick = |entries| {
                read(entries);
                together.check()
            };
            read_entries(db, extract.range, (&mut readings, fingerprints.clone()), tick)
        },
        |db| {
            let intents = Intents::read(db, (extract.range, reach), (&asked, fingerprints.clone()), &together)?;
            Ok((intents, Records::read(db, extract.range, &asked)?))
        },
    )?;
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
    let claimed = intents.settle(db, &asked, &mut depths)?;
    for (account, issue) in records.issues {
        depths.issue(account, issue);
    }
    depths.claimed(&readings, &claimed);
    depths.unrecorded(db, &readings, &records.named)?;
    depths.units(db, extract.stored)?;
    for doubt in records.doubts {
        depths.issue(doubt.account, Issue::wrong(doubt.table, doubt.record, doubt.what));
    }
    Ok(depths)
}

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

    /// What the intents name against the entries there are.
    fn claimed(&mut self, readings: &HashMap<AccountId, Reading<'_>>, claimed: &HashMap<AccountId, Claimed>) {
        for (account, reading) in readings {
            if let Some(seq) = reading.unasked {
                self.issue(
                    *account,
                    Issue::wrong("entries", seq.to_string(), "nobody asked for it: it has no key"),
                );
            }
            let Claimed { entries, end } = claimed.get(account).copied().unwrap_or_default();
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
        readings: &HashMap<AccountId, Reading<'_>>,
        named: &[HashMap<AccountId, i64>],
    ) -> Result<(), LedgerError> {
        for (place, ((kind, table), named)) in RECORDED.into_iter().zip(named).enumerate() {
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
