//! The `balances` table: the fast copy of what the entries come to.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::snapshot::{ACCOUNT_COLUMNS, STATE_COLUMNS, read_state};
use super::statement::{Statement, known, known_statement, sql, sql_of_accounts};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::State;

/// An account and its balance row as stored; either may be missing after damage.
#[derive(Clone, Debug)]
pub struct StoredBalance {
    pub id: AccountId,
    pub account: Option<Account>,
    pub row: Option<StoredRow>,
}

/// A balance row as it stands, right or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRow {
    pub state: State,
    pub settings_revision: i64,
}

/// Moves a balance row; takes the values that [`bind_state`] binds.
pub(super) const MOVE_ROW: &str = "UPDATE balances SET balance = ?, held = ?, debt = ?, total_recharged = ?, \
     total_spent = ?, last_seq = ?, chain_head = ?";

pub(super) fn bind_state<'a, K>(statement: Statement<'a, K>, state: &'a State) -> Statement<'a, K> {
    let figures = &state.figures;
    statement
        .bind(figures.balance.get())
        .bind(figures.held.get())
        .bind(figures.debt.get())
        .bind(figures.total_recharged.get())
        .bind(figures.total_spent.get())
        .bind(state.last_seq)
        .bind(state.chain_head.as_bytes())
}

/// Moves the row on from `before`; `false` when it is no longer there: somebody was faster.
pub fn balance_move(db: &mut Db, account: AccountId, before: &State, after: &State) -> Result<bool, DbError> {
    known_statement!(Move, format!("{MOVE_ROW} WHERE account_id = ? AND last_seq = ?"));
    let update = bind_state(known::<Move>(), after)
        .bind(account.get())
        .bind(before.last_seq);
    Ok(db.execute(&update)? == 1)
}

/// Writes the row as it has to be, whether or not there is one. Only for repairs, under the account's lock.
pub fn balance_put(db: &mut Db, account: &Account, state: &State) -> Result<(), DbError> {
    let put = sql(
        "INSERT INTO balances (balance, held, debt, total_recharged, total_spent, last_seq, chain_head, \
         account_id, settings_revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (account_id) DO UPDATE SET balance = excluded.balance, held = excluded.held, \
         debt = excluded.debt, total_recharged = excluded.total_recharged, total_spent = excluded.total_spent, \
         last_seq = excluded.last_seq, chain_head = excluded.chain_head, \
         settings_revision = excluded.settings_revision",
    );
    db.execute(&bind_state(put, state).bind(account.id.get()).bind(account.revision))
        .map(|_| ())
}

/// Makes an empty row where there is none, which holds everybody else off until the transaction ends; `false` when
/// somebody was faster.
pub fn balance_claim(db: &mut Db, account: &Account) -> Result<bool, DbError> {
    let claim = sql("INSERT INTO balances (account_id, chain_head) VALUES (?, ?) ON CONFLICT (account_id) DO NOTHING");
    let genesis = State::default().chain_head;
    Ok(db.execute(&claim.bind(account.id.get()).bind(genesis.as_bytes()))? == 1)
}

/// Removes a row that belongs to no account.
pub fn balance_delete(db: &mut Db, account: AccountId) -> Result<(), DbError> {
    db.execute(&sql("DELETE FROM balances WHERE account_id = ?").bind(account.get()))
        .map(|_| ())
}

/// Takes the account's lock and reads its row, whatever it is worth.
pub fn balance_lock(db: &mut Db, account: AccountId) -> Result<Option<StoredBalance>, DbError> {
    db.connection.lock_balance(account.get())?;
    Ok(stored_balances(db, account.get(), account.get())?.into_iter().next())
}

impl FromRow for StoredBalance {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = AccountId::new(columns.int()?);
        let known = columns.boolean()?;
        let settings_revision = columns.optional_int()?;
        let row = read_state(columns)?
            .zip(settings_revision)
            .map(|(state, settings_revision)| StoredRow {
                state,
                settings_revision,
            });
        let account = if known { Some(Account::from_row(columns)?) } else { None };
        Ok(Self { id, account, row })
    }
}

/// Accounts and balance rows with ids in `first..=last`, in order, the one without the other too.
pub fn stored_balances(db: &mut Db, first: i64, last: i64) -> Result<Vec<StoredBalance>, DbError> {
    let row = format!("b.settings_revision, {STATE_COLUMNS}");
    let select = format!(
        "SELECT a.id AS id, 1 = 1, {row}, {ACCOUNT_COLUMNS} FROM accounts a \
         LEFT JOIN balances b ON b.account_id = a.id WHERE a.id BETWEEN ? AND ? \
         UNION ALL \
         SELECT b.account_id, 1 = 0, {row}, 0, '', '', 0, NULL, NULL, NULL, 1 = 0, 1 = 0, NULL, 0, 0 \
         FROM balances b WHERE b.account_id BETWEEN ? AND ? \
         AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = b.account_id) \
         ORDER BY 1"
    );
    db.rows(&sql_of_accounts(&select, (first, last)))
}

/// As [`super::accounts::page_end`], of a page that has no more than so many entries either, or a single account.
pub fn page_end_within(db: &mut Db, after: i64, size: i64, entries: i64) -> Result<Option<i64>, DbError> {
    let select = sql(format!(
        "SELECT COALESCE(MAX(CASE WHEN entries <= ? THEN id END), MIN(id)) FROM (SELECT a.id, \
         SUM({CREDIBLE}) OVER (ORDER BY a.id) AS entries \
         FROM accounts a LEFT JOIN balances b ON b.account_id = a.id WHERE a.id > ? ORDER BY a.id LIMIT ?) page"
    ));
    let select = select.bind(entries).bind(after).bind(size);
    Ok(db.row::<Option<i64>>(&select)?.flatten())
}

/// How many entries there are, by what the balance rows say.
pub fn entries_expected(db: &mut Db) -> Result<i64, DbError> {
    let expected = format!("SELECT CAST(COALESCE(SUM({CREDIBLE}), 0) AS BIGINT) FROM balances");
    Ok(db.row(&sql(expected))?.unwrap_or(0))
}

/// A balance row may say anything of its entries; here it only helps to part them, and to tell how far one is.
const CREDIBLE: &str = "CASE WHEN last_seq BETWEEN 0 AND 1000000000 THEN last_seq ELSE 0 END";
