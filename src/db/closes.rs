//! The `closes` and `account_closes` tables: what earlier audits have found the ledger to come to.

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::entries::clamped;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Column, Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::close::{AccountClose, Totals};
use crate::domain::currency::Currency;
use crate::domain::time::Timestamp;

/// A currency's close.
#[derive(Clone, Debug)]
pub struct Close {
    pub currency: Currency,
    pub since: Timestamp,
    pub until: Timestamp,
    pub run_id: String,
    pub accounts: i64,
    pub totals: Totals,
    /// JSON: number and sum by kind of entry.
    pub kinds: String,
    pub digest: String,
}

fn sum_of(text: &str) -> deserialize::Result<i128> {
    Ok(text.parse()?)
}

impl FromRow for Close {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            since: Timestamp::from_micros(columns.int()?),
            until: Timestamp::from_micros(columns.int()?),
            run_id: columns.text()?,
            accounts: columns.int()?,
            totals: Totals {
                entries: columns.int()?,
                balance: sum_of(&columns.text()?)?,
                held: sum_of(&columns.text()?)?,
                debt: sum_of(&columns.text()?)?,
            },
            kinds: columns.text()?,
            digest: columns.text()?,
        })
    }
}

/// The last close of every currency; they were made at one time.
pub fn closes_last(db: &mut Db) -> Result<Vec<Close>, DbError> {
    db.rows(&sql(
        "SELECT currency, exponent, since_at, until_at, run_id, accounts, entries, balance, held, debt, kinds, digest \
         FROM closes WHERE until_at = (SELECT MAX(until_at) FROM closes) ORDER BY currency",
    ))
}

/// Keeps a close; one of the same moment is replaced.
pub fn close_put(db: &mut Db, close: &Close) -> Result<(), DbError> {
    let sums = [close.totals.balance, close.totals.held, close.totals.debt].map(|sum| sum.to_string());
    let put = sql(
        "INSERT INTO closes (currency, exponent, since_at, until_at, run_id, accounts, entries, balance, held, debt, \
         kinds, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (until_at, currency) DO UPDATE SET since_at = excluded.since_at, run_id = excluded.run_id, \
         accounts = excluded.accounts, entries = excluded.entries, balance = excluded.balance, held = excluded.held, \
         debt = excluded.debt, kinds = excluded.kinds, digest = excluded.digest",
    )
    .bind(close.currency.code().as_str())
    .bind(i64::from(close.currency.exponent()))
    .bind(close.since.micros())
    .bind(close.until.micros())
    .bind(close.run_id.as_str())
    .bind(close.accounts)
    .bind(close.totals.entries)
    .bind(sums[0].as_str())
    .bind(sums[1].as_str())
    .bind(sums[2].as_str())
    .bind(close.kinds.as_str())
    .bind(close.digest.as_str());
    db.execute(&put).map(|_| ())
}

impl FromRow for AccountClose {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            until: Timestamp::from_micros(columns.int()?),
            position: columns.int()?,
            totals: Totals {
                entries: columns.int()?,
                balance: columns.int()?.into(),
                held: columns.int()?.into(),
                debt: columns.int()?.into(),
            },
        })
    }
}

const COLUMNS: &str = "account_id, until_at, position, entries, balance, held, debt";

/// What the last closes remember of the accounts in `first..=last`.
pub fn account_closes(db: &mut Db, first: i64, last: i64) -> Result<Vec<(AccountId, AccountClose)>, DbError> {
    let select = format!("SELECT {COLUMNS} FROM account_closes WHERE account_id BETWEEN ? AND ?");
    db.rows(&sql(select).bind(first).bind(last))
}

pub fn account_closes_put(db: &mut Db, closes: &[(AccountId, AccountClose)]) -> Result<(), DbError> {
    let replace = "ON CONFLICT (account_id) DO UPDATE SET until_at = excluded.until_at, position = excluded.position, \
         entries = excluded.entries, balance = excluded.balance, held = excluded.held, debt = excluded.debt";
    let values = |(account, close): &(AccountId, AccountClose)| {
        let Totals {
            entries,
            balance,
            held,
            debt,
        } = close.totals;
        [
            account.get(),
            close.until.micros(),
            close.position,
            entries,
            clamped(balance),
            clamped(held),
            clamped(debt),
        ]
    };
    if db.engine() == Engine::Postgres {
        let column = |at: usize| Column::ints(closes, |close| Some(values(close)[at]));
        let text =
            format!("INSERT INTO account_closes ({COLUMNS}) SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?) {replace}");
        let put = (0..7).fold(sql(text), |statement, at| statement.bind(column(at)));
        return db.execute(&put).map(|_| ());
    }
    let text = format!("INSERT INTO account_closes ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) {replace}");
    for close in closes {
        let put = values(close).into_iter().fold(sql(text.clone()), Statement::bind);
        db.execute(&put)?;
    }
    Ok(())
}
