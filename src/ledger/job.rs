//! Runs of jobs: one at a time, each leaving a record.
//!
//! The lease is a row, no lock of the database: it says who holds it, is not waited for when that process is gone, and its
//! fence tells a holder that another has taken over.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::Ledger;
use super::clock::{Stopwatch, unique_name, wall_clock};
use super::error::LedgerError;
use crate::db::jobs::{self, Lease};
use crate::db::unit_of_work::write;
use crate::domain::code::Exit;
use crate::domain::time::Timestamp;

/// What a finished run is remembered by.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub counts: Value,
    pub digest: Option<String>,
    pub exit: Exit,
}

/// A run in progress.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    job: &'static str,
    /// Grows with every holder of the lease; `None` for a run that excludes nobody.
    fence: Option<i64>,
    renewed: Stopwatch,
    /// When the lease runs out: a clock that stands still while the machine sleeps does not show it.
    until: Timestamp,
}

/// Whether other runs of the same job must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    Refused,
    Allowed,
}

const LEASE: TimeDelta = TimeDelta::seconds(60);
const RENEW_AFTER: Duration = Duration::from_secs(10);

/// Runs `work` as a run of `job`; its record says how it ended.
pub fn run<T>(
    ledger: &mut Ledger,
    job: &'static str,
    overlap: Overlap,
    work: impl FnOnce(&mut Ledger, &mut Run) -> Result<(T, RunRecord), LedgerError>,
) -> Result<T, LedgerError> {
    let recorded = |ledger: &mut Ledger, fence| {
        let mut run = Run {
            id: unique_name(),
            job,
            fence,
            renewed: Stopwatch::start(),
            until: lease_end(ledger),
        };
        recorded(ledger, &mut run, work)
    };
    match overlap {
        Overlap::Refused => alone(ledger, job, |ledger, fence| recorded(ledger, Some(fence))),
        Overlap::Allowed => recorded(ledger, None),
    }
}

/// Does something short between two runs of `job`, of which there is none meanwhile; leaves no record.
pub fn between_runs<T>(
    ledger: &mut Ledger,
    job: &'static str,
    work: impl FnOnce(&mut Ledger) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    alone(ledger, job, |ledger, _| work(ledger))
}

/// Holds the job's lease while `work` is done.
fn alone<T>(
    ledger: &mut Ledger,
    job: &'static str,
    work: impl FnOnce(&mut Ledger, i64) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let fence = acquire(ledger, job)?;
    let result = work(ledger, fence);
    let released: Result<(), LedgerError> = write(&mut ledger.db, "release lease", |db| {
        Ok(jobs::lease_release(db, job, fence)?)
    });
    if let Err(error) = released {
        log::warn!("the lease of {job} could not be given back, it will run out by itself: {error}");
    }
    result
}

fn recorded<T>(
    ledger: &mut Ledger,
    run: &mut Run,
    work: impl FnOnce(&mut Ledger, &mut Run) -> Result<(T, RunRecord), LedgerError>,
) -> Result<T, LedgerError> {
    let (started, actor) = (ledger.now(), ledger.actor.clone());
    write(&mut ledger.db, "run started", |db| {
        jobs::run_started(db, &run.id, run.job, &actor, started).map_err(LedgerError::from)
    })?;
    log::info!("{}: run {} begins", run.job, run.id);
    let result = work(ledger, run);
    let record = match &result {
        Ok((_, record)) => record.clone(),
        Err(error) => RunRecord {
            counts: serde_json::json!({"error": error.to_string()}),
            digest: None,
            exit: error.code().exit(),
        },
    };
    log::info!("{}: run {} ends with {}", run.job, run.id, record.exit.code());
    let finished = ledger.now();
    let counts = record.counts.to_string();
    let ended: Result<(), LedgerError> = write(&mut ledger.db, "run finished", |db| {
        jobs::run_finished(
            db,
            &run.id,
            finished,
            &counts,
            record.digest.as_deref(),
            record.exit.code(),
        )?;
        Ok(())
    });
    let value = result?;
    ended?;
    Ok(value.0)
}

