//! What an audit reads: recent entries and attempts of a page of accounts, one after the other.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::close::Seen;
use crate::domain::entry::{Deltas, EntryKind};
use crate::domain::intent::IntentState;
use crate::domain::money::Minor;
use crate::domain::time::Timestamp;

impl FromRow for Seen {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let seq = columns.int()?;
        let kind = EntryKind::parse(&columns.text()?).ok_or("an entry has an unknown kind")?;
        let mut minor = || columns.int().map(Minor::new);
        let deltas = Deltas {
            balance: minor()?,
            held: minor()?,
            debt: minor()?,
        };
        let reverses = columns.optional_int()?;
        let at = Timestamp::from_micros(columns.int()?);
        let key = columns.optional_text()?;
        Ok(Self {
            seq,
            kind,
            deltas,
            reverses,
            at,
            key,
        })
    }
}

const SEEN: &str = "e.account_id, e.seq, e.kind, e.balance_delta, e.held_delta, e.debt_delta, e.reverses, e.at, \
     e.idempotency_key";

/// Hands over the entries of the accounts `first..=last` that were made from `earliest` on, and those that came after
/// the account's last close where there is one; in order of account and number.
pub fn entries_recent<E: From<DbError>>(
    db: &mut Db,
    (first, last): (i64, i64),
    earliest: Timestamp,
    is_closed: bool,
    mut each: impl FnMut(AccountId, Seen) -> Result<(), E>,
) -> Result<(), E> {
    // Without any close nothing can be late.
    let after = if is_closed {
        "COALESCE((SELECT c.position FROM account_closes c WHERE c.account_id = a.id), 0)"
    } else {
        "9223372036854775807"
    };
    let select = format!(
        "SELECT {SEEN} FROM accounts a JOIN entries e ON e.account_id = a.id \
         WHERE a.id BETWEEN ? AND ? AND (e.at >= ? OR e.seq > {after}) ORDER BY e.account_id, e.seq"
    );
    let select = sql(select).bind(first).bind(last).bind(earliest.micros());
    db.connection.stream(&select, |(account, seen)| each(account, seen))
}

/// Hands over the entries `first..=last` of one account, oldest first.
pub fn entries_seen<E: From<DbError>>(
    db: &mut Db,
    account: AccountId,
    (first, last): (i64, i64),
    mut each: impl FnMut(Seen) -> Result<(), E>,
) -> Result<(), E> {
    let select =
        format!("SELECT {SEEN} FROM entries e WHERE e.account_id = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq");
    let select = sql(select).bind(account.get()).bind(first).bind(last);
    db.connection.stream(&select, |(_, seen): (AccountId, _)| each(seen))
}

/// How many entries there are in a span of time, and the time of the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Volume {
    pub entries: u64,
    pub first: Option<Timestamp>,
}

impl FromRow for Volume {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            entries: columns.int()?.unsigned_abs(),
            first: columns.optional_int()?.map(Timestamp::from_micros),
        })
    }
}

/// Of the accounts `first..=last`, from `since` to before `until`.
pub fn entries_volume(
    db: &mut Db,
    (first, last): (i64, i64),
    (since, until): (Timestamp, Timestamp),
) -> Result<Volume, DbError> {
    let select = sql("SELECT COUNT(*), MIN(at) FROM entries WHERE account_id BETWEEN ? AND ? AND at >= ? AND at < ?")
        .bind(first)
        .bind(last)
        .bind(since.micros())
        .bind(until.micros());
    Ok(db.row(&select)?.unwrap_or_default())
}

/// An attempt as an audit looks at it.
#[derive(Clone, Debug)]
pub struct Tried {
    pub account: AccountId,
    pub key: String,
    pub operation: String,
    pub state: IntentState,
    pub reason: Option<String>,
    pub at: Timestamp,
    pub took_us: Option<u64>,
    /// Whether the key was not tried again after this.
    pub is_last: bool,
}

impl FromRow for Tried {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            key: columns.text()?,
            operation: columns.text()?,
            state: IntentState::parse(&columns.text()?).ok_or("an intent has an unknown state")?,
            reason: columns.optional_text()?,
            at: Timestamp::from_micros(columns.int()?),
            took_us: columns.optional_int()?.map(|micros| u64::try_from(micros).unwrap_or(0)),
            is_last: columns.boolean()?,
        })
    }
}

/// The key of the attempt `i` was not tried again after it.
const IS_LAST: &str = "NOT EXISTS (SELECT 1 FROM intents n WHERE n.account_id = i.account_id \
     AND n.idempotency_key = i.idempotency_key AND n.attempt > i.attempt)";

/// Whether an attempt of the account has failed, however long ago, and was not made again.
pub fn has_failed(db: &mut Db, account: AccountId) -> Result<bool, DbError> {
    let select = format!("SELECT COUNT(*) FROM intents i WHERE i.account_id = ? AND i.state = 'failed' AND {IS_LAST}");
    let failed: Option<i64> = db.row(&sql(select).bind(account.get()))?;
    Ok(failed.is_some_and(|failed| failed > 0))
}

/// Hands over the attempts of the accounts `first..=last` that were made from `since` to before `until`, and the
/// pending ones of any time; in order of account and time. Attempts at whole chunks are left out unless they
/// were left behind: what is in them has attempts of its own.
///
/// Read from end to end, as they were written, and sorted then: by their key, every attempt would be looked up by
/// itself. The plus signs keep the engines from doing that.
pub fn attempts<E: From<DbError>>(
    db: &mut Db,
    (first, last): (i64, i64),
    (since, until): (Timestamp, Timestamp),
    each: impl FnMut(Tried) -> Result<(), E>,
) -> Result<(), E> {
    let select = sql(format!(
        "SELECT i.account_id, i.idempotency_key, i.operation, i.state, i.reason, i.created_at, i.duration_us, \
         CASE WHEN i.state = 'failed' THEN {IS_LAST} ELSE (1 = 1) END \
         FROM intents i WHERE +i.account_id BETWEEN ? AND ? AND (i.created_at < ? OR i.state = 'pending') \
         AND (i.account_id <> 0 OR i.state = 'pending') \
         AND (i.created_at >= ? OR i.state = 'pending') \
         ORDER BY +i.account_id, i.created_at, i.idempotency_key, i.attempt",
    ))
    .bind(first)
    .bind(last)
    .bind(until.micros())
    .bind(since.micros());
    db.connection.stream(&select, each)
}
