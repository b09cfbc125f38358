//! The numbers of an account's records: 1, 2, 3 ... for each kind.

use super::connection::Db;
use super::error::DbError;
use super::statement::sql;
use crate::domain::account::AccountId;

/// A table whose rows are numbered within their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    Recharges,
    Holds,
    Purchases,
    Gifts,
    Suspensions,
    RecurringCharges,
}

/// The number of the account's next row; under its lock.
pub fn next_number(db: &mut Db, of: Numbered, account: AccountId) -> Result<i64, DbError> {
    let next = sql(match of {
        Numbered::Recharges => "SELECT COALESCE(MAX(number), 0) + 1 FROM recharges WHERE account_id = ?",
        Numbered::Holds => "SELECT COALESCE(MAX(number), 0) + 1 FROM holds WHERE account_id = ?",
        Numbered::Purchases => "SELECT COALESCE(MAX(number), 0) + 1 FROM purchases WHERE account_id = ?",
        Numbered::Gifts => "SELECT COALESCE(MAX(number), 0) + 1 FROM gifts WHERE account_id = ?",
        Numbered::Suspensions => "SELECT COALESCE(MAX(number), 0) + 1 FROM suspensions WHERE account_id = ?",
        Numbered::RecurringCharges => "SELECT COALESCE(MAX(number), 0) + 1 FROM recurring_charges WHERE account_id = ?",
    });
    Ok(db.row(&next.bind(account.get()))?.unwrap_or(1))
}
