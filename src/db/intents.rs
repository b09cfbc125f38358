//! The `intents` table: every attempt, and how it ended.

use std::borrow::Cow;
use std::time::Duration;

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{known, known_statement, sql};
use crate::domain::account::AccountId;
use crate::domain::intent::{APPLIED_BEFORE, Intent, IntentState, Payload};
use crate::domain::text::{Actor, IdempotencyKey};
use crate::domain::time::Timestamp;

/// What an intent says before anything has happened.
#[derive(Clone, Debug)]
pub struct NewIntent<'a> {
    pub key: &'a IdempotencyKey,
    pub operation: &'static str,
    pub payload: Cow<'a, Payload>,
    pub actor: &'a Actor,
    pub created_at: Timestamp,
}

/// What an applied operation left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// First and last entry.
    pub entries: Option<(i64, i64)>,
    /// The record that it made or moved; of a charge that gave access, its entry.
    pub subject: Option<i64>,
}

pub(super) const COLUMNS: &str = "account_id, idempotency_key, attempt, operation, payload, actor, created_at, state, \
     first_seq, last_seq, subject, reason";

/// The order in which a key's applied attempt comes first, else its latest.
pub(super) const DECISIVE_FIRST: &str = "CASE state WHEN 'applied' THEN 0 ELSE 1 END, attempt DESC";

impl FromRow for Intent {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            key: IdempotencyKey::parse(&columns.text()?)?,
            attempt: i32::try_from(columns.int()?)?,
            operation: columns.text()?,
            payload: Payload::stored(columns.text()?),
            actor: Actor::parse(&columns.text()?)?,
            created_at: Timestamp::from_micros(columns.int()?),
            state: IntentState::parse(&columns.text()?).ok_or("an intent has an unknown state")?,
            entries: columns.optional_int()?.zip(columns.optional_int()?),
            subject: columns.optional_int()?,
            reason: columns.optional_text()?,
        })
    }
}

/// Records an attempt; `false` when that attempt is there already.
pub fn intent_insert(db: &mut Db, account: AccountId, new: &NewIntent<'_>, attempt: i32) -> Result<bool, DbError> {
    known_statement!(
        Insert,
        "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, idempotency_key, attempt) DO NOTHING"
    );
    let insert = known::<Insert>()
        .bind(account.get())
        .bind(new.key.as_str())
        .bind(i64::from(attempt))
        .bind(new.operation)
        .bind(new.payload.as_str())
        .bind(new.actor.as_str())
        .bind(new.created_at.micros());
    Ok(db.execute(&insert)? == 1)
}

/// What became of a key: its applied attempt, else its latest.
pub fn intent_find(db: &mut Db, account: AccountId, key: &IdempotencyKey) -> Result<Option<Intent>, DbError> {
    known_statement!(
        Find,
        format!(
            "SELECT {COLUMNS} FROM intents WHERE account_id = ? AND idempotency_key = ? \
             ORDER BY {DECISIVE_FIRST} LIMIT 1"
        )
    );
    db.row(&known::<Find>().bind(account.get()).bind(key.as_str()))
}

/// Marks an attempt applied, in the transaction of its effect; `false` when it was applied before.
pub fn intent_applied(
    db: &mut Db,
    account: AccountId,
    key: &IdempotencyKey,
    attempt: i32,
    made: Made,
    took: Duration,
) -> Result<bool, DbError> {
    known_statement!(
        Applied,
        "UPDATE intents SET state = 'applied', reason = NULL, first_seq = ?, last_seq = ?, subject = ?, \
         duration_us = ? WHERE account_id = ? AND idempotency_key = ? AND attempt = ? AND state <> 'applied'"
    );
    let update = known::<Applied>()
        .bind(made.entries.map(|(first, _)| first))
        .bind(made.entries.map(|(_, last)| last))
        .bind(made.subject)
        .bind(micros(took))
        .bind(account.get())
        .bind(key.as_str())
        .bind(i64::from(attempt));
    Ok(db.execute(&update)? == 1)
}

/// Marks an attempt refused or failed; `false` when somebody has ended it meanwhile.
pub fn intent_ended(
    db: &mut Db,
    account: AccountId,
    key: &IdempotencyKey,
    attempt: i32,
    state: IntentState,
    reason: &str,
    took: Duration,
) -> Result<bool, DbError> {
    let update = sql("UPDATE intents SET state = ?, reason = ?, duration_us = ? \
         WHERE account_id = ? AND idempotency_key = ? AND attempt = ? AND state = 'pending'")
    .bind(state.name())
    .bind(reason)
    .bind(micros(took))
    .bind(account.get())
    .bind(key.as_str())
    .bind(i64::from(attempt));
    Ok(db.execute(&update)? == 1)
}

/// Ends what is still pending under a key of which an attempt was applied: it will have no effect any more.
pub fn intents_superseded(db: &mut Db, account: AccountId, key: &IdempotencyKey) -> Result<(), DbError> {
    let update = sql(
        "UPDATE intents SET state = 'failed', reason = ? WHERE account_id = ? AND idempotency_key = ? \
         AND state = 'pending'",
    )
    .bind(APPLIED_BEFORE)
    .bind(account.get())
    .bind(key.as_str());
    db.execute(&update).map(|_| ())
}

pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
