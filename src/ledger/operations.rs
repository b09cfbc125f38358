//! The log of administrative acts: who did what, from where, and what it changed.

use super::Ledger;
use super::account::chosen;
use super::error::LedgerError;
use crate::db::accounts::account_by_id;
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
    let mut views: Vec<ActView> = Vec::new();
    for act in operations_list(&mut ledger.db, &filter)? {
        let known = views.iter().find(|view| view.act.account == act.account);
        let account = match known {
            Some(view) => view.account.clone(),
            None => account_by_id(&mut ledger.db, act.account)?.map(|listed| listed.account),
        };
        views.push(ActView { act, account });
    }
    Ok(views)
}
