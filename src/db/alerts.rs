//! The `alerts` table: what a person has to look at, opened once per cause.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::alert::{Alert, Severity};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

const COLUMNS: &str = "account_id, id, cause, severity, message, first_seen, last_seen, closed_at, acknowledged_at, \
     acknowledged_by";

impl FromRow for Alert {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = AccountId::new(columns.int()?);
        Ok(Self {
            account: (account != AccountId::NONE).then_some(account),
            id: columns.text()?,
            cause: columns.text()?,
            severity: Severity::parse(&columns.text()?).ok_or("an alert has an unknown severity")?,
            message: columns.text()?,
            first_seen: Timestamp::from_micros(columns.int()?),
            last_seen: Timestamp::from_micros(columns.int()?),
            closed_at: columns.optional_int()?.map(Timestamp::from_micros),
            acknowledged_at: columns.optional_int()?.map(Timestamp::from_micros),
            acknowledged_by: columns.optional_text()?.map(|text| Actor::parse(&text)).transpose()?,
        })
    }
}

fn account_key(alert: &Alert) -> i64 {
    alert.account.unwrap_or(AccountId::NONE).get()
}

/// Opens the alert, or notes that the open one of the same cause was seen again; whether it is new.
///
/// One that has become graver is a new matter for whoever had taken notice of it.
pub fn alert_raise(db: &mut Db, alert: &Alert) -> Result<bool, DbError> {
    let is_critical = alert.severity == Severity::Critical;
    let again = sql("UPDATE alerts SET last_seen = ?, message = ?, \
         acknowledged_at = CASE WHEN ? AND severity = 'WARNING' THEN NULL ELSE acknowledged_at END, \
         acknowledged_by = CASE WHEN ? AND severity = 'WARNING' THEN NULL ELSE acknowledged_by END, severity = ? \
         WHERE account_id = ? AND cause = ? AND closed_at IS NULL")
    .bind(alert.last_seen.micros())
    .bind(alert.message.as_str())
    .bind(is_critical)
    .bind(is_critical)
    .bind(alert.severity.name())
    .bind(account_key(alert))
    .bind(alert.cause.as_str());
    if db.execute(&again)? == 1 {
        return Ok(false);
    }
    let insert = sql(
        "INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(account_key(alert))
    .bind(alert.id.as_str())
    .bind(alert.cause.as_str())
    .bind(alert.severity.name())
    .bind(alert.message.as_str())
    .bind(alert.first_seen.micros())
    .bind(alert.last_seen.micros());
    db.execute(&insert)?;
    Ok(true)
}

/// Closes an alert whose cause is gone; `false` when somebody had before.
pub fn alert_close(db: &mut Db, alert: &Alert, at: Timestamp) -> Result<bool, DbError> {
    let update = sql("UPDATE alerts SET closed_at = ? WHERE account_id = ? AND id = ? AND closed_at IS NULL")
        .bind(at.micros())
        .bind(account_key(alert))
        .bind(alert.id.as_str());
    Ok(db.execute(&update)? == 1)
}

/// Notes that a person has taken notice.
pub fn alert_acknowledge(db: &mut Db, alert: &Alert, by: &Actor, at: Timestamp) -> Result<(), DbError> {
    let update = sql("UPDATE alerts SET acknowledged_at = ?, acknowledged_by = ? WHERE account_id = ? AND id = ?")
        .bind(at.micros())
        .bind(by.as_str())
        .bind(account_key(alert))
        .bind(alert.id.as_str());
    db.execute(&update).map(|_| ())
}

/// Which alerts a list shows.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    pub account: Option<AccountId>,
    pub severity: Option<Severity>,
    /// Closed ones too.
    pub all: bool,
    pub limit: i64,
}

/// Newest first.
pub fn alerts_list(db: &mut Db, filter: &AlertFilter) -> Result<Vec<Alert>, DbError> {
    let open = if filter.all { "1 = 1" } else { "closed_at IS NULL" };
    let list = sql(format!("SELECT {COLUMNS} FROM alerts WHERE {open}"))
        .given("account_id = ?", filter.account.map(AccountId::get))
        .given("severity = ?", filter.severity.map(Severity::name));
    db.rows(&list.first("first_seen DESC, id DESC", filter.limit))
}

/// The open alerts whose cause begins so.
pub fn alerts_open(db: &mut Db, causes: &str) -> Result<Vec<Alert>, DbError> {
    let select =
        format!("SELECT {COLUMNS} FROM alerts WHERE closed_at IS NULL AND cause LIKE ? ORDER BY account_id, id");
    let pattern = format!("{causes}%");
    db.rows(&sql(select).bind(pattern.as_str()))
}

/// How many alerts of that severity are open, and how many of them nobody has taken notice of.
pub fn alerts_count(db: &mut Db, severity: Severity) -> Result<(i64, i64), DbError> {
    let select =
        sql("SELECT COUNT(*), COUNT(*) - COUNT(acknowledged_at) FROM alerts WHERE closed_at IS NULL AND severity = ?");
    Ok(db.row(&select.bind(severity.name()))?.unwrap_or((0, 0)))
}

/// The alert of that id, which stands behind its account in the key and so is looked for among all.
pub fn alert_find(db: &mut Db, id: &str) -> Result<Option<Alert>, DbError> {
    db.row(&sql(format!("SELECT {COLUMNS} FROM alerts WHERE id = ?")).bind(id))
}
