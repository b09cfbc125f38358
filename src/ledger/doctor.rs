//! `doctor`: is everything around the ledger as it has to be? Looks as far as it gets, and says what to do.

use std::fmt::Display;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;

use super::clock::{Clock, wall_clock};
use super::error::LedgerError;
use super::job::{in_force, shown};
use crate::db::alerts::alerts_count;
use crate::db::intents_list::attempts_left;
use crate::db::jobs::{Runs, leases_held, run_latest};
use crate::db::migrate::MigrationStatus;
use crate::db::server::{self, Misplaced, Rights};
use crate::db::{DatabaseUrl, Db, DbError, Schema};
use crate::domain::alert::Severity;
use crate::domain::code::{Code, Exit};
use crate::domain::intent::STRANDED_AFTER;
use crate::domain::named::named;
use crate::domain::schedule::{JOBS, Job};
use crate::domain::time::Timestamp;

named! {
    /// How grave a finding is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Level {
        Ok = "ok",
        /// It works, and somebody should look.
        Warning = "warning",
        /// It does not work, or not safely.
        Error = "error",
    }
}

/// What was found about one thing.
#[derive(Clone, Debug)]
pub struct Finding {
    pub check: &'static str,
    pub level: Level,
    pub message: String,
    /// What to do about it, often the next command to type.
    pub remedy: Option<String>,
}

/// All that was looked at, in that order.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    pub findings: Vec<Finding>,
    unreachable: bool,
}

impl Examination {
    pub fn exit(&self) -> Exit {
        match self.findings.iter().map(|finding| finding.level).max() {
            _ if self.unreachable => Exit::Unreachable,
            Some(Level::Error) => Exit::Configuration,
            Some(Level::Warning) => Exit::No,
            Some(Level::Ok) | None => Exit::Done,
        }
    }

    fn add(&mut self, check: &'static str, level: Level, message: impl Display, remedy: Option<&str>) {
        self.findings.push(Finding {
            check,
            level,
            message: message.to_string(),
            remedy: remedy.map(str::to_owned),
        });
    }

    fn ok(&mut self, check: &'static str, message: impl Display) {
        self.add(check, Level::Ok, message, None);
    }

    fn warn(&mut self, check: &'static str, message: impl Display, remedy: &str) {
        self.add(check, Level::Warning, message, Some(remedy));
    }

    fn error(&mut self, check: &'static str, message: impl Display, remedy: &str) {
        self.add(check, Level::Error, message, Some(remedy));
    }
}

/// Where to look, and what time it is for the jobs.
#[derive(Clone, Debug)]
pub struct Patient {
    pub url: DatabaseUrl,
    pub lock_timeout: Duration,
    pub clock: Clock,
}

pub fn examine(patient: &Patient) -> Examination {
    let mut seen = Examination::default();
    if let DatabaseUrl::Sqlite(path) = &patient.url {
        if !path.exists() {
            let message = format!("there is no ledger yet at {}", path.display());
            seen.warn("database", message, "ledger account create --user-id ID creates it");
            return seen;
        }
        look_at_rights(&[path.to_owned(), with_suffix(path, "-wal")], &mut seen);
        look_at_disk(path, &mut seen);
    }
    look_at_rights(&[PathBuf::from(".env")], &mut seen);
    match Db::open(&patient.url, patient.lock_timeout, Schema::Unchecked) {
        Ok(mut db) => look_inside(&mut db, patient, &mut seen),
        Err(error) => not_opened(error, &mut seen),
    }
    seen
}

fn not_opened(error: DbError, seen: &mut Examination) {
    let remedy = match &error {
        DbError::Unreachable(_) | DbError::Lost(_) | DbError::Away(_) => {
            seen.unreachable = true;
            "is the server running, and is DATABASE_URL right? `ledger config show` tells where it comes from"
        }
        DbError::Denied(_) => "give this user the right to it; see `ledger roles sql`",
        _ => "put it right in DATABASE_URL; `ledger config show` tells where it comes from",
    };
    seen.error("database", error, remedy);
}

