//! The numbers of an account's records: 1, 2, 3 ... for each kind.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::statement::{Column, Columns, FromRow, sql};
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

impl Numbered {
    const fn table(self) -> &'static str {
        match self {
            Self::Recharges => "recharges",
            Self::Holds => "holds",
            Self::Purchases => "purchases",
            Self::Gifts => "gifts",
            Self::Suspensions => "suspensions",
            Self::RecurringCharges => "recurring_charges",
        }
    }
}

/// The number of the account's next row; under its lock.
pub fn next_number(db: &mut Db, of: Numbered, account: AccountId) -> Result<i64, DbError> {
    let next = format!(
        "SELECT COALESCE(MAX(number), 0) + 1 FROM {} WHERE account_id = ?",
        of.table()
    );
    Ok(db.row(&sql(next).bind(account.get()))?.unwrap_or(1))
}

/// The same for many accounts, where one statement is cheaper than many: on a server that has them all.
pub fn next_numbers(db: &mut Db, of: Numbered, accounts: &[AccountId]) -> Result<Vec<(AccountId, i64)>, DbError> {
    struct Next(AccountId, i64);
    impl FromRow for Next {
        fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
            Ok(Self(AccountId::new(columns.int()?), columns.int()?))
        }
    }
    let next = format!(
        "SELECT n.id, COALESCE((SELECT MAX(number) FROM {} WHERE account_id = n.id), 0) + 1 FROM unnest(?) n (id)",
        of.table()
    );
    let next: Vec<Next> = db.rows(&sql(next).bind(Column::ints(accounts, |id| Some(id.get()))))?;
    Ok(next
        .into_iter()
        .map(|Next(account, number)| (account, number))
        .collect())
}
