//! The two steps of a plain posting, in as few round trips as the database allows.
//!
//! First the attempt is recorded and the account read, in one short transaction; then, after the rule
//! book has decided, the effect is written under a guard on what was read. Where the guard finds the
//! account moved on, nothing is written and the caller goes the long way, under the account's lock.

use std::time::Duration;

use diesel::deserialize;

use super::backend::Engine;
use super::balances::{MOVE_ROW, balance_move, bind_state};
use super::connection::Db;
use super::entries::{self, bind_entry, entry_insert};
use super::error::DbError;
use super::intents::{self, Made, NewIntent, intent_applied, intent_find, intent_insert, micros};
use super::rows::{Columns, FromRow};
use super::snapshot::{self, Located, SnapshotRow};
use super::statement::{known, known_statement};
use super::unit_of_work::{write, write_relaxed};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Entry;
use crate::domain::intent::Intent;
use crate::domain::text::{IdempotencyKey, UserId};

/// What is cheapest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each statement is a round trip.
    InOneStatement,
    /// Calls of a library cost next to nothing; and of servers that share the accounts among them, only a plain
    /// statement on one account goes straight to the one that has it.
    InStatements,
}

impl Way {
    fn of(db: &Db) -> Self {
        match db.engine() {
            Engine::Postgres if !db.connection.is_sharded() => Self::InOneStatement,
            Engine::Postgres | Engine::Sqlite => Self::InStatements,
        }
    }
}

/// An account and whether this is the first that was heard of the key.
#[derive(Debug)]
pub struct Opened {
    pub account: AccountId,
    /// Damage of the balance row does not keep the attempt from being recorded.
    pub located: Result<Located, DbError>,
    pub key_is_new: bool,
}

impl Opened {
    fn of(row: SnapshotRow, key_is_new: bool) -> Self {
        Self {
            account: row.account_id(),
            located: row.checked(),
            key_is_new,
        }
    }
}

/// Records the first attempt of a key and reads the account; `None` when there is no such account.
pub fn open_attempt(
    db: &mut Db,
    user_id: &UserId,
    currency: &CurrencyCode,
    new: &NewIntent<'_>,
) -> Result<Option<Opened>, DbError> {
    match Way::of(db) {
        Way::InStatements => write_relaxed(db, "intent", |db| {
            let Some(row) = snapshot::find_row(db, user_id, currency)? else {
                return Ok(None);
            };
            let key_is_new = intent_insert(db, row.account_id(), new, 1)?;
            Ok(Some(Opened::of(row, key_is_new)))
        }),
        Way::InOneStatement => open_in_one_statement(db, user_id, currency, new),
    }
}

struct OpenedRow {
    key_is_new: bool,
    row: SnapshotRow,
}

impl FromRow for OpenedRow {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            key_is_new: columns.boolean()?,
            row: SnapshotRow::from_row(columns)?,
        })
    }
}

/// `set_config(.., true)` makes this one statement's commit not wait for the disk.
fn open_in_one_statement(
    db: &mut Db,
    user_id: &UserId,
    currency: &CurrencyCode,
    new: &NewIntent<'_>,
) -> Result<Option<Opened>, DbError> {
    known_statement!(
        Open,
        format!(
            "WITH found AS (SELECT {} FROM {} WHERE a.user_id = ? AND a.currency = ?), \
         recorded AS (INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
         SELECT id, ?, 1, ?, ?, ?, ? FROM found WHERE set_config('synchronous_commit', 'off', true) = 'off' \
         ON CONFLICT (account_id, idempotency_key, attempt) DO NOTHING RETURNING account_id) \
         SELECT EXISTS (SELECT 1 FROM recorded), found.* FROM found",
            snapshot::COLUMNS,
            snapshot::joins(Engine::Postgres),
        )
    );
    let statement = known::<Open>()
        .bind(user_id.as_str())
        .bind(currency.as_str())
        .bind(new.key.as_str())
        .bind(new.operation)
        .bind(new.payload.as_str())
        .bind(new.actor.as_str())
        .bind(new.created_at.micros());
    let Some(OpenedRow { key_is_new, row }) = db.row(&statement)? else {
        return Ok(None);
    };
    Ok(Some(Opened::of(row, key_is_new)))
}

/// What is written of a plain posting: one entry, the balance row's move, the intent's outcome.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    pub before: &'a Located,
    pub entry: &'a Entry,
    pub after: &'a State,
    pub key: &'a IdempotencyKey,
    pub attempt: i32,
    pub took: Duration,
}

/// Writes it in a transaction of its own; `false` when the account has moved on.
pub fn post_guarded(db: &mut Db, plain: Plain<'_>) -> Result<bool, DbError> {
    match Way::of(db) {
        Way::InStatements => write(db, "post", |db| post_plain(db, plain)),
        // The one statement is a transaction.
        Way::InOneStatement => post_plain(db, plain),
    }
}

/// Writes it in the running transaction; `false` when the account has moved on.
pub fn post_plain(db: &mut Db, plain: Plain<'_>) -> Result<bool, DbError> {
    match Way::of(db) {
        Way::InStatements => post_in_three_statements(db, plain),
        Way::InOneStatement => post_in_one_statement(db, plain),
    }
}

