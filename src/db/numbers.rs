//! The numbers of an account's records: 1, 2, 3 ... for each kind; and the ids that they make.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Column, sql};
use crate::domain::access::GrantId;
use crate::domain::account::AccountId;
use crate::domain::event::EventId;
use crate::domain::hold::HoldId;
use crate::domain::purchase::{GiftId, PurchaseId};
use crate::domain::recharge::RechargeId;
use crate::domain::recurring::RecurringId;

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

/// How records are named, and read: their account and their number in it.
macro_rules! ids {
    ($($id:ty),*) => {$(
        impl FromRow for $id {
            fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
                let (account, number) = FromRow::from_row(columns)?;
                Ok(Self { account, number })
            }
        }
    )*};
}

ids!(RechargeId, HoldId, PurchaseId, GiftId, RecurringId, GrantId, EventId);

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
    let next = format!(
        "SELECT n.id, COALESCE((SELECT MAX(number) FROM {} WHERE account_id = n.id), 0) + 1 FROM unnest(?) n (id)",
        of.table()
    );
    db.rows(&sql(next).bind(Column::ints(accounts, |id| Some(id.get()))))
}
