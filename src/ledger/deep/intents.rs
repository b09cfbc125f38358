//! Every intent held against the entry that it names.

use std::collections::{BTreeSet, HashMap};

use super::claims::{Claims, Fingerprints};
use super::together::Together;
use super::{Depths, Issue, TICK};
use crate::db::evidence::{Reach, Told, attempts, plain_attempts};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::currency::Currency;
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

/// What the intents of a page are held against.
pub(super) type Asked<'a> = HashMap<AccountId, (Claims, &'a Currency)>;

/// What has been read of them: alone, or while another reads the entries.
#[derive(Default)]
pub(super) struct Intents {
    /// Of those that their entries tell.
    plain: HashMap<AccountId, Claimed>,
    others: HashMap<AccountId, Claimed>,
    /// Those of which nothing can be made out without their entries.
    doubtful: BTreeSet<AccountId>,
    issues: Vec<(AccountId, Issue)>,
}

impl Intents {
    pub(super) fn read(
        db: &mut Db,
        (range, reach): ((i64, i64), Reach),
        (asked, mut fingerprints): (&Asked<'_>, Fingerprints),
        together: &Together,
    ) -> Result<Self, LedgerError> {
        let mut intents = Self::default();
        let mut count = 0_u64;
        attempts(db, range, reach, |told| -> Result<(), LedgerError> {
            count += 1;
            if count.is_multiple_of(TICK) {
                together.check()?;
            }
            match told {
                Told::Plain(attempt) => match asked.get(&attempt.account) {
                    Some((claims, _)) => {
                        fingerprints.plain(claims, &attempt);
                        intents.plain.entry(attempt.account).or_default().add(1, attempt.seq);
                    }
                    None => _ = intents.doubtful.insert(attempt.account),
                },
                Told::Other(account, attempt) => {
                    if let Some((claims, currency)) = asked.get(&account) {
                        fingerprints.other((claims, currency), &attempt);
                    }
                    intents.judge(asked, account, &attempt);
                }
            }
            Ok(())
        })?;
        Ok(intents)
    }

    /// How many entries they name, by account, once the entries have been read too: of those that do not agree, each is
    /// held against its entry.
    pub(super) fn settle(
        mut self,
        db: &mut Db,
        asked: &Asked<'_>,
        depths: &mut Depths,
    ) -> Result<HashMap<AccountId, Claimed>, LedgerError> {
        let disagree = asked.iter().filter(|(_, (claims, _))| !claims.agree());
        self.doubtful.extend(disagree.map(|(account, _)| *account));
        log::debug!("{} accounts have intents that need a closer look", self.doubtful.len());
        for account in std::mem::take(&mut self.doubtful) {
            self.plain.remove(&account);
            plain_attempts(db, account, |attempt| -> Result<(), DbError> {
                self.judge(asked, account, &attempt);
                Ok(())
            })?;
        }
        for (account, issue) in self.issues {
            depths.issue(account, issue);
        }
        for (account, told) in self.plain {
            self.others.entry(account).or_default().add(told.entries, told.end);
        }
        Ok(self.others)
    }

    fn judge(&mut self, asked: &Asked<'_>, account: AccountId, attempt: &Attempt) {
        // Of a batch as a whole: what it came to is in the attempts of its requests.
        if account == AccountId::NONE {
            return;
        }
        let record = || format!("{} ({})", attempt.key, attempt.attempt);
        let Some((_, currency)) = asked.get(&account) else {
            let issue = Issue::wrong("intents", record(), "it belongs to no account");
            self.issues.push((account, issue));
            return;
        };
        for what in attempt.contradictions(currency) {
            self.issues.push((account, Issue::wrong("intents", record(), what)));
        }
        let end = attempt.last_seq.unwrap_or(0);
        self.others.entry(account).or_default().add(attempt.claimed(), end);
    }
}