/// Every check for itself: one that fails stops no other.
fn look_inside(db: &mut Db, patient: &Patient, seen: &mut Examination) {
    type Check = fn(&mut Db, &Patient, &mut Examination) -> Result<(), LedgerError>;
    let checks: [(&'static str, Check); 10] = [
        ("database", look_at_the_server),
        ("durability", look_at_durability),
        ("clock", look_at_the_clock),
        ("role", look_at_the_role),
        ("entries", look_at_the_guards),
        ("layout", look_at_the_layout),
        ("leases", look_at_leases),
        ("attempts", look_at_attempts),
        ("alerts", look_at_alerts),
        ("jobs", look_at_jobs),
    ];
    let is_migrated = look_at_the_schema(db, seen).unwrap_or_else(|error| {
        seen.error("schema", error, "see `ledger migrate status`");
        false
    });
    // Without the tables there is nothing to ask about them.
    for (name, check) in &checks[..if is_migrated { checks.len() } else { 3 }] {
        if let Err(error) = check(db, patient, seen) {
            let remedy = match error.code() {
                Code::Denied => {
                    "this role may not look at it; ask as one that may read everything (`ledger roles sql`)"
                }
                _ => "try again; `ledger doctor -v` logs more",
            };
            seen.error(name, error, remedy);
        }
    }
}

fn look_at_the_server(db: &mut Db, patient: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let message = format!("{} answers at {}", server::version(db)?, patient.url);
    seen.ok("database", message);
    Ok(())
}

/// Whether the schema is this program's.
fn look_at_the_schema(db: &mut Db, seen: &mut Examination) -> Result<bool, LedgerError> {
    let status = MigrationStatus::read(db)?;
    let newer = !status.unknown.is_empty();
    if newer {
        let message = format!(
            "the schema is newer than this program (it has {})",
            status.unknown.join(", ")
        );
        seen.error("schema", message, "install a newer `ledger`");
    } else if status.pending.is_empty() {
        seen.ok("schema", format!("up to date, {} migrations", status.applied.len()));
    } else {
        let message = format!("{} migrations are pending", status.pending.len());
        seen.error("schema", message, "ledger migrate up");
    }
    Ok(!newer && status.pending.is_empty())
}

fn look_at_durability(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let careless = server::careless_settings(db)?;
    for (name, value) in &careless {
        let message = format!("the server runs with {name} = {value}: a crash can lose acknowledged operations");
        seen.warn(
            "durability",
            message,
            &format!("set {name} = on in the server's configuration"),
        );
    }
    if careless.is_empty() {
        seen.ok("durability", "a commit waits for the disk");
    }
    Ok(())
}

/// How far the server's clock may be from ours.
const SKEW: TimeDelta = TimeDelta::seconds(2);

fn look_at_the_clock(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let Some(theirs) = server::clock(db)? else {
        seen.ok("clock", "the database has this machine's");
        return Ok(());
    };
    let apart = TimeDelta::microseconds(theirs.micros() - wall_clock().micros());
    if apart.abs() > SKEW {
        let message = format!(
            "the server's clock is {} s away from this machine's",
            apart.num_seconds()
        );
        seen.warn("clock", message, "synchronise both, for example with chrony");
    } else {
        seen.ok("clock", "the server's and this machine's agree");
    }
    Ok(())
}

fn look_at_the_role(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let Some((role, rights)) = server::role(db)? else {
        return Ok(());
    };
    let what = match rights {
        Rights::Superuser => "is a superuser; for daily work there are lesser roles, see `ledger roles sql`",
        Rights::Owner => "owns the tables; for daily work there are lesser roles, see `ledger roles sql`",
        Rights::Append => "may operate, and not change an entry",
        Rights::Read => "may read, and nothing else",
        Rights::None => {
            seen.error(
                "role",
                format!("{role} may not even read"),
                "ledger roles sql prints how to give it its rights",
            );
            return Ok(());
        }
    };
    seen.ok("role", format!("{role} {what}"));
    Ok(())
}

/// Whether the database itself refuses changes of entries.
fn look_at_the_guards(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let missing = server::guards_missing(db)?;
    if missing.is_empty() {
        seen.ok("entries", "the database refuses every change of them");
        return Ok(());
    }
    let message = format!(
        "the database does not refuse every change of them: {} is gone or switched off",
        missing.join(", ")
    );
    let remedy = "ask who did it and why, run `ledger verify-sync --deep --anchor FILE`, and make the triggers again as in \
                  the migrations";
    seen.error("entries", message, remedy);
    Ok(())
}

/// Whether a cluster keeps what belongs to an account together.
fn look_at_the_layout(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let Some(misplaced) = server::misplaced_tables(db)? else {
        return Ok(());
    };
    for Misplaced {
        table,
        is_growing,
        is_distributed,
    } in &misplaced
    {
        // The others are held against the balances, which are colocated with nothing else.
        let with = if table == "balances" { "none" } else { "balances" };
        let (message, remedy) = match (is_growing, is_distributed) {
            (false, _) => (
                "is a small list and not on every node",
                format!("SELECT create_reference_table('{table}')"),
            ),
            (true, false) => (
                "grows with use and is on one node alone",
                format!("SELECT create_distributed_table('{table}', 'account_id', colocate_with => '{with}')"),
            ),
            (true, true) => (
                "is not distributed by account_id along with the balances",
                format!(
                    "SELECT alter_distributed_table('{table}', distribution_column => 'account_id', \
                     colocate_with => '{with}')"
                ),
            ),
        };
        seen.warn("layout", format!("{table} {message}"), &remedy);
    }
    if misplaced.is_empty() {
        seen.ok("layout", "what belongs to an account is on one node");
    }
    Ok(())
}

fn look_at_leases(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    for (job, lease) in leases_held(db)? {
        match (in_force(&lease), lease.holder) {
            (Some(holder), _) => seen.ok("leases", format!("{job} is being run by {holder}")),
            (None, holder) => {
                let holder = holder.unwrap_or_default();
                let message = format!("a run of {job} by {} has died", shown(&holder));
                let scheduled = JOBS.iter().find(|known| known.name == job);
                let command = scheduled.map_or(job.as_str(), |known| known.command);
                let remedy = format!("ledger {command} takes over and ends what it had begun");
                seen.warn("leases", message, &remedy);
            }
        }
    }
    Ok(())
}

/// By how much the clocks of those who run jobs may differ.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

fn look_at_attempts(db: &mut Db, patient: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    match attempts_left(db, patient.clock.now().after(-STRANDED_AFTER))? {
        0 => seen.ok("attempts", "none was left pending"),
        left => {
            let minutes = STRANDED_AFTER.num_minutes();
            let message = format!("{left} have been pending for more than {minutes} minutes: a crash left them behind");
            seen.warn("attempts", message, "ledger intents resolve");
        }
    }
    Ok(())
}

fn look_at_alerts(db: &mut Db, _: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let before = seen.findings.len();
    for (severity, level) in [(Severity::Critical, Level::Error), (Severity::Warning, Level::Warning)] {
        let (open, unnoticed) = alerts_count(db, severity)?;
        // One that a person has taken notice of is in good hands.
        let level = if unnoticed > 0 { level } else { Level::Ok };
        if open > 0 {
            let message = format!("{open} {} open, {unnoticed} of them unnoticed", severity.name());
            seen.add("alerts", level, message, Some("ledger alerts list"));
        }
    }
    if seen.findings.len() == before {
        seen.ok("alerts", "none is open");
    }
    Ok(())
}

fn look_at_jobs(db: &mut Db, patient: &Patient, seen: &mut Examination) -> Result<(), LedgerError> {
    let now = patient.clock.now();
    for job in JOBS {
        look_at_job(db, job, now, seen)?;
    }
    Ok(())
}

fn look_at_job(db: &mut Db, job: &Job, now: Timestamp, seen: &mut Examination) -> Result<(), LedgerError> {
    let again = format!("ledger {}", job.command);
    let Some(run) = run_latest(db, job.name, Runs::Ended)? else {
        let message = format!("{} has never run", job.name);
        seen.warn(
            "jobs",
            message,
            "ledger schedule --cron, or --systemd, prints what runs it",
        );
        return Ok(());
    };
    let (name, started) = (job.name, run.started_at);
    if started > now.after(CLOCKS_DIFFER) {
        let message = format!("{name} ran at {started}, which is still to come");
        seen.warn(
            "jobs",
            message,
            "has the clock been set back? look at the clock of this machine",
        );
    } else if started.after(job.every.late_after()) < now {
        let message = format!("{name} ran at {started} and not since; it is due {}", job.every.cron());
        seen.warn(
            "jobs",
            message,
            &format!("{again}; does cron or its timer run? see `ledger schedule --cron`"),
        );
    } else if let (Some(code @ 1..), Some(ended)) = (run.exit_code, run.finished_at) {
        let message = format!("{name} ended with exit {code} at {ended}");
        seen.warn("jobs", message, &again);
    } else {
        seen.ok("jobs", format!("{name} ran at {started}"));
    }
    Ok(())
}

/// Files that are there should be for their owner alone.
fn look_at_rights(files: &[PathBuf], seen: &mut Examination) {
    for file in files {
        let Ok(known) = file.metadata() else { continue };
        let open_to_others = known.permissions().mode() & 0o077;
        if open_to_others == 0 {
            seen.ok("files", format!("{} is for its owner alone", file.display()));
        } else {
            let message = format!("others may read or write {}", file.display());
            seen.warn("files", message, &format!("chmod 600 {}", file.display()));
        }
    }
}

/// A repair copies the file first.
const COPIES: u64 = 2;
const ROOM_AT_LEAST: u64 = 100 << 20;

fn look_at_disk(path: &Path, seen: &mut Examination) {
    let size = path.metadata().map_or(0, |known| known.len());
    match rustix::fs::statvfs(path) {
        Ok(disk) => {
            let (room, wanted) = (disk.f_bavail * disk.f_frsize, (size * COPIES).max(ROOM_AT_LEAST));
            let message = format!("{} MB are free, the ledger has {} MB", room >> 20, size >> 20);
            if room < wanted {
                seen.warn("disk", message, "make room: repairs copy the ledger first");
            } else {
                seen.ok("disk", message);
            }
        }
        Err(error) => seen.warn("disk", format!("its room cannot be told: {error}"), "look with `df`"),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
