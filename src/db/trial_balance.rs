//! Debits and credits of whole pages of accounts, summed by the database.

use diesel::deserialize;

use super::connection::Db;
use super::entries::{read_wide, wide_sum};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::currency::Currency;
use crate::domain::time::Timestamp;

/// What was debited and what was credited, each at least zero, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    pub debits: i128,
    pub credits: i128,
}

/// What entries with the same currency and counter-account did to each figure and to the counter-account.
#[derive(Clone, Debug)]
pub struct Turnover {
    pub currency: Currency,
    pub counter_account: String,
    pub balance: Sides,
    pub held: Sides,
    pub debt: Sides,
    pub counter: Sides,
}

impl FromRow for Turnover {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let currency = Currency::from_row(columns)?;
        let counter_account = columns.text()?;
        let mut sides = || {
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Sides {
                debits: read_wide(columns)?,
                credits: read_wide(columns)?,
            })
        };
        Ok(Self {
            currency,
            counter_account,
            balance: sides()?,
            held: sides()?,
            debt: sides()?,
            counter: sides()?,
        })
    }
}

/// Sums of what is positive in `of`, and of what is negative.
fn signs(of: &str) -> (String, String) {
    let sum = |sign: &str, term: String| wide_sum(&format!("CASE WHEN {of} {sign} 0 THEN {term} ELSE 0 END"));
    (sum(">", of.to_owned()), sum("<", format!("-({of})")))
}

/// The turnovers of the accounts with ids in `first..=last`, up to each account's last entry made by `at`.
pub fn turnovers(db: &mut Db, (first, last): (i64, i64), at: Option<Timestamp>) -> Result<Vec<Turnover>, DbError> {
    // What raises a liability is a credit, what raises an asset a debit; the counter-account takes the other side.
    let (balance_credits, balance_debits) = signs("e.balance_delta");
    let (held_credits, held_debits) = signs("e.held_delta");
    let (debt_debits, debt_credits) = signs("e.debt_delta");
    let (counter_debits, counter_credits) = signs("(e.balance_delta + e.held_delta - e.debt_delta)");
    // By sequence number, as a past balance is told: the clock may have been set back.
    let until = match at {
        Some(_) => {
            "JOIN (SELECT account_id, MAX(seq) AS last_seq FROM entries WHERE account_id BETWEEN ? AND ? AND at <= ? \
             GROUP BY account_id) l ON l.account_id = e.account_id AND e.seq <= l.last_seq "
        }
        None => "",
    };
    let select = format!(
        "SELECT a.currency, a.exponent, e.counter_account, {balance_debits}, {balance_credits}, {held_debits}, \
         {held_credits}, {debt_debits}, {debt_credits}, {counter_debits}, {counter_credits} \
         FROM entries e JOIN accounts a ON a.id = e.account_id {until}WHERE e.account_id BETWEEN ? AND ? \
         GROUP BY a.currency, a.exponent, e.counter_account"
    );
    let mut statement = sql(select);
    if let Some(at) = at {
        statement = statement.bind(first).bind(last).bind(at.micros());
    }
    db.rows(&statement.bind(first).bind(last))
}

/// The sums of the balance rows of one currency, as they are stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub currency: Currency,
    pub balance: i128,
    pub held: i128,
    pub debt: i128,
}

impl FromRow for Stored {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            balance: read_wide(columns)?,
            held: read_wide(columns)?,
            debt: read_wide(columns)?,
        })
    }
}

/// The balance rows of the accounts with ids in `first..=last`, summed.
pub fn stored_sums(db: &mut Db, (first, last): (i64, i64)) -> Result<Vec<Stored>, DbError> {
    let select = format!(
        "SELECT a.currency, a.exponent, {}, {}, {} FROM balances b JOIN accounts a ON a.id = b.account_id \
         WHERE b.account_id BETWEEN ? AND ? GROUP BY a.currency, a.exponent",
        wide_sum("b.balance"),
        wide_sum("b.held"),
        wide_sum("b.debt"),
    );
    db.rows(&sql(select).bind(first).bind(last))
}
