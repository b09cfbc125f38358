//! `metrics`: what a monitoring system wants to know every minute, at a cost that does not grow with the history.

use serde_json::Value;

use super::Ledger;
use super::error::LedgerError;
use crate::db::alerts::alerts_count;
pub use crate::db::jobs::RecordedRun;
use crate::db::jobs::{Runs, run_latest};
pub use crate::db::metrics::{CurrencyTally, Waiting};
use crate::db::metrics::{currency_tallies, waiting};
use crate::db::migrate::MigrationStatus;
use crate::db::unit_of_work::read;
use crate::domain::alert::Severity;
use crate::domain::schedule::JOBS;
use crate::domain::time::Timestamp;

/// Everything that is measured, of one moment.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub at: Timestamp,
    pub engine: &'static str,
    /// The last migration.
    pub schema: String,
    pub currencies: Vec<CurrencyTally>,
    pub waiting: Waiting,
    /// How many are open, by severity.
    pub alerts: Vec<(Severity, i64)>,
    /// The latest run that has ended, of each job that has one.
    pub jobs: Vec<RecordedRun>,
    /// Attempts that a crash had left pending when the latest audit counted them.
    pub stranded: Option<u64>,
    /// Of all chain heads, as the latest run of that job found it.
    pub digest: Option<(String, String)>,
}

pub fn metrics(ledger: &mut Ledger) -> Result<Metrics, LedgerError> {
    let (at, is_sqlite) = (ledger.now(), ledger.db.is_sqlite());
    read(&mut ledger.db, |db| {
        let mut jobs = Vec::new();
        for job in JOBS {
            jobs.extend(run_latest(db, job.name, Runs::Ended)?);
        }
        let mut alerts = Vec::new();
        for severity in [Severity::Warning, Severity::Critical] {
            alerts.push((severity, alerts_count(db, severity)?.0));
        }
        let latest_digest = jobs
            .iter()
            .filter_map(|run| Some((run, run.digest.as_ref()?)))
            .max_by_key(|(run, _)| run.finished_at)
            .map(|(run, digest)| (run.job.clone(), digest.clone()));
        Ok(Metrics {
            at,
            engine: if is_sqlite { "sqlite" } else { "postgresql" },
            schema: MigrationStatus::read(db)?.applied.pop().unwrap_or_default(),
            currencies: currency_tallies(db)?,
            waiting: waiting(db, at)?,
            alerts,
            stranded: jobs.iter().find(|run| run.job == "audit").and_then(stranded),
            digest: latest_digest,
            jobs,
        })
    })
}

fn stranded(audit: &RecordedRun) -> Option<u64> {
    let counts: Value = serde_json::from_str(audit.counts.as_deref()?).ok()?;
    counts["stranded"].as_u64()
}
