//! The `operations` table: the log of acts.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{sql, sql_of_accounts};
use crate::domain::account::AccountId;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

/// Records an act, and from where the ledger was opened for it.
pub fn operation_insert(db: &mut Db, act: Act) -> Result<(), DbError> {
    let origin = db.origin().map(str::to_owned);
    operation_restore(db, &Act { origin, ..act })
}

/// As [`operation_insert`], of an act that was done elsewhere.
pub(super) fn operation_restore(db: &mut Db, act: &Act) -> Result<(), DbError> {
    let insert = sql(format!(
        "INSERT INTO operations ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(act.account.get())
    .bind(act.id.as_str())
    .bind(act.run_id.as_deref())
    .bind(act.command.as_str())
    .bind(act.actor.as_str())
    .bind(act.at.micros())
    .bind(act.before.as_deref())
    .bind(act.after.as_deref())
    .bind(act.origin.as_deref());
    db.execute(&insert).map(|_| ())
}

/// An administrative act or a repair, with what it found and left.
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
    let list = sql(format!("SELECT {COLUMNS} FROM operations WHERE 1 = 1"))
        .given("account_id = ?", filter.account.map(AccountId::get))
        .given("command = ?", filter.command.as_deref())
        .given("at >= ?", filter.since.map(Timestamp::micros))
        .given("at < ?", filter.until.map(Timestamp::micros));
    // An id grows with the time at which it was recorded.
    db.rows(&list.first("at DESC, id DESC", filter.limit))
}

/// The acts by those commands on the accounts with ids in `first..=last`, in the order of their recording.
pub fn operations_by(db: &mut Db, accounts: (i64, i64), commands: &[&'static str]) -> Result<Vec<Act>, DbError> {
    let select = format!(
        "SELECT {COLUMNS} FROM operations WHERE account_id BETWEEN ? AND ? AND command IN ('{}') ORDER BY id",
        commands.join("', '")
    );
    db.rows(&sql_of_accounts(&select, accounts))
}
