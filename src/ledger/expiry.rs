//! The jobs that end what has run out of time: pending recharges, open holds. Each in a transaction of its own.

use serde_json::json;

use super::error::LedgerError;
use super::job::{self, Overlap, RunRecord};
use super::post::{Answer, Outcome};
use super::{Ledger, hold, interrupt, recharge};
use crate::db::{Db, DbError, holds, recharges};
use crate::domain::account::AccountId;
use crate::domain::code::Exit;
use crate::domain::hold::HoldId;
use crate::domain::recharge::{RechargeGoal, RechargeId};
use crate::domain::time::Timestamp;

/// What an expiry job did.
#[derive(Clone, Debug, Default)]
pub struct Expired {
    pub expired: u64,
    /// Could not be expired, with the reason: no room for what a hold gives back, damage, somebody who is in the way.
    pub refused: Vec<(String, String)>,
}

impl Expired {
    pub fn exit(&self) -> Exit {
        if self.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}

/// What kind of record runs out of time, how the overdue ones are found, and how one is ended.
trait Expiring: Copy + std::fmt::Display {
    const JOB: &'static str;
    fn key(self) -> (AccountId, i64);
    fn overdue(db: &mut Db, now: Timestamp, after: (i64, i64), limit: i64) -> Result<Vec<Self>, DbError>;
    fn end(self, ledger: &mut Ledger) -> Result<Answer, LedgerError>;
}

impl Expiring for RechargeId {
    const JOB: &'static str = "expire-recharges";

    fn key(self) -> (AccountId, i64) {
        (self.account, self.number)
    }

    fn overdue(db: &mut Db, now: Timestamp, after: (i64, i64), limit: i64) -> Result<Vec<Self>, DbError> {
        recharges::recharges_overdue(db, now, after, limit)
    }

    fn end(self, ledger: &mut Ledger) -> Result<Answer, LedgerError> {
        recharge::advance(ledger, self, RechargeGoal::Expired, None, None).map_err(LedgerError::without_key)
    }
}

impl Expiring for HoldId {
    const JOB: &'static str = "expire-holds";

    fn key(self) -> (AccountId, i64) {
        (self.account, self.number)
    }

    fn overdue(db: &mut Db, now: Timestamp, after: (i64, i64), limit: i64) -> Result<Vec<Self>, DbError> {
        holds::holds_overdue(db, now, after, limit)
    }

    fn end(self, ledger: &mut Ledger) -> Result<Answer, LedgerError> {
        hold::expire(ledger, self)
    }
}

/// Expires every pending recharge that is overdue.
pub fn expire_recharges(ledger: &mut Ledger) -> Result<Expired, LedgerError> {
    expire_all::<RechargeId>(ledger)
}

/// Gives back every open hold that is overdue.
pub fn expire_holds(ledger: &mut Ledger) -> Result<Expired, LedgerError> {
    expire_all::<HoldId>(ledger)
}

fn expire_all<R: Expiring>(ledger: &mut Ledger) -> Result<Expired, LedgerError> {
    const PAGE: i64 = 500;
    job::run(ledger, R::JOB, Overlap::Refused, |ledger, run| {
        let mut done = Expired::default();
        let mut after = (0, 0);
        loop {
            let now = ledger.now();
            let overdue = R::overdue(&mut ledger.db, now, after, PAGE)?;
            let Some(last) = overdue.last() else { break };
            after = (last.key().0.get(), last.key().1);
            for record in overdue {
                interrupt::check()?;
                run.keep(ledger)?;
                let answer = match record.end(ledger) {
                    Ok(answer) => answer,
                    // Damage of one account, or somebody who holds it for too long, stops no other.
                    Err(error) if error.concerns_one_account() => {
                        done.refused.push((record.to_string(), error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                match &answer.outcome {
                    Outcome::Applied(_) => done.expired += 1,
                    // Somebody else has ended it meanwhile.
                    Outcome::AlreadyApplied(_) => {}
                    Outcome::Refused(refusal) | Outcome::Suspended(refusal, _) => {
                        // Or has taken it up.
                        if !refusal.needs_no_ending() {
                            let reason = refusal.message(&answer.currency);
                            done.refused.push((record.to_string(), reason));
                        }
                    }
                }
            }
        }
        let record = RunRecord {
            counts: json!({"expired": done.expired, "refused": done.refused.len()}),
            digest: None,
            exit: done.exit(),
        };
        Ok((done, record))
    })
}
