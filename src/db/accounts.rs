//! The `accounts` and `currencies` tables.

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::snapshot::{self, ACCOUNT_COLUMNS, STATE_COLUMNS};
use super::statement::{Column, Statement, known, known_statement, sql};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::State;
use crate::domain::chain::ChainHash;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::money::Minor;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// What an account is created with.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub user_id: UserId,
    pub currency: Currency,
    pub low_balance_threshold: Option<Minor>,
}

/// Creates the account and its empty balance row; its id, or `None` when it exists.
///
/// The id is the next number; who loses the race for it fails with [`DbError::Taken`] and may try again.
pub fn account_insert(db: &mut Db, new: &NewAccount, at: Timestamp) -> Result<Option<AccountId>, DbError> {
    if account_named(db, &new.user_id, new.currency.code())?.is_some() {
        return Ok(None);
    }
    let id: i64 = db
        .row(&sql("SELECT COALESCE(MAX(id), 0) + 1 FROM accounts"))?
        .unwrap_or(1);
    let insert = sql(
        "INSERT INTO accounts (id, user_id, currency, exponent, low_balance_threshold, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(id)
    .bind(new.user_id.as_str())
    .bind(new.currency.code().as_str())
    .bind(i64::from(new.currency.exponent()))
    .bind(new.low_balance_threshold.map(Minor::get))
    .bind(at.micros());
    db.execute(&insert)?;
    let row = sql("INSERT INTO balances (account_id, chain_head) VALUES (?, ?)")
        .bind(id)
        .bind(ChainHash::GENESIS.as_bytes());
    db.execute(&row)?;
    Ok(Some(AccountId::new(id)))
}

/// Stores the settings of an account whose lock is held, under its next revision.
pub fn settings_update(db: &mut Db, account: &Account) -> Result<(), DbError> {
    let revision = account.revision + 1;
    let update = sql(
        "UPDATE accounts SET low_balance_threshold = ?, charges_per_minute = ?, spend_per_day = ?, \
         locked = ?, closed = ?, suspension = ?, revision = ? WHERE id = ?",
    )
    .bind(account.low_balance_threshold.map(Minor::get))
    .bind(account.limits.charges_per_minute.map(i64::from))
    .bind(account.limits.spend_per_day.map(|amount| amount.minor().get()))
    .bind(account.locked)
    .bind(account.closed)
    .bind(account.suspension)
    .bind(revision)
    .bind(account.id.get());
    db.execute(&update)?;
    let mirror = sql("UPDATE balances SET settings_revision = ? WHERE account_id = ?")
        .bind(revision)
        .bind(account.id.get());
    match db.execute(&mirror)? {
        1 => Ok(()),
        _ => Err(snapshot::without_row(account)),
    }
}

/// An account as a list shows it: its balance row as stored, whatever it is worth.
#[derive(Clone, Debug)]
pub struct Listed {
    pub account: Account,
    pub stored: Option<State>,
}

impl FromRow for Listed {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: Account::from_row(columns)?,
            stored: snapshot::read_state(columns)?,
        })
    }
}

/// Accounts with their balances, where that holds.
fn listed<'a>(condition: &str) -> Statement<'a> {
    sql(format!(
        "SELECT {ACCOUNT_COLUMNS}, {STATE_COLUMNS} FROM accounts a LEFT JOIN balances b ON b.account_id = a.id \
         WHERE {condition}"
    ))
}

/// Which account that user has in that currency, if any.
pub(super) fn account_named(
    db: &mut Db,
    user_id: &UserId,
    currency: &CurrencyCode,
) -> Result<Option<AccountId>, DbError> {
    known_statement!(Named, "SELECT id FROM accounts WHERE user_id = ? AND currency = ?");
    db.row(&known::<Named>().bind(user_id.as_str()).bind(currency.as_str()))
}

