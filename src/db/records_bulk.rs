//! The `recharges` and `holds` of many operations at once.

use super::backend::Engine;
use super::connection::Db;
use super::copy::Target;
use super::error::DbError;
use super::holds::{self, bind_hold, hold_insert, hold_move};
use super::numbers::{Numbered, next_numbers};
use super::recharges::{self, bind_recharge, recharge_insert, recharge_move};
use super::statement::{Column, Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::hold::{Hold, HoldId};
use crate::domain::money::Minor;
use crate::domain::recharge::{Recharge, RechargeId, RechargeStatus};
use crate::domain::text::Json;
use crate::domain::time::Timestamp;

/// A record as it is to be written, and by what it is recognised if it is there already.
#[derive(Clone, Debug)]
pub struct Change<R, B> {
    pub before: Option<B>,
    pub after: R,
}

/// Recognised by its status.
pub type RechargeChange = Change<Recharge, RechargeStatus>;

/// Recognised by what remained of it.
pub type HoldChange = Change<Hold, Minor>;

/// What the requests of a batch are about, as far as it is there and looked up at once.
#[derive(Debug, Default)]
pub struct Subjects {
    pub next_recharges: Vec<(AccountId, i64)>,
    pub next_holds: Vec<(AccountId, i64)>,
    pub recharges: Vec<Recharge>,
    /// Only such as are what their entry has set aside.
    pub holds: Vec<Hold>,
}

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub next_recharges: Vec<AccountId>,
    pub next_holds: Vec<AccountId>,
    pub recharges: Vec<RechargeId>,
    pub holds: Vec<HoldId>,
}

/// Nothing on SQLite, which looks up each of them as fast, nor on a cluster, which would ask all its servers.
pub fn subjects(db: &mut Db, mut wanted: Wanted) -> Result<Subjects, DbError> {
    if db.engine() == Engine::Sqlite || db.connection.is_sharded() || wanted == Wanted::default() {
        return Ok(Subjects::default());
    }
    for accounts in [&mut wanted.next_recharges, &mut wanted.next_holds] {
        accounts.sort_unstable();
        accounts.dedup();
    }
    let recharges = format!("SELECT {} FROM {IDS} JOIN recharges r ON {NAMED}", recharges::COLUMNS);
    let holds = format!(
        "SELECT {} FROM {IDS} JOIN holds r ON {NAMED} WHERE EXISTS (SELECT 1 FROM entries e \
         WHERE e.account_id = r.account_id AND e.seq = r.entry_seq AND e.held_delta = r.amount)",
        holds::COLUMNS
    );
    let recharge_ids = wanted.recharges.iter().map(|id| (id.account, id.number));
    let hold_ids = wanted.holds.iter().map(|id| (id.account, id.number));
    Ok(Subjects {
        next_recharges: next_numbers(db, Numbered::Recharges, &wanted.next_recharges)?,
        next_holds: next_numbers(db, Numbered::Holds, &wanted.next_holds)?,
        recharges: db.rows(&of_these(recharges, recharge_ids))?,
        holds: db.rows(&of_these(holds, hold_ids))?,
    })
}

const IDS: &str = "unnest(?, ?) n (of_account, of_number)";
const NAMED: &str = "r.account_id = n.of_account AND r.number = n.of_number";

fn of_these(select: String, ids: impl Iterator<Item = (AccountId, i64)>) -> Statement<'static> {
    let (accounts, numbers) = ids.map(|(account, number)| (Some(account.get()), Some(number))).unzip();
    sql(select).bind(Column::Ints(accounts)).bind(Column::Ints(numbers))
}

