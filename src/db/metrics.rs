//! What a ledger comes to at a glance: a few sums and counts over small tables and partial indexes, none of which reads
//! the entries or the intents.

use diesel::deserialize;

use super::connection::Db;
use super::credits::credits_due_count;
use super::entries::{read_wide, sum, wide_sum};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::currency::Currency;
use crate::domain::time::Timestamp;

/// The accounts of one currency.
#[derive(Clone, Debug)]
pub struct CurrencyTally {
    pub currency: Currency,
    pub accounts: i64,
    pub locked: i64,
    pub suspended: i64,
    /// In minor units, as the balance rows say.
    pub balance: i128,
    pub held: i128,
    pub debt: i128,
    /// How many there are, by the last sequence numbers.
    pub entries: i128,
}

impl FromRow for CurrencyTally {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            accounts: columns.int()?,
            locked: columns.int()?,
            suspended: columns.int()?,
            balance: read_wide(columns)?,
            held: read_wide(columns)?,
            debt: read_wide(columns)?,
            entries: read_wide(columns)?,
        })
    }
}

pub fn currency_tallies(db: &mut Db) -> Result<Vec<CurrencyTally>, DbError> {
    let figures = ["b.balance", "b.held", "b.debt", "b.last_seq"].map(wide_sum).join(", ");
    let text = format!(
        "SELECT a.currency, a.exponent, COUNT(*), {}, {}, {figures} \
         FROM accounts a JOIN balances b ON b.account_id = a.id GROUP BY a.currency, a.exponent ORDER BY a.currency",
        sum("CASE WHEN a.locked THEN 1 ELSE 0 END"),
        sum("CASE WHEN a.suspension IS NULL THEN 0 ELSE 1 END"),
    );
    db.rows(&sql(text))
}

/// What waits for something.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub open_holds: i64,
    pub pending_recharges: i64,
    pub pending_credits: i64,
    /// Of them, those whose time has come.
    pub due_credits: i64,
}

pub fn waiting(db: &mut Db, now: Timestamp) -> Result<Waiting, DbError> {
    let count = |db: &mut Db, of: &'static str| -> Result<i64, DbError> {
        Ok(db.row(&sql(format!("SELECT COUNT(*) FROM {of}")))?.unwrap_or(0))
    };
    Ok(Waiting {
        open_holds: count(db, "holds WHERE status = 'open'")?,
        pending_recharges: count(db, "recharges WHERE status IN ('pending', 'processing')")?,
        pending_credits: count(db, "pending_credits WHERE state = 'pending'")?,
        due_credits: credits_due_count(db, now)?,
    })
}
