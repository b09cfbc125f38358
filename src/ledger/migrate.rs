//! The schema's state, and bringing it up to date.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::act::act;
use super::clock::Clock;
use super::error::LedgerError;
use super::origin;
use crate::db::migrate::{self, MigrationStatus};
use crate::db::unit_of_work::write;
use crate::db::{DatabaseUrl, Db, Schema};
use crate::domain::account::AccountId;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

pub fn status(url: &DatabaseUrl, lock_timeout: Duration) -> Result<MigrationStatus, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    Ok(MigrationStatus::read(&mut db)?)
}

/// What was done to bring the schema up to date.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// The versions, in order; none where there was nothing to do.
    pub applied: Vec<String>,
    /// Where the ledger is as it was.
    pub backup: Option<PathBuf>,
}

/// Applies what is pending; a SQLite ledger that is not new is copied beside itself first.
pub fn up(url: &DatabaseUrl, lock_timeout: Duration, (actor, clock): (&Actor, Clock)) -> Result<Migrated, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    db.set_origin(origin::here());
    let backup = migrate::backup(&mut db)?;
    let applied = migrate::up(&mut db)?;
    record(&mut db, &applied, (actor, clock.now()))?;
    Ok(Migrated { applied, backup })
}

/// Notes who has brought the schema up to date, if it was not.
pub(super) fn record(db: &mut Db, applied: &[String], by: (&Actor, Timestamp)) -> Result<(), LedgerError> {
    if applied.is_empty() {
        return Ok(());
    }
    write(db, "migrate recorded", |db| {
        let after = json!({"applied": applied});
        act(AccountId::NONE, "migrate up", by).after(after).record(db)
    })
}