/// Under the accounts' locks.
pub fn recharges_write(db: &mut Db, changes: &[RechargeChange]) -> Result<(), DbError> {
    if db.engine() == Engine::Sqlite {
        return each(changes, |change| match change.before {
            Some(from) => recharge_move(db, from, &change.after),
            None => recharge_insert(db, &change.after).map(|()| true),
        });
    }
    let made = changes.iter().filter(|change| change.before.is_none());
    db.connection.copy(Target::Recharges, made, |rows, change| {
        bind_recharge(rows, &change.after)
    })?;
    let moved = moved(changes);
    let update = sql(
        "UPDATE recharges r SET status = n.status, finished_at = n.finished_at, entry_seq = n.entry_seq, \
         gateway_response = n.gateway_response FROM unnest(?, ?, ?, ?, ?, ?, ?) \
         AS n (account_id, number, before, status, finished_at, entry_seq, gateway_response) \
         WHERE r.account_id = n.account_id AND r.number = n.number AND r.status = n.before",
    )
    .bind(Column::ints(&moved, |(_, r)| Some(r.id.account.get())))
    .bind(Column::ints(&moved, |(_, r)| Some(r.id.number)))
    .bind(Column::texts(&moved, |(from, _)| Some(from.name())))
    .bind(Column::texts(&moved, |(_, r)| Some(r.status.name())))
    .bind(Column::ints(&moved, |(_, r)| r.finished_at.map(Timestamp::micros)))
    .bind(Column::ints(&moved, |(_, r)| r.entry_seq))
    .bind(Column::texts(&moved, |(_, r)| {
        r.gateway_response.as_ref().map(Json::as_str)
    }));
    all_moved(db, &update, moved.len())
}

/// Under the accounts' locks.
pub fn holds_write(db: &mut Db, changes: &[HoldChange]) -> Result<(), DbError> {
    if db.engine() == Engine::Sqlite {
        return each(changes, |change| match change.before {
            Some(remaining) => hold_move(db, remaining, &change.after),
            None => hold_insert(db, &change.after).map(|()| true),
        });
    }
    let made = changes.iter().filter(|change| change.before.is_none());
    db.connection
        .copy(Target::Holds, made, |rows, change| bind_hold(rows, &change.after))?;
    let moved = moved(changes);
    let update = sql(
        "UPDATE holds h SET remaining = n.remaining, committed = n.committed, released = n.released, \
         status = n.status, finished_at = n.finished_at FROM unnest(?, ?, ?, ?, ?, ?, ?, ?) \
         AS n (account_id, number, before, remaining, committed, released, status, finished_at) \
         WHERE h.account_id = n.account_id AND h.number = n.number AND h.status = 'open' AND h.remaining = n.before",
    )
    .bind(Column::ints(&moved, |(_, h)| Some(h.id.account.get())))
    .bind(Column::ints(&moved, |(_, h)| Some(h.id.number)))
    .bind(Column::ints(&moved, |(remaining, _)| Some(remaining.get())))
    .bind(Column::ints(&moved, |(_, h)| Some(h.remaining.get())))
    .bind(Column::ints(&moved, |(_, h)| Some(h.committed.get())))
    .bind(Column::ints(&moved, |(_, h)| Some(h.released.get())))
    .bind(Column::texts(&moved, |(_, h)| Some(h.status.name())))
    .bind(Column::ints(&moved, |(_, h)| h.finished_at.map(Timestamp::micros)));
    all_moved(db, &update, moved.len())
}

fn each<R, B>(
    changes: &[Change<R, B>],
    mut write: impl FnMut(&Change<R, B>) -> Result<bool, DbError>,
) -> Result<(), DbError> {
    for change in changes {
        if !write(change)? {
            return Err(DbError::moved("a record", "its account's lock"));
        }
    }
    Ok(())
}

fn moved<R, B: Copy>(changes: &[Change<R, B>]) -> Vec<(B, &R)> {
    let moved = changes
        .iter()
        .filter_map(|change| Some((change.before?, &change.after)));
    moved.collect()
}

fn all_moved(db: &mut Db, update: &Statement<'_>, wanted: usize) -> Result<(), DbError> {
    if wanted > 0 && db.execute(update)? != wanted {
        return Err(DbError::moved("a record", "its account's lock"));
    }
    Ok(())
}
