//! The schema's state, and bringing it up to date.

use std::time::Duration;

use serde_json::json;

use super::clock::{Clock, unique_name};
use super::currency::NO_ACCOUNT;
use super::error::LedgerError;
use super::origin;
use crate::db::migrate::{self, MigrationStatus};
use crate::db::operations::{NewOperation, operation_insert};
use crate::db::unit_of_work::write;
use crate::db::{DatabaseUrl, Db, Schema};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

pub fn status(url: &DatabaseUrl, lock_timeout: Duration) -> Result<MigrationStatus, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    Ok(MigrationStatus::read(&mut db)?)
}

/// Applies what is pending; a SQLite ledger that is not new is copied beside itself first.
pub fn up(
    url: &DatabaseUrl,
    lock_timeout: Duration,
    (actor, clock): (&Actor, Clock),
) -> Result<Vec<String>, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    db.set_origin(origin::here());
    let status = MigrationStatus::read(&mut db)?;
    if !status.pending.is_empty() && !status.applied.is_empty() {
        db.backup(&format!("before-{}", status.pending.join("-")))?;
    }
    let applied = migrate::up(&mut db)?;
    record(&mut db, &applied, (actor, clock.now()))?;
    Ok(applied)
}

/// Notes who has brought the schema up to date, if it was not.
pub(super) fn record(db: &mut Db, applied: &[String], (actor, at): (&Actor, Timestamp)) -> Result<(), LedgerError> {
    if applied.is_empty() {
        return Ok(());
    }
    let after = json!({"applied": applied}).to_string();
    write(db, "migrate recorded", |db| {
        let operation = NewOperation {
            account: NO_ACCOUNT,
            id: &unique_name(),
            run_id: None,
            command: "migrate up",
            actor,
            at,
            before: None,
            after: Some(&after),
        };
        Ok(operation_insert(db, &operation)?)
    })
}