impl Run {
    /// Called now and then by long work: keeps the lease, or stops where somebody else has taken it.
    pub fn keep(&mut self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        let runs_out = wall_clock().after(LEASE / 2) >= self.until;
        if runs_out || self.renewed.elapsed() > RENEW_AFTER {
            self.confirm(ledger)
        } else {
            Ok(())
        }
    }

    /// The same at once: whoever meets what must not be may have been overtaken, and sees what another run has done.
    pub fn confirm(&mut self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        let Some(fence) = self.fence else { return Ok(()) };
        let (job, until) = (self.job, lease_end(ledger));
        let ours = write(&mut ledger.db, "renew lease", |db| {
            jobs::lease_renew(db, job, fence, until).map_err(LedgerError::from)
        })?;
        (self.renewed, self.until) = (Stopwatch::start(), until);
        if ours {
            Ok(())
        } else {
            Err(LedgerError::Busy(format!("another run of {job} has taken over")))
        }
    }
}

/// Until when a lease is held that is taken now. A run looks after it before each piece of work, which may first wait for a
/// lock: a statement does, and the transaction that begins anew.
fn lease_end(ledger: &Ledger) -> Timestamp {
    let waits = TimeDelta::from_std(ledger.lock_timeout()).unwrap_or(LEASE);
    wall_clock().after(LEASE + waits + waits)
}

/// Waits for the job's lease up to the lock time-out; its fence.
fn acquire(ledger: &mut Ledger, job: &'static str) -> Result<i64, LedgerError> {
    let holder = this_process();
    let waiting = Stopwatch::start();
    loop {
        let until = lease_end(ledger);
        let taken = write(
            &mut ledger.db,
            "acquire lease",
            |db| -> Result<Result<i64, String>, LedgerError> {
                let lease = jobs::lease_find(db, job)?;
                if let Some(other) = lease.as_ref().and_then(in_force) {
                    return Ok(Err(other));
                }
                let seen = lease.map_or(0, |lease| lease.fence);
                let taken = jobs::lease_take(db, job, seen, &holder, until)?;
                Ok(if taken {
                    Ok(seen + 1)
                } else {
                    Err("a run that started at the same moment".into())
                })
            },
        )?;
        match taken {
            Ok(fence) => return Ok(fence),
            Err(other) if waiting.elapsed() >= ledger.db.lock_timeout() => {
                return Err(LedgerError::Busy(format!(
                    "{job} is already being run by {other}; try again later"
                )));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(25)),
        }
    }
}

/// Who holds the lease, if anybody still does.
pub(super) fn in_force(lease: &Lease) -> Option<String> {
    let holder = lease.holder.clone()?;
    let runs_out = lease.until?;
    (runs_out > wall_clock() && !is_gone(&holder)).then(|| shown(&holder).to_owned())
}

/// Host, process and when it started: a killed run on this host need not be waited for. Behind a space, which process
/// it is that has this number.
fn this_process() -> String {
    let pid = std::process::id();
    let started = started_at(pid).unwrap_or_default();
    format!("{}:{pid}:{started} {}", host(), numbering().unwrap_or_default())
}

/// What people are told of a holder.
pub(super) fn shown(holder: &str) -> &str {
    holder.split_once(' ').map_or(holder, |(process, _)| process)
}

/// Since when and among whom processes are numbered: containers may share the name of their host and nothing else.
fn numbering() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// Whether the holder has certainly ended; of a process that cannot be seen from here nothing is certain.
fn is_gone(holder: &str) -> bool {
    let Some((process, numbered)) = holder.split_once(' ') else {
        return false;
    };
    let mut parts = process.rsplitn(3, ':');
    let (Some(started), Some(pid), Some(on)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    on == host()
        && numbering().as_deref() == Some(numbered)
        && !started.is_empty()
        && started_at(pid).as_deref() != Some(started)
}

pub(super) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "host".into(), |name| name.trim().into())
}

/// When a process of this host started, in ticks since boot; `None` when there is none of that number.
fn started_at(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the 22nd field is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_string)
}
