//! The schema's state, and bringing it up to date.

use std::time::Duration;

use super::error::LedgerError;
use crate::db::migrate::{self, MigrationStatus};
use crate::db::{DatabaseUrl, Db, Schema};

pub fn status(url: &DatabaseUrl, lock_timeout: Duration) -> Result<MigrationStatus, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    Ok(MigrationStatus::read(&mut db)?)
}

/// Applies what is pending; a SQLite ledger that is not new is copied beside itself first.
pub fn up(url: &DatabaseUrl, lock_timeout: Duration) -> Result<Vec<String>, LedgerError> {
    let mut db = Db::open(url, lock_timeout, Schema::Unchecked)?;
    let status = MigrationStatus::read(&mut db)?;
    if !status.pending.is_empty() && !status.applied.is_empty() {
        db.backup(&format!("before-{}", status.pending.join("-")))?;
    }
    Ok(migrate::up(&mut db)?)
}
