//! The `jobs` and `job_runs` tables: who runs a job now, and what each run found.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

/// A job's lease as stored.
#[derive(Clone, Debug)]
pub struct Lease {
    pub fence: i64,
    pub holder: Option<String>,
    pub until: Option<Timestamp>,
}

impl FromRow for Lease {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            fence: columns.int()?,
            holder: columns.optional_text()?,
            until: columns.optional_int()?.map(Timestamp::from_micros),
        })
    }
}

pub fn lease_find(db: &mut Db, job: &str) -> Result<Option<Lease>, DbError> {
    db.row(&sql("SELECT fence, holder, lease_until FROM jobs WHERE job = ?").bind(job))
}

/// Takes the lease from the state it was seen in (`seen` is its fence, 0 for none); `false` when somebody was faster.
pub fn lease_take(db: &mut Db, job: &str, seen: i64, holder: &str, until: Timestamp) -> Result<bool, DbError> {
    let taken = if seen == 0 {
        let insert = sql(
            "INSERT INTO jobs (job, fence, holder, lease_until) VALUES (?, 1, ?, ?) \
             ON CONFLICT (job) DO NOTHING",
        );
        db.execute(&insert.bind(job).bind(holder).bind(until.micros()))?
    } else {
        let update = sql("UPDATE jobs SET fence = fence + 1, holder = ?, lease_until = ? WHERE job = ? AND fence = ?");
        db.execute(&update.bind(holder).bind(until.micros()).bind(job).bind(seen))?
    };
    Ok(taken == 1)
}

/// Prolongs the lease; `false` when it is no longer ours.
pub fn lease_renew(db: &mut Db, job: &str, fence: i64, until: Timestamp) -> Result<bool, DbError> {
    let update = sql("UPDATE jobs SET lease_until = ? WHERE job = ? AND fence = ? AND holder IS NOT NULL");
    Ok(db.execute(&update.bind(until.micros()).bind(job).bind(fence))? == 1)
}

pub fn lease_release(db: &mut Db, job: &str, fence: i64) -> Result<(), DbError> {
    let update = sql("UPDATE jobs SET holder = NULL, lease_until = NULL WHERE job = ? AND fence = ?");
    db.execute(&update.bind(job).bind(fence)).map(|_| ())
}

pub fn run_started(db: &mut Db, id: &str, job: &str, actor: &Actor, at: Timestamp) -> Result<(), DbError> {
    let insert = sql("INSERT INTO job_runs (id, job, actor, started_at) VALUES (?, ?, ?, ?)");
    db.execute(&insert.bind(id).bind(job).bind(actor.as_str()).bind(at.micros()))
        .map(|_| ())
}

/// `counts` is JSON.
pub fn run_finished(
    db: &mut Db,
    id: &str,
    at: Timestamp,
    counts: &str,
    digest: Option<&str>,
    exit_code: u8,
) -> Result<(), DbError> {
    let update = sql("UPDATE job_runs SET finished_at = ?, counts = ?, digest = ?, exit_code = ? WHERE id = ?");
    let update = update
        .bind(at.micros())
        .bind(counts)
        .bind(digest)
        .bind(i64::from(exit_code))
        .bind(id);
    db.execute(&update).map(|_| ())
}

/// A run as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    pub job: String,
    pub started_at: Timestamp,
    /// `None` while it runs, and where it was killed; so are the others.
    pub finished_at: Option<Timestamp>,
    pub exit_code: Option<i64>,
    /// JSON, as the job has recorded it.
    pub counts: Option<String>,
    /// Of all chain heads, where the job reckons it.
    pub digest: Option<String>,
}

impl FromRow for RecordedRun {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            job: columns.text()?,
            started_at: Timestamp::from_micros(columns.int()?),
            finished_at: columns.optional_int()?.map(Timestamp::from_micros),
            exit_code: columns.optional_int()?,
            counts: columns.optional_text()?,
            digest: columns.optional_text()?,
        })
    }
}

/// Which of a job's runs are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    All,
    /// Neither those at work nor those that were killed.
    Ended,
    /// Those that have found or left everything right.
    Well,
}

/// The run of a job that began last.
pub fn run_latest(db: &mut Db, job: &str, of: Runs) -> Result<Option<RecordedRun>, DbError> {
    let ended = match of {
        Runs::All => "",
        Runs::Ended => "AND finished_at IS NOT NULL AND exit_code IS NOT NULL",
        Runs::Well => "AND exit_code = 0",
    };
    let select = sql(format!(
        "SELECT job, started_at, finished_at, exit_code, counts, digest FROM job_runs \
         WHERE job = ? {ended} ORDER BY started_at DESC, id DESC LIMIT 1"
    ));
    db.row(&select.bind(job))
}

/// The leases that somebody holds, or held when he died, by job.
pub fn leases_held(db: &mut Db) -> Result<Vec<(String, Lease)>, DbError> {
    db.rows(&sql(
        "SELECT job, fence, holder, lease_until FROM jobs WHERE holder IS NOT NULL ORDER BY job",
    ))
}
