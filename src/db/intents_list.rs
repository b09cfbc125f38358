//! The `intents` table for people: attempts listed, looked up by key, and those that were left behind.

use std::time::Duration;

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::intents::{COLUMNS, Made};
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::intent::{Intent, IntentState};
use crate::domain::operation::OperationKind;
use crate::domain::text::IdempotencyKey;
use crate::domain::time::Timestamp;

/// An attempt and how long it took, once it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub intent: Intent,
    pub took: Option<Duration>,
}

impl FromRow for Recorded {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let intent = Intent::from_row(columns)?;
        let took = columns.optional_int()?;
        Ok(Self {
            intent,
            took: took
                .and_then(|took| u64::try_from(took).ok())
                .map(Duration::from_micros),
        })
    }
}

/// Which attempts a list shows.
#[derive(Clone, Debug, Default)]
pub struct IntentFilter {
    pub account: Option<AccountId>,
    pub state: Option<IntentState>,
    pub operation: Option<OperationKind>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: i64,
}

/// Newest first. Attempts of account 0 are those of whole chunks, whose requests have attempts of their own.
pub fn intents_list(db: &mut Db, filter: &IntentFilter) -> Result<Vec<Recorded>, DbError> {
    let list = sql(format!(
        "SELECT {COLUMNS}, duration_us FROM intents WHERE account_id > 0"
    ))
    .given("account_id = ?", filter.account.map(AccountId::get))
    .given("state = ?", filter.state.map(IntentState::name))
    .given("operation = ?", filter.operation.map(OperationKind::name))
    .given("created_at >= ?", filter.since.map(Timestamp::micros))
    .given("created_at < ?", filter.until.map(Timestamp::micros));
    let key = db.by_bytes("idempotency_key");
    let newest = format!("created_at DESC, account_id DESC, {key} DESC, attempt DESC");
    db.rows(&list.first(&newest, filter.limit))
}

/// Every attempt under a key, the first one first.
pub fn intents_of_key(db: &mut Db, account: AccountId, key: &IdempotencyKey) -> Result<Vec<Recorded>, DbError> {
    let select = format!(
        "SELECT {COLUMNS}, duration_us FROM intents WHERE account_id = ? AND idempotency_key = ? ORDER BY attempt"
    );
    db.rows(&sql(select).bind(account.get()).bind(key.as_str()))
}

/// Which attempts are worked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Pending since before that moment.
    Pending(Timestamp),
    Failed,
    /// Failed for that very reason.
    FailedFor(&'static str),
}

/// Attempts of the accounts with ids in `first..=last` that were left so, in the order in which they were made.
pub fn intents_left(db: &mut Db, (first, last): (i64, i64), left: Left) -> Result<Vec<Intent>, DbError> {
    let which = match left {
        Left::Pending(_) => "state = 'pending' AND created_at <= ?",
        Left::Failed => "state = 'failed'",
        Left::FailedFor(_) => "state = 'failed' AND reason = ?",
    };
    let select = format!(
        "SELECT {COLUMNS} FROM intents WHERE account_id BETWEEN ? AND ? AND {which} \
         ORDER BY account_id, created_at, {}, attempt",
        db.by_bytes("idempotency_key")
    );
    let statement = sql(select).bind(first).bind(last);
    db.rows(&match left {
        Left::Pending(since) => statement.bind(since.micros()),
        Left::Failed => statement,
        Left::FailedFor(reason) => statement.bind(reason),
    })
}

/// How many attempts have been pending since before that moment. Reads all of them.
pub fn attempts_left(db: &mut Db, before: Timestamp) -> Result<i64, DbError> {
    let select = sql("SELECT COUNT(*) FROM intents WHERE state = 'pending' AND created_at <= ?");
    Ok(db.row(&select.bind(before.micros()))?.unwrap_or(0))
}

/// How an attempt that was left pending is settled afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    Applied(Made),
    Failed(&'static str),
}

/// Settles an attempt, under the account's lock; `false` when it is pending no more.
pub fn intent_settle_pending(db: &mut Db, intent: &Intent, settlement: Settlement) -> Result<bool, DbError> {
    let (state, made, reason) = match settlement {
        Settlement::Applied(made) => (IntentState::Applied, made, None),
        Settlement::Failed(reason) => (IntentState::Failed, Made::default(), Some(reason)),
    };
    // How long it took is not known.
    let update = sql(
        "UPDATE intents SET state = ?, reason = ?, first_seq = ?, last_seq = ?, subject = ? \
         WHERE account_id = ? AND idempotency_key = ? AND attempt = ? AND state = 'pending'",
    )
    .bind(state.name())
    .bind(reason)
    .bind(made.entries.map(|(first, _)| first))
    .bind(made.entries.map(|(_, last)| last))
    .bind(made.subject)
    .bind(intent.account.get())
    .bind(intent.key.as_str())
    .bind(i64::from(intent.attempt));
    Ok(db.execute(&update)? == 1)
}
