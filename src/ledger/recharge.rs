//! Recharges by their id: moving one on, as a gateway's callback says or by hand, and listing them.

use super::Ledger;
use super::account::{by_id, chosen, owned};
use super::error::LedgerError;
use super::post::{Answer, Outcome, Request, made_up_key, post};
use crate::db::recharges::{self, RechargeFilter};
use crate::domain::account::Account;
use crate::domain::code::Code;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::money::Amount;
use crate::domain::operation::{Claim, Operation};
use crate::domain::recharge::{Recharge, RechargeGoal, RechargeId, RechargeStatus};
use crate::domain::refusal::Refusal;
use crate::domain::text::{IdempotencyKey, Json, PaymentMethod, UserId};

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
    to: RechargeGoal,
    gateway_response: Option<Json>,
    key: Option<IdempotencyKey>,
) -> Result<Answer, LedgerError> {
    let account = account_of(ledger, id)?;
    step(ledger, &account, (id.number, to), gateway_response, None, key)
}

fn account_of(ledger: &mut Ledger, id: RechargeId) -> Result<Account, LedgerError> {
    by_id(ledger, id.account, || {
        format!("recharge {id} does not exist; `ledger recharge list` shows them")
    })
}

/// What a gateway's callback says, as it was read.
#[derive(Clone, Debug)]
pub struct Callback {
    pub id: RechargeId,
    pub to: RechargeGoal,
    /// Decimal text in the recharge's currency.
    pub amount: String,
    pub currency: CurrencyCode,
    /// The whole body, kept with the recharge.
    pub body: Json,
}

/// Does what a gateway's callback says, if it speaks of that very recharge. The signature has been checked.
pub fn callback(
    ledger: &mut Ledger,
    callback: &Callback,
    method: &PaymentMethod,
    key: Option<IdempotencyKey>,
) -> Result<Answer, LedgerError> {
    let account = account_of(ledger, callback.id)?;
    if *account.currency.code() != callback.currency {
        return Ok(Answer {
            operation: callback.to.operation(),
            key: key.map_or_else(made_up_key, Ok)?,
            currency: account.currency,
            outcome: Outcome::Refused(Refusal::ClaimMismatch {
                what: format!("recharge {}", callback.id),
                differs_in: "currency",
            }),
        });
    }
    let amount = Amount::parse(&callback.amount, &account.currency)
        .map_err(|error| LedgerError::invalid(Code::InvalidAmount, error))?;
    let claim = Claim {
        amount,
        method: method.clone(),
    };
    let step_to = (callback.id.number, callback.to);
    step(ledger, &account, step_to, Some(callback.body.clone()), Some(claim), key)
}

fn step(
    ledger: &mut Ledger,
    account: &Account,
    (number, to): (i64, RechargeGoal),
    gateway_response: Option<Json>,
    claim: Option<Claim>,
    key: Option<IdempotencyKey>,
) -> Result<Answer, LedgerError> {
    let operation = Operation::MoveRecharge {
        number,
        to,
        gateway_response,
        claim,
    };
    post(ledger, &Request::of(account, operation, Note::default(), key))
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
    let account = chosen(ledger, query.account.as_ref())?;
    let now = ledger.now();
    let filter = RechargeFilter {
        account,
        status: query.status.map(|status| (status, now)),
        limit: query.limit,
    };
    let found = recharges::recharges_list(&mut ledger.db, &filter)?;
    let found = owned(ledger, found, |recharge| recharge.id.account)?;
    Ok(found
        .map(|(account, recharge)| RechargeView { account, recharge })
        .collect())
}
