//! Purchases and gifts by their id: taking them back, listing them.

use super::Ledger;
use super::account::{by_id, chosen, owned};
use super::error::LedgerError;
use super::post::{Answer, Request, post};
use crate::db::gifts;
use crate::db::purchases::{self, PurchaseFilter};
use crate::domain::account::{Account, AccountId};
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::operation::Operation;
use crate::domain::purchase::{CreditState, Gift, Purchase};
use crate::domain::text::{IdempotencyKey, UserId};

/// A purchase and whose it is.
#[derive(Clone, Debug)]
pub struct PurchaseView {
    pub account: Account,
    pub purchase: Purchase,
}

/// A gift and whose it is.
#[derive(Clone, Debug)]
pub struct GiftView {
    pub account: Account,
    pub gift: Gift,
}

/// Takes a purchase or a gift back; `what` is how people name it.
pub fn deactivate(
    ledger: &mut Ledger,
    account: AccountId,
    what: &str,
    operation: Operation,
    (note, key): (Note, Option<IdempotencyKey>),
) -> Result<Answer, LedgerError> {
    let account = by_id(ledger, account, || format!("{what} does not exist"))?;
    post(ledger, &Request::of(&account, operation, note, key))
}

/// Which purchases a list shows.
#[derive(Clone, Debug)]
pub struct PurchaseQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub state: Option<CreditState>,
    pub limit: i64,
}

/// Newest first.
pub fn purchases(ledger: &mut Ledger, query: &PurchaseQuery) -> Result<Vec<PurchaseView>, LedgerError> {
    let filter = PurchaseFilter {
        account: chosen(ledger, query.account.as_ref())?,
        state: query.state,
        limit: query.limit,
    };
    let found = purchases::purchases_list(&mut ledger.db, &filter)?;
    with_accounts(ledger, found)
}

pub(super) fn with_accounts(ledger: &mut Ledger, found: Vec<Purchase>) -> Result<Vec<PurchaseView>, LedgerError> {
    let found = owned(ledger, found, |purchase| purchase.id.account)?;
    Ok(found
        .map(|(account, purchase)| PurchaseView { account, purchase })
        .collect())
}

/// Newest first.
pub fn gifts(
    ledger: &mut Ledger,
    account: Option<&(UserId, CurrencyCode)>,
    limit: i64,
) -> Result<Vec<GiftView>, LedgerError> {
    let account = chosen(ledger, account)?;
    let found = gifts::gifts_list(&mut ledger.db, account, limit)?;
    let found = owned(ledger, found, |gift| gift.id.account)?;
    Ok(found.map(|(account, gift)| GiftView { account, gift }).collect())
}
