//! The `operations` table: administrative acts and repairs, with what they found and left.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::statement::{Columns, FromRow, sql};
use crate::domain::account::AccountId;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

/// An act to be remembered. `before` and `after` are JSON.
#[derive(Clone, Debug)]
pub struct NewOperation<'a> {
    pub account: AccountId,
    pub id: &'a str,
    pub run_id: Option<&'a str>,
    pub command: &'a str,
    pub actor: &'a Actor,
    pub at: Timestamp,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
}

/// Records an act, and from where the ledger was opened for it.
pub fn operation_insert(db: &mut Db, new: &NewOperation<'_>) -> Result<(), DbError> {
    let origin = db.origin().map(str::to_owned);
    operation_restore(db, new, origin.as_deref())
}

/// As [`operation_insert`], of an act that was done elsewhere.
pub(super) fn operation_restore(db: &mut Db, new: &NewOperation<'_>, origin: Option<&str>) -> Result<(), DbError> {
    let insert = sql(format!(
        "INSERT INTO operations ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(new.account.get())
    .bind(new.id)
    .bind(new.run_id)
    .bind(new.command)
    .bind(new.actor.as_str())
    .bind(new.at.micros())
    .bind(new.before)
    .bind(new.after)
    .bind(origin);
    db.execute(&insert).map(|_| ())
}

/// An act that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// 0 for the ledger as a whole.
    pub account: AccountId,
    pub id: String,
    pub run_id: Option<String>,
    pub command: String,
    pub actor: Actor,
    pub at: Timestamp,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    /// `user@host`; `None` where an older version recorded it.
    pub origin: Option<String>,
}

pub(super) const COLUMNS: &str = "account_id, id, run_id, command, actor, at, before, after, origin";

impl FromRow for Act {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            id: columns.text()?,
            run_id: columns.optional_text()?,
            command: columns.text()?,
            actor: Actor::parse(&columns.text()?)?,
            at: Timestamp::from_micros(columns.int()?),
            before: columns.optional_text()?,
            after: columns.optional_text()?,
            origin: columns.optional_text()?,
        })
    }
}

/// Which acts a list shows.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    pub account: Option<AccountId>,
    pub command: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: i64,
}

/// Newest first; of the same moment, the one recorded last.
pub fn operations_list(db: &mut Db, filter: &OperationFilter) -> Result<Vec<Act>, DbError> {
    let mut text = format!("SELECT {COLUMNS} FROM operations WHERE 1 = 1");
    let conditions = [
        (filter.account.is_some(), " AND account_id = ?"),
        (filter.command.is_some(), " AND command = ?"),
        (filter.since.is_some(), " AND at >= ?"),
        (filter.until.is_some(), " AND at < ?"),
    ];
    text.extend(
        conditions
            .iter()
            .filter(|(given, _)| *given)
            .map(|(_, condition)| *condition),
    );
    // An id grows with the time at which it was recorded.
    text.push_str(" ORDER BY at DESC, id DESC LIMIT ?");
    let mut statement = sql(text);
    if let Some(account) = filter.account {
        statement = statement.bind(account.get());
    }
    if let Some(command) = &filter.command {
        statement = statement.bind(command.as_str());
    }
    for time in [filter.since, filter.until].into_iter().flatten() {
        statement = statement.bind(time.micros());
    }
    db.rows(&statement.bind(filter.limit))
}
