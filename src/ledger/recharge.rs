//! Recharges by their id: moving one on, listing, expiring what is overdue.

use serde_json::json;

use super::account::find;
use super::error::LedgerError;
use super::job::{self, Overlap, RunRecord};
use super::post::{Answer, Outcome, Request, post};
use super::{Ledger, interrupt};
use crate::db::accounts;
use crate::db::recharges::{self, RechargeFilter};
use crate::domain::account::Account;
use crate::domain::code::Exit;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::operation::Operation;
use crate::domain::recharge::{Recharge, RechargeId, RechargeStatus};
use crate::domain::text::{IdempotencyKey, Json, UserId};

/// A recharge and whose it is.
#[derive(Clone, Debug)]
pub struct RechargeView {
    pub account: Account,
    pub recharge: Recharge,
}

/// Takes a recharge to another status; completing it brings the money.
pub fn advance(
    ledger: &mut Ledger,
    id: RechargeId,
    to: RechargeStatus,
    gateway_response: Option<Json>,
    key: Option<IdempotencyKey>,
) -> Result<Answer, LedgerError> {
    let missing = || {
        LedgerError::NotFound(format!(
            "recharge {id} does not exist; `ledger recharge list` shows them"
        ))
    };
    let account = accounts::account_by_id(&mut ledger.db, id.account)?
        .ok_or_else(missing)?
        .account;
    let request = Request {
        user_id: account.user_id,
        currency: account.currency,
        operation: Operation::MoveRecharge {
            number: id.number,
            to,
            gateway_response,
        },
        note: Note::default(),
        key,
    };
    post(ledger, &request)
}

/// Which recharges a list shows.
#[derive(Clone, Debug)]
pub struct RechargeQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub status: Option<RechargeStatus>,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &RechargeQuery) -> Result<Vec<RechargeView>, LedgerError> {
    let account = match &query.account {
        Some((user_id, currency)) => Some(find(ledger, user_id, currency)?.account.id),
        None => None,
    };
    let filter = RechargeFilter {
        account,
        status: query.status,
        limit: query.limit,
    };
    let mut views = Vec::new();
    for recharge in recharges::recharges_list(&mut ledger.db, &filter)? {
        if let Some(listed) = accounts::account_by_id(&mut ledger.db, recharge.id.account)? {
            views.push(RechargeView {
                account: listed.account,
                recharge,
            });
        }
    }
    Ok(views)
}

/// What the expiry job did.
#[derive(Clone, Debug, Default)]
pub struct Expired {
    pub expired: u64,
    /// Could not be expired, with the reason: a closed account.
    pub refused: Vec<(RechargeId, String)>,
}

/// Expires every pending recharge that is overdue, each in a transaction of its own.
pub fn expire(ledger: &mut Ledger) -> Result<Expired, LedgerError> {
    const PAGE: i64 = 500;
    job::run(ledger, "expire-recharges", Overlap::Refused, |ledger, run| {
        let mut done = Expired::default();
        let mut after = (0, 0);
        loop {
            let now = ledger.now();
            let overdue = recharges::recharges_overdue(&mut ledger.db, now, after, PAGE)?;
            let Some(last) = overdue.last() else { break };
            after = (last.account.get(), last.number);
            for id in overdue {
                interrupt::check()?;
                run.keep(ledger)?;
                match advance(ledger, id, RechargeStatus::Expired, None, None)? {
                    Answer {
                        outcome: Outcome::Refused(refusal),
                        currency,
                        ..
                    } => {
                        done.refused.push((id, refusal.message(&currency)));
                    }
                    Answer {
                        outcome: Outcome::Applied(_),
                        ..
                    } => done.expired += 1,
                    Answer {
                        outcome: Outcome::AlreadyApplied(_),
                        ..
                    } => {}
                }
            }
        }
        let exit = if done.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        };
        let counts = json!({"expired": done.expired, "refused": done.refused.len()});
        Ok((
            done,
            RunRecord {
                counts,
                digest: None,
                exit,
            },
        ))
    })
}
