//! Every intent held against the entry that it names.

use std::collections::{BTreeSet, HashMap};

use super::claims::Fingerprints;
use super::reading::Reading;
use super::{Depths, Issue};
use crate::db::evidence::{Told, attempts, plain_attempts};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::evidence::Attempt;
use crate::ledger::error::LedgerError;

/// How many entries an account's intents name, and the last of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Claimed {
    pub(super) entries: i64,
    pub(super) end: i64,
}

impl Claimed {
    fn add(&mut self, entries: i64, end: i64) {
        self.entries = self.entries.saturating_add(entries);
        self.end = self.end.max(end);
    }
}

type Readings<'a> = HashMap<AccountId, Reading<'a>>;

impl Depths {
    pub(super) fn intents(
        &mut self,
        db: &mut Db,
        range: (i64, i64),
        readings: &Readings<'_>,
        fingerprints: &Fingerprints,
    ) -> Result<HashMap<AccountId, Claimed>, LedgerError> {
        let mut claims: HashMap<AccountId, Claimed> = HashMap::with_capacity(readings.len());
        let mut plain = claims.clone();
        let mut doubtful: BTreeSet<AccountId> = BTreeSet::new();
        attempts(db, range, |told| -> Result<(), DbError> {
            match told {
                Told::Plain(attempt) => match readings.get(&attempt.account) {
                    Some(reading) if fingerprints.hold(&reading.claims, &attempt) => {
                        plain.entry(attempt.account).or_default().add(1, attempt.seq);
                    }
                    _ => _ = doubtful.insert(attempt.account),
                },
                Told::Other(account, attempt) => self.judge(readings, &mut claims, account, &attempt),
            }
            Ok(())
        })?;
        for account in &doubtful {
            plain.remove(account);
            plain_attempts(db, *account, |attempt| -> Result<(), DbError> {
                self.judge(readings, &mut claims, *account, &attempt);
                Ok(())
            })?;
        }
        for (account, told) in plain {
            claims.entry(account).or_default().add(told.entries, told.end);
        }
        Ok(claims)
    }

    fn judge(
        &mut self,
        readings: &Readings<'_>,
        claims: &mut HashMap<AccountId, Claimed>,
        account: AccountId,
        attempt: &Attempt,
    ) {
        // Of a batch as a whole: what it came to is in the attempts of its requests.
        if account == AccountId::NONE {
            return;
        }
        let record = || format!("{} ({})", attempt.key, attempt.attempt);
        let Some(reading) = readings.get(&account) else {
            self.issue(account, Issue::wrong("intents", record(), "it belongs to no account"));
            return;
        };
        for what in attempt.contradictions(reading.currency) {
            self.issue(account, Issue::wrong("intents", record(), what));
        }
        let end = attempt.last_seq.unwrap_or(0);
        claims.entry(account).or_default().add(attempt.claimed(), end);
    }
}
