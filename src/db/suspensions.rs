//! The `suspensions` table: why an account was stopped, and when it was let go on.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::money::Minor;
use crate::domain::suspension::Suspension;
use crate::domain::text::{Actor, Description};
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str =
    "account_id, number, reason, suspended_at, suspended_by, balance, required, resumed_at, resumed_by";

impl FromRow for Suspension {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            number: columns.int()?,
            reason: Description::parse(&columns.text()?)?,
            suspended_at: Timestamp::from_micros(columns.int()?),
            suspended_by: Actor::parse(&columns.text()?)?,
            balance: Minor::new(columns.int()?),
            required: columns.optional_int()?.map(Minor::new),
            resumed_at: columns.optional_int()?.map(Timestamp::from_micros),
            resumed_by: columns.optional_text()?.map(|text| Actor::parse(&text)).transpose()?,
        })
    }
}

pub fn suspension_find(db: &mut Db, account: AccountId, number: i64) -> Result<Option<Suspension>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM suspensions WHERE account_id = ? AND number = ?");
    db.row(&sql(find).bind(account.get()).bind(number))
}

pub fn suspension_insert(db: &mut Db, suspension: &Suspension) -> Result<(), DbError> {
    let insert = sql(format!(
        "INSERT INTO suspensions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(suspension.account.get())
    .bind(suspension.number)
    .bind(suspension.reason.as_str())
    .bind(suspension.suspended_at.micros())
    .bind(suspension.suspended_by.as_str())
    .bind(suspension.balance.get())
    .bind(suspension.required.map(Minor::get))
    .bind(suspension.resumed_at.map(Timestamp::micros))
    .bind(suspension.resumed_by.as_ref().map(Actor::as_str));
    db.execute(&insert).map(|_| ())
}

/// Ends a suspension; `false` when it has ended already.
pub fn suspension_end(
    db: &mut Db,
    account: AccountId,
    number: i64,
    at: Timestamp,
    by: &Actor,
) -> Result<bool, DbError> {
    let update = sql("UPDATE suspensions SET resumed_at = ?, resumed_by = ? \
         WHERE account_id = ? AND number = ? AND resumed_at IS NULL")
    .bind(at.micros())
    .bind(by.as_str())
    .bind(account.get())
    .bind(number);
    Ok(db.execute(&update)? == 1)
}

/// Which suspensions a list shows.
#[derive(Clone, Debug, Default)]
pub struct SuspensionFilter {
    pub account: Option<AccountId>,
    pub active: bool,
    pub limit: i64,
}

/// Newest first.
pub fn suspensions_list(db: &mut Db, filter: &SuspensionFilter) -> Result<Vec<Suspension>, DbError> {
    let active = if filter.active { "resumed_at IS NULL" } else { "1 = 1" };
    let list = sql(format!("SELECT {COLUMNS} FROM suspensions WHERE {active}"))
        .given("account_id = ?", filter.account.map(AccountId::get));
    db.rows(&list.first("suspended_at DESC, account_id DESC, number DESC", filter.limit))
}
