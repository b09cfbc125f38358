//! What stands beside the entries of many accounts, handed over row by row.

use super::connection::Db;
use super::error::DbError;
use super::operations::{self, Act};
use super::purchases::{PURCHASE_COLUMNS, PURCHASE_TABLES};
use super::rows::FromRow;
use super::statement::sql;
use super::{access, gifts, holds, intents, recharges, recurring, suspensions};
use crate::domain::access::AccessGrant;
use crate::domain::account::AccountId;
use crate::domain::hold::Hold;
use crate::domain::intent::Intent;
use crate::domain::purchase::{Gift, Purchase};
use crate::domain::recharge::Recharge;
use crate::domain::recurring::RecurringCharge;
use crate::domain::suspension::Suspension;

/// A record beside the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    Recharge(Recharge),
    Hold(Hold),
    Purchase(Purchase),
    Gift(Gift),
    Grant(AccessGrant),
    Suspension(Suspension),
    Recurring(Box<RecurringCharge>),
    /// Told without its id and its run, which are this ledger's own.
    Act(Act),
    Intent(Intent),
}

impl Beside {
    /// Whose it is.
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Recharge(recharge) => recharge.id.account,
            Self::Hold(hold) => hold.id.account,
            Self::Purchase(purchase) => purchase.id.account,
            Self::Gift(gift) => gift.id.account,
            Self::Grant(grant) => grant.id.account,
            Self::Suspension(suspension) => suspension.account,
            Self::Recurring(charge) => charge.id.account,
            Self::Act(act) => act.account,
            Self::Intent(intent) => intent.account,
        }
    }
}

/// Hands over the records of the accounts with ids in `first..=last`: one kind after the other, each in order of
/// account and number, intents in order of account, key and attempt.
pub fn records_stream<E: From<DbError>>(
    db: &mut Db,
    range: (i64, i64),
    each: &mut dyn FnMut(Beside) -> Result<(), E>,
) -> Result<(), E> {
    let simple = |columns: &str, table: &str| {
        format!("SELECT {columns} FROM {table} WHERE account_id BETWEEN ? AND ? ORDER BY account_id, number")
    };
    stream(
        db,
        simple(recharges::COLUMNS, "recharges"),
        range,
        Beside::Recharge,
        each,
    )?;
    stream(db, simple(holds::COLUMNS, "holds"), range, Beside::Hold, each)?;
    let purchases = format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.account_id BETWEEN ? AND ? \
         ORDER BY p.account_id, p.number"
    );
    stream(db, purchases, range, Beside::Purchase, each)?;
    stream(db, simple(gifts::COLUMNS, "gifts"), range, Beside::Gift, each)?;
    let grants = format!(
        "SELECT {} FROM access_grants WHERE account_id BETWEEN ? AND ? ORDER BY account_id, entry_seq",
        access::COLUMNS
    );
    stream(db, grants, range, Beside::Grant, each)?;
    stream(
        db,
        simple(suspensions::COLUMNS, "suspensions"),
        range,
        Beside::Suspension,
        each,
    )?;
    let recurring = format!(
        "SELECT {} FROM recurring_charges r WHERE r.account_id BETWEEN ? AND ? ORDER BY r.account_id, r.number",
        recurring::COLUMNS
    );
    let boxed = |charge| Beside::Recurring(Box::new(charge));
    stream(db, recurring, range, boxed, each)?;
    let acts = format!(
        "SELECT {} FROM operations WHERE account_id BETWEEN ? AND ? ORDER BY account_id, {}",
        operations::COLUMNS,
        db.by_bytes("id")
    );
    stream(db, acts, range, Beside::Act, each)?;
    let intents = format!(
        "SELECT {} FROM intents WHERE account_id BETWEEN ? AND ? ORDER BY account_id, {}, attempt",
        intents::COLUMNS,
        db.by_bytes("idempotency_key")
    );
    stream(db, intents, range, Beside::Intent, each)
}

fn stream<T: FromRow, E: From<DbError>>(
    db: &mut Db,
    select: String,
    (first, last): (i64, i64),
    beside: fn(T) -> Beside,
    each: &mut dyn FnMut(Beside) -> Result<(), E>,
) -> Result<(), E> {
    let select = sql(select).bind(first).bind(last);
    db.connection.stream(&select, |row: T| each(beside(row)))
}
