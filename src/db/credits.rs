//! The `pending_credits` table as the job sees it: many at once.

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::purchases::{PURCHASE_COLUMNS, PURCHASE_TABLES, credit_move};
use super::statement::{Column, Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::purchase::{CreditState, Purchase, PurchaseId};
use crate::domain::time::Timestamp;

/// Purchases whose credits are due and have not come, in order of account and number, after `after`.
pub fn credits_due(db: &mut Db, now: Timestamp, after: (i64, i64), limit: i64) -> Result<Vec<Purchase>, DbError> {
    let select = format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE {DUE} AND (c.account_id, c.number) > (?, ?) \
         ORDER BY c.account_id, c.number LIMIT ?"
    );
    let select = sql(select).bind(now.micros()).bind(after.0).bind(after.1).bind(limit);
    db.rows(&select)
}

const DUE: &str = "c.state = 'pending' AND c.due_at <= ?";

/// The ids of credits that are due, in order, after `after`.
pub fn credits_due_ids(
    db: &mut Db,
    now: Timestamp,
    after: (i64, i64),
    limit: usize,
) -> Result<Vec<PurchaseId>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let select = format!(
        "SELECT c.account_id, c.number FROM pending_credits c WHERE {DUE} AND (c.account_id, c.number) > (?, ?) \
         ORDER BY c.account_id, c.number LIMIT ?"
    );
    let select = sql(select).bind(now.micros()).bind(after.0).bind(after.1).bind(limit);
    db.rows(&select)
}

const WITHIN: &str = "(c.account_id, c.number) >= (?, ?) AND (c.account_id, c.number) <= (?, ?)";

fn bind_range(statement: Statement<'_>, now: Timestamp, (first, last): (PurchaseId, PurchaseId)) -> Statement<'_> {
    statement
        .bind(now.micros())
        .bind(first.account.get())
        .bind(first.number)
        .bind(last.account.get())
        .bind(last.number)
}

/// Whose credits of that range are due.
pub fn credits_due_accounts(
    db: &mut Db,
    now: Timestamp,
    range: (PurchaseId, PurchaseId),
) -> Result<Vec<AccountId>, DbError> {
    let select = sql(format!(
        "SELECT DISTINCT c.account_id FROM pending_credits c WHERE {DUE} AND {WITHIN} ORDER BY c.account_id"
    ));
    db.rows(&bind_range(select, now, range))
}

/// The purchases of that range whose credits are due, in order.
///
/// The range is given for both tables: PostgreSQL would read all purchases for the join otherwise.
pub fn credits_due_between(
    db: &mut Db,
    now: Timestamp,
    (first, last): (PurchaseId, PurchaseId),
) -> Result<Vec<Purchase>, DbError> {
    let select = sql(format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE {DUE} AND {WITHIN} \
         AND (p.account_id, p.number) >= (?, ?) AND (p.account_id, p.number) <= (?, ?) \
         ORDER BY c.account_id, c.number"
    ));
    let select = bind_range(select, now, (first, last))
        .bind(first.account.get())
        .bind(first.number)
        .bind(last.account.get())
        .bind(last.number);
    db.rows(&select)
}

/// How many credits are due and have not come.
pub fn credits_due_count(db: &mut Db, now: Timestamp) -> Result<i64, DbError> {
    let count = sql(format!("SELECT COUNT(*) FROM pending_credits c WHERE {DUE}"));
    Ok(db.row(&count.bind(now.micros()))?.unwrap_or(0))
}

/// Notes by which entry each credit has come; all of them, or an error.
pub fn credits_transferred(db: &mut Db, brought: &[(PurchaseId, i64)], at: Timestamp) -> Result<(), DbError> {
    let moved = match db.engine() {
        Engine::Sqlite => {
            let step = (CreditState::Pending, CreditState::Transferred);
            let mut moved = 0;
            for (id, seq) in brought {
                moved += usize::from(credit_move(db, *id, step, at, Some(*seq))?);
            }
            moved
        }
        Engine::Postgres => {
            let ints = |of: &dyn Fn(&(PurchaseId, i64)) -> i64| Column::ints(brought, |credit| Some(of(credit)));
            let update = sql(
                "UPDATE pending_credits c SET state = 'transferred', settled_at = ?, entry_seq = n.entry_seq \
                 FROM unnest(?, ?, ?) AS n (account_id, number, entry_seq) \
                 WHERE c.account_id = n.account_id AND c.number = n.number AND c.state = 'pending'",
            )
            .bind(at.micros())
            .bind(ints(&|(id, _)| id.account.get()))
            .bind(ints(&|(id, _)| id.number))
            .bind(ints(&|(_, seq)| *seq));
            db.execute(&update)?
        }
    };
    if moved == brought.len() {
        Ok(())
    } else {
        Err(DbError::moved("a credit", "its account's lock"))
    }
}

/// Purchases whose credits were deactivated before `before` while they were pending, oldest first.
pub fn credits_inactive(db: &mut Db, before: Timestamp, limit: i64) -> Result<Vec<Purchase>, DbError> {
    let select = format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE c.state = 'inactive' AND c.settled_at < ? \
         ORDER BY c.settled_at, c.account_id, c.number LIMIT ?"
    );
    db.rows(&sql(select).bind(before.micros()).bind(limit))
}
