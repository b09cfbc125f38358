//! Many accounts at once: the same locks, guards and rows as one at a time, in as few statements as each engine allows.

use std::sync::Arc;

use super::backend::Engine;
use super::balances::balance_move;
use super::connection::Db;
use super::copy::{Rows, Target};
use super::entries::{self, OfAccount, bind_entry, entries_between, entry_insert};
use super::error::DbError;
use super::snapshot::{self, Located, SnapshotRow};
use super::statement::{Binds as _, Column, Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::entry::Entry;

/// An account's part in a bulk write: where it was, what is appended, where it is then.
#[derive(Clone, Debug)]
pub struct Append {
    pub account: AccountId,
    pub before: State,
    /// What each operation has made; none is empty.
    pub postings: Vec<Arc<[Entry]>>,
    pub after: State,
}

impl Append {
    fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.postings.iter().flat_map(|posting| posting.iter())
    }
}

/// An account of many; a damaged one is an error of its own.
pub type Locked = (AccountId, Result<Located, DbError>);

/// Locks these accounts in the order of their ids, and reads each.
pub fn lock_many(db: &mut Db, ids: &[AccountId]) -> Result<Vec<Locked>, DbError> {
    match db.engine() {
        Engine::Sqlite => ids
            .iter()
            .filter_map(|id| match snapshot::look(db, *id) {
                Ok(None) => None,
                Ok(Some(located)) => Some(Ok((*id, Ok(located)))),
                Err(error @ DbError::Integrity(_)) => Some(Ok((*id, Err(error)))),
                Err(error) => Some(Err(error)),
            })
            .collect(),
        Engine::Postgres => {
            let column = || Column::ints(ids, |id| Some(id.get()));
            lock_on_servers(db, column())?;
            let select = format!(
                "SELECT {} FROM {} WHERE a.id = ANY(?) ORDER BY a.id",
                snapshot::COLUMNS,
                snapshot::joins(Engine::Postgres)
            );
            let rows: Vec<SnapshotRow> = db.rows(&sql(select).bind(column()))?;
            Ok(rows.into_iter().map(|row| (row.account_id(), row.checked())).collect())
        }
    }
}

/// In the order of the ids, where one server has them all. Several would lock for each other in any order, and none of
/// them does so by SELECT; whom they find waiting in a circle, they let try again.
fn lock_on_servers(db: &mut Db, ids: Column<'_>) -> Result<(), DbError> {
    if db.connection.is_sharded() {
        let lock = "UPDATE balances SET last_seq = last_seq WHERE account_id = ANY(?)";
        db.execute(&sql(lock).bind(ids))?;
    } else {
        let lock = "SELECT account_id FROM balances WHERE account_id = ANY(?) ORDER BY account_id FOR UPDATE";
        let _: Vec<i64> = db.rows(&sql(lock).bind(ids))?;
    }
    Ok(())
}

/// The entries `first..=last` of each of these accounts, in no order.
pub fn entries_of_many(db: &mut Db, wanted: &[(AccountId, i64, i64)]) -> Result<Vec<(AccountId, Entry)>, DbError> {
    if db.engine() == Engine::Sqlite || db.connection.is_sharded() {
        let mut found = Vec::with_capacity(wanted.len());
        for (account, first, last) in wanted {
            let entries = entries_between(db, *account, *first, *last)?;
            found.extend(entries.into_iter().map(|entry| (*account, entry)));
        }
        return Ok(found);
    }
    // One descent of the key for each: as a join, it might hold each of them against all entries of its account.
    let select = format!(
        "SELECT e.* FROM unnest(?, ?, ?) n (of_account, first, last) CROSS JOIN LATERAL (SELECT account_id, {} \
         FROM entries WHERE account_id = of_account AND seq BETWEEN first AND last OFFSET 0) e",
        entries::COLUMNS
    );
    let select = sql(select)
        .bind(Column::ints(wanted, |(account, ..)| Some(account.get())))
        .bind(Column::ints(wanted, |(_, first, _)| Some(*first)))
        .bind(Column::ints(wanted, |(.., last)| Some(*last)));
    let rows: Vec<OfAccount> = db.rows(&select)?;
    Ok(rows
        .into_iter()
        .map(|OfAccount(account, entry)| (account, entry))
        .collect())
}

/// Appends entries and moves balance rows of accounts whose locks are held.
pub fn append_many(db: &mut Db, appends: &[Append]) -> Result<(), DbError> {
    match db.engine() {
        Engine::Sqlite => {
            for append in appends {
                for entry in append.entries() {
                    entry_insert(db, append.account, entry)?;
                }
                if !balance_move(db, append.account, &append.before, &append.after)? {
                    return Err(DbError::moved("a balance row", "its lock"));
                }
            }
            Ok(())
        }
        Engine::Postgres => {
            let entries = appends
                .iter()
                .flat_map(|append| append.entries().map(|entry| (append.account, entry)));
            db.connection.copy(Target::Entries, entries, entry_cells)?;
            if db.execute(&balances_move(appends))? != appends.len() {
                return Err(DbError::moved("a balance row", "its lock"));
            }
            Ok(())
        }
    }
}

/// A row of [`Target::Entries`].
pub(super) fn entry_cells<'r>(rows: &'r mut Rows, (account, entry): (AccountId, &Entry)) -> &'r mut Rows {
    bind_entry(rows.int(account.get()), entry)
}

fn balances_move(appends: &[Append]) -> Statement<'_> {
    let ints = |of: &dyn Fn(&Append) -> i64| Column::ints(appends, |append| Some(of(append)));
    sql(
        "UPDATE balances b SET balance = n.balance, held = n.held, debt = n.debt, \
         total_recharged = n.total_recharged, total_spent = n.total_spent, last_seq = n.last_seq, \
         chain_head = n.chain_head FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?) AS \
         n (account_id, before, balance, held, debt, total_recharged, total_spent, last_seq, chain_head) \
         WHERE b.account_id = n.account_id AND b.last_seq = n.before",
    )
    .bind(ints(&|a| a.account.get()))
    .bind(ints(&|a| a.before.last_seq))
    .bind(ints(&|a| a.after.figures.balance.get()))
    .bind(ints(&|a| a.after.figures.held.get()))
    .bind(ints(&|a| a.after.figures.debt.get()))
    .bind(ints(&|a| a.after.figures.total_recharged.get()))
    .bind(ints(&|a| a.after.figures.total_spent.get()))
    .bind(ints(&|a| a.after.last_seq))
    .bind(Column::Bytes(
        appends
            .iter()
            .map(|a| a.after.chain_head.as_bytes().as_slice())
            .collect(),
    ))
}
