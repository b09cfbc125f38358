//! The one way to run a transaction: named, retried, classified.
//!
//! A closure may run several times; it must have no effect but through the connection.

use std::time::{Duration, Instant};

use super::backend::Durability;
use super::connection::Db;
use super::error::DbError;
use super::statement::sql;

/// Runs `work` in a writing transaction whose commit waits for the disk.
///
/// Serialisation failures, deadlocks and busy locks are retried with random back-off until the
/// lock time-out; then the error is [`DbError::Busy`]. [`DbError::Lost`] is never retried here:
/// only the caller can find out whether the commit happened.
pub fn write<T, E>(db: &mut Db, name: &'static str, work: impl FnMut(&mut Db) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError> + Transient,
{
    retried(db, name, Durability::Full, work)
}

/// The same for what a later durable commit makes durable too: intents and their refusals.
pub fn write_relaxed<T, E>(db: &mut Db, name: &'static str, work: impl FnMut(&mut Db) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError> + Transient,
{
    retried(db, name, Durability::Relaxed, work)
}

/// Runs `work` on one snapshot; it locks nothing and writes nothing.
pub fn read<T, E>(db: &mut Db, work: impl FnOnce(&mut Db) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError>,
{
    db.connection.begin_read()?;
    let result = within(db, work);
    let ended = db.connection.script("ROLLBACK");
    let value = result?;
    ended?;
    Ok(value)
}

/// Runs `work` on two connections that see the same moment; on one, where that cannot be.
pub fn read_together<T, E>(
    one: &mut Db,
    other: &mut Db,
    work: impl FnOnce(&mut Db, Option<&mut Db>) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<DbError>,
{
    let begun = begin_together(one, other);
    if !matches!(begun, Ok(true)) {
        // Whichever has begun; the other says that there is nothing to end.
        let _ = end(&mut [one, other]);
    }
    if !begun? {
        return read(one, |one| work(one, None));
    }
    let result = within(one, |one| within(other, |other| work(one, Some(other))));
    let ended = end(&mut [one, other]);
    let value = result?;
    ended?;
    Ok(value)
}

/// Whoever writes all the time cannot keep two snapshots from being the same so often.
const TRIES: usize = 100;

/// `false`, or an error, leaves behind whatever has begun.
fn begin_together(one: &mut Db, other: &mut Db) -> Result<bool, DbError> {
    if one.connection.is_sharded() {
        return Ok(false);
    }
    if one.is_sqlite() {
        for _ in 0..TRIES {
            let before = data_version(one)?;
            other.connection.begin_read()?;
            one.connection.begin_read()?;
            // The other's moment is between two that this one knows of: nobody may have written from one to the other.
            data_version(other)?;
            if data_version(one)? == before {
                return Ok(true);
            }
            end(&mut [one, other])?;
        }
        return Ok(false);
    }
    one.connection.begin_read()?;
    let snapshot: Option<String> = one.row(&sql("SELECT pg_export_snapshot()"))?;
    other.connection.begin_read()?;
    let take = format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.unwrap_or_default());
    if let Err(error) = other.connection.script(&take) {
        // What stands in between may lead to another server.
        log::debug!("the second connection cannot see the same moment: {error}");
        return Ok(false);
    }
    Ok(true)
}

/// On one connection it changes when another has written; asking for it settles which moment a transaction sees.
fn data_version(db: &mut Db) -> Result<Option<i64>, DbError> {
    db.row(&sql("PRAGMA data_version"))
}

fn end(dbs: &mut [&mut Db]) -> Result<(), DbError> {
    dbs.iter_mut()
        .map(|db| db.connection.script("ROLLBACK"))
        .fold(Ok(()), Result::and)
}

/// Tells an error that running the transaction again may cure.
pub trait Transient {
    fn is_transient(&self) -> bool;
    /// The same error, saying that waiting has been given up.
    #[must_use]
    fn still_busy(self, waited: Duration) -> Self;
}

impl Transient for DbError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }

    fn still_busy(self, waited: Duration) -> Self {
        match self {
            Self::Busy(reason) | Self::Retry(reason) => Self::Busy(format!(
                "{reason}; gave up after {:.1} s (see --lock-timeout)",
                waited.as_secs_f64()
            )),
            other => other,
        }
    }
}

fn retried<T, E>(
    db: &mut Db,
    name: &'static str,
    durability: Durability,
    mut work: impl FnMut(&mut Db) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<DbError> + Transient,
{
    let started = Instant::now();
    let mut tries = 0_u32;
    loop {
        match once(db, durability, &mut work) {
            Err(error) if error.is_transient() => {
                let waited = started.elapsed();
                if waited >= db.lock_timeout() {
                    return Err(error.still_busy(waited));
                }
                tries += 1;
                log::debug!("transaction {name}: try {tries} has to be repeated");
                std::thread::sleep(back_off(tries));
            }
            result => {
                let end = if result.is_ok() { "committed" } else { "rolled back" };
                log::debug!("transaction {name}: {end} after {:?}", started.elapsed());
                return result;
            }
        }
    }
}

fn once<T, E>(db: &mut Db, durability: Durability, work: &mut impl FnMut(&mut Db) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError>,
{
    let begun = db.connection.begin_write(durability);
    let result = begun.map_err(E::from).and_then(|()| {
        let value = within(db, work)?;
        db.connection.commit()?;
        Ok(value)
    });
    if result.is_err() {
        // After a failed commit or a lost connection there may be nothing left to roll back.
        let _ = db.connection.script("ROLLBACK");
    }
    result
}

fn within<T>(db: &mut Db, work: impl FnOnce(&mut Db) -> T) -> T {
    db.in_transaction = true;
    let done = work(db);
    db.in_transaction = false;
    done
}

/// Short and random, growing to a few milliseconds: whoever waits longest is not the least likely to win.
fn back_off(tries: u32) -> Duration {
    let ceiling = 400_u64 << tries.min(4);
    Duration::from_micros(fastrand::u64(100..=ceiling))
}
