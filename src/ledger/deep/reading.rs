//! One account's journal, entry by entry.

use std::collections::HashMap;

use super::TICK;
use super::claims::{Claims, Fingerprints};
use crate::db::evidence::RECORDED;
use crate::db::journal::{entries_read, entries_read_in_order};
use crate::db::{Db, DbError};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{Break, ReadEntry, State, fold_read};
use crate::domain::chain::Chain;
use crate::domain::currency::Currency;
use crate::domain::entry::EntryKind;
use crate::ledger::error::LedgerError;

/// One account's journal as far as it has been read.
pub(super) struct Reading<'a> {
    pub(super) currency: &'a Currency,
    /// What its intents must say.
    pub(super) claims: &'a Claims,
    pub(super) chain: Chain,
    pub(super) state: State,
    pub(super) rows: i64,
    pub(super) keyed: i64,
    /// How many entries there are of each of [`RECORDED`].
    pub(super) recorded: [i64; RECORDED.len()],
    /// The first entry without a key that must have one.
    pub(super) unasked: Option<i64>,
    /// The next entry was not the next one: the rest is read again in order.
    pub(super) disordered: bool,
    pub(super) broken: Option<Break>,
    /// What was proven before, and what the entries came to there.
    pub(super) proven: Option<(State, Option<State>)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        account: &'a Account,
        (claims, currency): (&'a Claims, &'a Currency),
        proven: Option<State>,
    ) -> Self {
        Self {
            currency,
            claims,
            chain: Chain::of((account.user_id.as_str(), account.currency.code().as_str())),
            state: State::default(),
            rows: 0,
            keyed: 0,
            recorded: [0; RECORDED.len()],
            unasked: None,
            disordered: false,
            broken: None,
            proven: proven.map(|state| (state, (state.last_seq == 0).then(State::default))),
        }
    }

    /// Takes an entry as it comes.
    pub(super) fn take(&mut self, entry: &ReadEntry) {
        self.rows += 1;
        self.keyed += i64::from(entry.keyed);
        for ((kind, _), count) in RECORDED.iter().zip(&mut self.recorded) {
            *count += i64::from(entry.kind == Some(*kind));
        }
        // The job that brings credits works them off without a key; nothing else is without.
        let may_lack_key = matches!(entry.kind, Some(EntryKind::Credit | EntryKind::DebtRecovery));
        if !entry.keyed && !may_lack_key && self.unasked.is_none() {
            self.unasked = Some(entry.place.seq);
        }
        if !self.disordered && self.broken.is_none() {
            self.disordered = Some(entry.place.seq) != self.state.last_seq.checked_add(1);
            if !self.disordered {
                self.follow(entry);
            }
        }
    }

    /// Takes the next entry in order; whether it follows.
    pub(super) fn follow(&mut self, entry: &ReadEntry) -> bool {
        match fold_read(&self.state, &self.chain, entry) {
            Ok(next) => self.state = next,
            Err(reason) => self.broken = Some(reason),
        }
        if let Some((proven, reached)) = &mut self.proven
            && proven.last_seq == self.state.last_seq
        {
            *reached = Some(self.state);
        }
        self.broken.is_none()
    }
}

/// Every entry of the accounts in that range, telling now and then how many more there were; the accounts there are not.
pub(super) fn read_entries(
    db: &mut Db,
    range: (i64, i64),
    (readings, mut fingerprints): (&mut HashMap<AccountId, Reading<'_>>, Fingerprints),
    mut tick: impl FnMut(u64) -> Result<(), LedgerError>,
) -> Result<Vec<AccountId>, LedgerError> {
    let mut orphans: Vec<AccountId> = Vec::new();
    let mut count = 0_u64;
    entries_read(db, range, |account, entry| -> Result<(), LedgerError> {
        count += 1;
        if count == TICK {
            tick(std::mem::take(&mut count))?;
        }
        match readings.get_mut(&account) {
            Some(reading) => {
                reading.take(&entry);
                fingerprints.entry((reading.claims, reading.currency), &entry);
            }
            None if orphans.last() != Some(&account) => orphans.push(account),
            None => {}
        }
        Ok(())
    })?;
    tick(count)?;
    Ok(orphans)
}

/// Reads on in order, from the first entry that did not come in order.
pub(super) fn in_order(db: &mut Db, id: AccountId, reading: &mut Reading<'_>) -> Result<(), LedgerError> {
    loop {
        let mut rows = 0_i64;
        let mut follows = true;
        let next = reading.state.last_seq.saturating_add(1);
        entries_read_in_order(db, id, next, PORTION, |entry| -> Result<(), DbError> {
            rows += 1;
            follows = follows && reading.follow(&entry);
            Ok(())
        })?;
        if !follows || rows < PORTION {
            return Ok(());
        }
    }
}

/// Entries of one account that are read at a time.
const PORTION: i64 = 5_000;