/// The account under its lock, and what became of the key so far.
pub fn lock_with_intent(
    db: &mut Db,
    id: AccountId,
    key: &IdempotencyKey,
) -> Result<Option<(Located, Option<Intent>)>, DbError> {
    match Way::of(db) {
        Way::InStatements => {
            let Some(located) = snapshot::lock(db, id)? else {
                return Ok(None);
            };
            Ok(Some((located, intent_find(db, id, key)?)))
        }
        Way::InOneStatement => lock_then_read_at_once(db, id, key),
    }
}

struct LockedRow {
    row: SnapshotRow,
    intent: Option<Intent>,
}

impl FromRow for LockedRow {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let row = SnapshotRow::from_row(columns)?;
        let known = columns.boolean()?;
        Ok(Self {
            row,
            intent: if known { Some(Intent::from_row(columns)?) } else { None },
        })
    }
}

/// Others wait for the lock, so that everything is read in one round trip; but not in the statement that takes it,
/// which would see the other tables as they were before it had waited.
fn lock_then_read_at_once(
    db: &mut Db,
    id: AccountId,
    key: &IdempotencyKey,
) -> Result<Option<(Located, Option<Intent>)>, DbError> {
    known_statement!(
        Read,
        format!(
            "SELECT {}, i.account_id IS NOT NULL, i.* FROM {} LEFT JOIN LATERAL (SELECT {} FROM intents \
             WHERE account_id = a.id AND idempotency_key = ? ORDER BY {} LIMIT 1) i ON TRUE WHERE a.id = ?",
            snapshot::COLUMNS,
            snapshot::joins(Engine::Postgres),
            intents::COLUMNS,
            intents::DECISIVE_FIRST,
        )
    );
    db.connection.lock_balance(id.get())?;
    let read = known::<Read>().bind(key.as_str()).bind(id.get());
    let Some(LockedRow { row, intent }) = db.row(&read)? else {
        return Ok(None);
    };
    Ok(Some((row.checked()?, intent)))
}

const GUARD: &str = "account_id = ? AND last_seq = ? AND settings_revision = ?";

fn post_in_three_statements(db: &mut Db, plain: Plain<'_>) -> Result<bool, DbError> {
    known_statement!(Move, format!("{MOVE_ROW} WHERE {GUARD}"));
    let Plain { before, entry, .. } = plain;
    let id = before.account.id;
    let update = bind_state(known::<Move>(), plain.after)
        .bind(id.get())
        .bind(before.state.last_seq)
        .bind(before.account.revision);
    if db.execute(&update)? == 0 {
        return Ok(false);
    }
    entry_insert(db, id, entry)?;
    let made = Made {
        entries: Some((entry.seq, entry.seq)),
        subject: None,
    };
    settle(db, id, plain.key, plain.attempt, made, plain.took)?;
    Ok(true)
}

struct Done {
    written: bool,
    settled: bool,
}

impl FromRow for Done {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            written: columns.boolean()?,
            settled: columns.boolean()?,
        })
    }
}

fn post_in_one_statement(db: &mut Db, plain: Plain<'_>) -> Result<bool, DbError> {
    known_statement!(
        Post,
        format!(
            "WITH moved AS ({MOVE_ROW} WHERE {GUARD} RETURNING account_id), \
             written AS (INSERT INTO entries (account_id, {}) \
             SELECT account_id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM moved RETURNING seq), \
             settled AS (UPDATE intents SET state = 'applied', reason = NULL, first_seq = ?, last_seq = ?, \
             duration_us = ? FROM moved \
             WHERE intents.account_id = moved.account_id AND intents.account_id = ? \
             AND idempotency_key = ? AND attempt = ? AND state <> 'applied' RETURNING attempt) \
             SELECT EXISTS (SELECT 1 FROM written), EXISTS (SELECT 1 FROM settled)",
            entries::COLUMNS,
        )
    );
    let Plain { before, entry, .. } = plain;
    let id = before.account.id.get();
    let statement = bind_state(known::<Post>(), plain.after)
        .bind(id)
        .bind(before.state.last_seq)
        .bind(before.account.revision);
    let statement = bind_entry(statement, entry)
        .bind(entry.seq)
        .bind(entry.seq)
        .bind(micros(plain.took))
        .bind(id)
        .bind(plain.key.as_str())
        .bind(i64::from(plain.attempt));
    match db.row(&statement)? {
        Some(Done { written, settled }) if written == settled => Ok(written),
        _ => Err(DbError::Integrity(
            "a posting was not written as a whole; run `ledger verify-sync`".into(),
        )),
    }
}

/// Appends entries and moves the balance row, under the account's lock.
pub fn append(
    db: &mut Db,
    account: AccountId,
    before: &State,
    entries: &[Entry],
    after: &State,
) -> Result<(), DbError> {
    for entry in entries {
        entry_insert(db, account, entry)?;
    }
    if !entries.is_empty() && !balance_move(db, account, before, after)? {
        return Err(DbError::moved("the balance row", "its lock"));
    }
    Ok(())
}

/// Marks the attempt applied; that it was applied before is impossible under the lock, and so a broken assumption.
pub fn settle(
    db: &mut Db,
    account: AccountId,
    key: &IdempotencyKey,
    attempt: i32,
    made: Made,
    took: Duration,
) -> Result<(), DbError> {
    if intent_applied(db, account, key, attempt, made, took)? {
        return Ok(());
    }
    Err(DbError::settled_elsewhere("the intent"))
}