/// Which accounts there are of these users and currencies.
pub fn accounts_named(
    db: &mut Db,
    names: &[(&UserId, &CurrencyCode)],
) -> Result<Vec<(UserId, CurrencyCode, AccountId)>, DbError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    match db.engine() {
        Engine::Sqlite => {
            let mut found = Vec::with_capacity(names.len());
            for (user_id, currency) in names {
                if let Some(id) = account_named(db, user_id, currency)? {
                    found.push(((*user_id).clone(), (*currency).clone(), id));
                }
            }
            Ok(found)
        }
        Engine::Postgres => {
            let select = sql(
                "SELECT a.user_id, a.currency, a.id FROM unnest(?, ?) AS n (user_id, currency) \
                 JOIN accounts a ON a.user_id = n.user_id AND a.currency = n.currency",
            )
            .bind(Column::texts(names, |(user_id, _)| Some(user_id.as_str())))
            .bind(Column::texts(names, |(_, currency)| Some(currency.as_str())));
            db.rows(&select)
        }
    }
}

impl FromRow for UserId {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self::parse(&columns.text()?)?)
    }
}

impl FromRow for CurrencyCode {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self::parse(&columns.text()?)?)
    }
}

/// Accounts with ids above `after`, in order, at most `limit` of them.
pub fn accounts_page(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Listed>, DbError> {
    db.rows(&listed("a.id > ? ORDER BY a.id LIMIT ?").bind(after).bind(limit))
}

/// Those with ids in `first..=last`, in order.
pub fn accounts_between(db: &mut Db, (first, last): (i64, i64)) -> Result<Vec<Listed>, DbError> {
    db.rows(&listed("a.id BETWEEN ? AND ? ORDER BY a.id").bind(first).bind(last))
}

/// What they are called alone, whatever else is stored of them.
pub fn account_ids_page(db: &mut Db, after: i64, limit: i64) -> Result<Vec<AccountId>, DbError> {
    let select = sql("SELECT id FROM accounts WHERE id > ? ORDER BY id LIMIT ?");
    db.rows(&select.bind(after).bind(limit))
}

/// The same as they stand in the list of accounts alone, which every server of a cluster has: without their balances.
pub fn accounts_alone(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Account>, DbError> {
    let select = sql(format!(
        "SELECT {ACCOUNT_COLUMNS} FROM accounts a WHERE a.id > ? ORDER BY a.id LIMIT ?"
    ));
    db.rows(&select.bind(after).bind(limit))
}

/// The last id of a page of `size` accounts that begins after `after`; `None` when no account follows.
pub fn page_end(db: &mut Db, after: i64, size: i64) -> Result<Option<i64>, DbError> {
    let select = sql("SELECT MAX(id) FROM (SELECT id FROM accounts WHERE id > ? ORDER BY id LIMIT ?) page");
    Ok(db.row::<Option<i64>>(&select.bind(after).bind(size))?.flatten())
}

/// The accounts of a user, in all currencies or one.
pub fn accounts_of_user(
    db: &mut Db,
    user_id: &UserId,
    currency: Option<&CurrencyCode>,
) -> Result<Vec<Listed>, DbError> {
    let found: Vec<Listed> = db.rows(&listed("a.user_id = ? ORDER BY a.id").bind(user_id.as_str()))?;
    Ok(found
        .into_iter()
        .filter(|l| currency.is_none_or(|code| l.account.currency.code() == code))
        .collect())
}

pub fn account_by_id(db: &mut Db, id: AccountId) -> Result<Option<Listed>, DbError> {
    db.row(&listed("a.id = ?").bind(id.get()))
}

pub fn accounts_count(db: &mut Db) -> Result<i64, DbError> {
    Ok(db.row(&sql("SELECT COUNT(*) FROM accounts"))?.unwrap_or(0))
}

/// Its code and its digits.
impl FromRow for Currency {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let code = CurrencyCode::from_row(columns)?;
        let exponent = u8::try_from(columns.int()?)?;
        Self::new(code, exponent).ok_or_else(|| "a currency has an impossible exponent".into())
    }
}

pub fn currency_find(db: &mut Db, code: &CurrencyCode) -> Result<Option<Currency>, DbError> {
    let find = sql("SELECT code, exponent FROM currencies WHERE code = ?").bind(code.as_str());
    db.row(&find)
}

pub fn currencies(db: &mut Db) -> Result<Vec<Currency>, DbError> {
    db.rows(&sql("SELECT code, exponent FROM currencies ORDER BY code"))
}

pub fn currency_insert(db: &mut Db, currency: &Currency) -> Result<(), DbError> {
    let insert = sql("INSERT INTO currencies (code, exponent) VALUES (?, ?)")
        .bind(currency.code().as_str())
        .bind(i64::from(currency.exponent()));
    db.execute(&insert).map(|_| ())
}
