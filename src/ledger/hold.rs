//! Holds by their id: whose they are, expiring, listing.

use super::Ledger;
use super::account::{by_id, chosen, owned};
use super::error::LedgerError;
use super::post::{Answer, Request, post};
use crate::db::holds::{self, HoldFilter};
use crate::domain::account::{Account, AccountId};
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::hold::{Hold, HoldId, HoldStatus};
use crate::domain::operation::Operation;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// A hold and whose it is.
#[derive(Clone, Debug)]
pub struct HoldView {
    pub account: Account,
    pub hold: Hold,
}

/// Whose hold it is.
pub fn account_of(ledger: &mut Ledger, id: HoldId) -> Result<Account, LedgerError> {
    by_id(ledger, id.account, || {
        format!("hold {id} does not exist; `ledger holds` shows them")
    })
}

/// Gives back what is overdue of an account that is being touched, whether anything was: nobody need wait for the job.
pub(super) fn expire_overdue_of(ledger: &mut Ledger, account: AccountId, now: Timestamp) -> Result<bool, LedgerError> {
    let overdue = holds::holds_overdue_of(&mut ledger.db, account, now)?;
    for hold in &overdue {
        expire(ledger, hold.id)?;
    }
    Ok(!overdue.is_empty())
}

pub(super) fn expire(ledger: &mut Ledger, id: HoldId) -> Result<Answer, LedgerError> {
    let account = account_of(ledger, id)?;
    let operation = Operation::ExpireHold { hold: id.number };
    let request = Request::of(&account, operation, Note::default(), None);
    post(ledger, &request).map_err(LedgerError::without_key)
}

/// Which holds a list shows.
#[derive(Clone, Debug)]
pub struct HoldQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub status: Option<HoldStatus>,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &HoldQuery) -> Result<Vec<HoldView>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let now = ledger.now();
    let filter = HoldFilter {
        account,
        status: query.status.map(|status| (status, now)),
        limit: query.limit,
    };
    let found = holds::holds_list(&mut ledger.db, &filter)?;
    let found = owned(ledger, found, |hold| hold.id.account)?;
    Ok(found.map(|(account, hold)| HoldView { account, hold }).collect())
}
