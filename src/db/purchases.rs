//! The `purchases` and `pending_credits` tables.

use diesel::deserialize;

use super::connection::Db;
use super::deactivation::{bind_deactivation, read_deactivation};
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::money::{Amount, Minor};
use crate::domain::purchase::{CreditState, Deactivation, Paid, PendingCredit, Purchase, PurchaseId};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

pub(super) const PURCHASE_COLUMNS: &str = "p.account_id, p.number, p.paid, p.paid_currency, p.paid_exponent, p.credits, p.created_at, \
     p.created_by, p.deactivated_at, p.deactivated_by, p.deactivated_why, p.reference, p.description, p.metadata, \
     c.credits, c.due_at, c.state, c.settled_at, c.entry_seq";

pub(super) const PURCHASE_TABLES: &str =
    "purchases p LEFT JOIN pending_credits c ON c.account_id = p.account_id AND c.number = p.number";

/// Amount, currency and its digits, where there is any.
pub(super) fn read_paid(columns: &mut impl Columns) -> deserialize::Result<Option<Paid>> {
    let (amount, code, exponent) = (
        columns.optional_int()?,
        columns.optional_text()?,
        columns.optional_int()?,
    );
    let (Some(amount), Some(code), Some(exponent)) = (amount, code, exponent) else {
        return Ok(None);
    };
    let currency = Currency::new(CurrencyCode::parse(&code)?, u8::try_from(exponent)?);
    Ok(Some(Paid {
        amount: Amount::new(Minor::new(amount)).ok_or("an impossible amount was paid")?,
        currency: currency.ok_or("a currency has an impossible exponent")?,
    }))
}

pub(super) fn bind_paid<'a>(statement: Statement<'a>, paid: Option<&'a Paid>) -> Statement<'a> {
    statement
        .bind(paid.map(|paid| paid.amount.minor().get()))
        .bind(paid.map(|paid| paid.currency.code().as_str()))
        .bind(paid.map(|paid| i64::from(paid.currency.exponent())))
}

fn read_pending(columns: &mut impl Columns) -> deserialize::Result<Option<PendingCredit>> {
    let credits = columns.optional_int()?.map(Minor::new).and_then(Amount::new);
    let due_at = columns.optional_int()?.map(Timestamp::from_micros);
    let state = columns.optional_text()?.and_then(|name| CreditState::parse(&name));
    let settled_at = columns.optional_int()?.map(Timestamp::from_micros);
    let entry_seq = columns.optional_int()?;
    let (Some(credits), Some(due_at), Some(state)) = (credits, due_at, state) else {
        return Ok(None);
    };
    Ok(Some(PendingCredit {
        credits,
        due_at,
        state,
        settled_at,
        entry_seq,
    }))
}

impl FromRow for Purchase {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: PurchaseId::from_row(columns)?,
            paid: read_paid(columns)?.ok_or("a purchase was not paid")?,
            credits: Minor::new(columns.int()?),
            created_at: Timestamp::from_micros(columns.int()?),
            created_by: Actor::parse(&columns.text()?)?,
            deactivated: read_deactivation(columns)?,
            note: read_note(columns)?,
            pending: read_pending(columns)?,
        })
    }
}

pub fn purchase_find(db: &mut Db, id: PurchaseId) -> Result<Option<Purchase>, DbError> {
    let find = format!("SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.account_id = ? AND p.number = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

/// Writes a purchase and its credits on their way.
pub fn purchase_insert(db: &mut Db, purchase: &Purchase) -> Result<(), DbError> {
    let insert = sql(
        "INSERT INTO purchases (account_id, number, paid, paid_currency, paid_exponent, credits, created_at, \
         created_by, deactivated_at, deactivated_by, deactivated_why, reference, description, metadata) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(purchase.id.account.get())
    .bind(purchase.id.number);
    let insert = bind_paid(insert, Some(&purchase.paid))
        .bind(purchase.credits.get())
        .bind(purchase.created_at.micros())
        .bind(purchase.created_by.as_str());
    let insert = bind_deactivation(insert, purchase.deactivated.as_ref());
    db.execute(&bind_note(insert, &purchase.note))?;
    let Some(pending) = &purchase.pending else {
        return Ok(());
    };
    let insert = sql(
        "INSERT INTO pending_credits (account_id, number, credits, due_at, state, settled_at, entry_seq) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(purchase.id.account.get())
    .bind(purchase.id.number)
    .bind(pending.credits.minor().get())
    .bind(pending.due_at.micros())
    .bind(pending.state.name())
    .bind(pending.settled_at.map(Timestamp::micros))
    .bind(pending.entry_seq);
    db.execute(&insert).map(|_| ())
}

/// Notes who took a purchase back; `false` when somebody had before.
pub fn purchase_deactivate(db: &mut Db, id: PurchaseId, how: &Deactivation) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE purchases SET deactivated_at = ?, deactivated_by = ?, deactivated_why = ? \
         WHERE account_id = ? AND number = ? AND deactivated_at IS NULL",
    );
    let update = bind_deactivation(update, Some(how))
        .bind(id.account.get())
        .bind(id.number);
    Ok(db.execute(&update)? == 1)
}

/// Takes credits from one state to another; `false` when they are no longer in the first.
pub fn credit_move(
    db: &mut Db,
    id: PurchaseId,
    (from, to): (CreditState, CreditState),
    at: Timestamp,
    entry_seq: Option<i64>,
) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE pending_credits SET state = ?, settled_at = ?, entry_seq = COALESCE(?, entry_seq) \
         WHERE account_id = ? AND number = ? AND state = ?",
    )
    .bind(to.name())
    .bind(at.micros())
    .bind(entry_seq)
    .bind(id.account.get())
    .bind(id.number)
    .bind(from.name());
    Ok(db.execute(&update)? == 1)
}

/// Which purchases a list shows.
#[derive(Clone, Debug, Default)]
pub struct PurchaseFilter {
    pub account: Option<AccountId>,
    pub state: Option<CreditState>,
    pub limit: i64,
}

/// Newest first.
pub fn purchases_list(db: &mut Db, filter: &PurchaseFilter) -> Result<Vec<Purchase>, DbError> {
    let list = sql(format!("SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE 1 = 1"))
        .given("p.account_id = ?", filter.account.map(AccountId::get))
        .given("c.state = ?", filter.state.map(CreditState::name));
    db.rows(&list.first("p.created_at DESC, p.account_id DESC, p.number DESC", filter.limit))
}
