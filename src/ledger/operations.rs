//! The log of administrative acts: who did what, from where, and what it changed.

use super::Ledger;
use super::account::{chosen, with_owners};
use super::error::LedgerError;
pub use crate::db::operations::Act;
use crate::db::operations::{OperationFilter, operations_list};
use crate::domain::account::Account;
use crate::domain::currency::CurrencyCode;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// An act, and whose account it was about; `None` for one about the ledger or about what belongs to no account.
#[derive(Clone, Debug)]
pub struct ActView {
    pub act: Act,
    pub account: Option<Account>,
}

/// Which acts a list shows.
#[derive(Clone, Debug)]
pub struct ActQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    /// As it was called: `account lock`, `verify-sync --fix`.
    pub command: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &ActQuery) -> Result<Vec<ActView>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = OperationFilter {
        account,
        command: query.command.clone(),
        since: query.since,
        until: query.until,
        limit: query.limit,
    };
    let found = operations_list(&mut ledger.db, &filter)?;
    let found = with_owners(ledger, found, |act| act.account)?.into_iter();
    Ok(found.map(|(account, act)| ActView { act, account }).collect())
}
