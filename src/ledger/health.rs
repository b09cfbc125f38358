//! `health`: can the figures of every account be as they are? The database's view says what is wrong.

use std::path::PathBuf;

use chrono::TimeDelta;
use serde_json::json;

use super::alert::{self, Cause};
use super::error::{LedgerError, Obstacle};
use super::job::{self, Overlap, Run, RunRecord};
use super::purchase::PurchaseView;
use super::repair::{Repair, repair};
use super::{Ledger, credits, interrupt};
use crate::db::accounts;
pub use crate::db::health::HealthFinding;
use crate::db::health::health_findings;
use crate::domain::account::AccountId;
use crate::domain::alert::Severity;
use crate::domain::code::{Code, Exit};

const JOB: &str = "health";

/// A finding and what became of it.
#[derive(Clone, Debug)]
pub struct Found {
    pub finding: HealthFinding,
    /// Of the account's currency, for showing amounts.
    pub exponent: u8,
    pub fixed: bool,
}

#[derive(Clone, Debug)]
pub struct HealthReport {
    pub run_id: String,
    pub checked: u64,
    pub findings: Vec<Found>,
    pub backup: Option<PathBuf>,
    /// An account that --fix left as it was, because its entries cannot be trusted.
    pub broken: Vec<AccountId>,
    /// Due, and brought by no run yet.
    pub due_credits: Vec<PurchaseView>,
    /// Whether some have been due for so long that the job does not seem to run.
    pub job_is_late: bool,
    /// Deactivated while pending, more than a week ago.
    pub inactive_credits: Vec<PurchaseView>,
    /// What has kept it from all repairs.
    pub stopped: Option<Obstacle>,
}

/// How long due credits may wait for the job.
const LATE: TimeDelta = TimeDelta::days(1);

impl HealthReport {
    pub fn count(&self, severity: Severity) -> usize {
        let of = |found: &&Found| found.finding.severity == severity && !found.fixed;
        self.findings.iter().filter(of).count()
    }

    pub fn fixed(&self) -> usize {
        self.findings.iter().filter(|found| found.fixed).count()
    }

    pub fn exit(&self) -> Exit {
        if self.count(Severity::Critical) > 0 || !self.broken.is_empty() {
            Exit::Integrity
        } else if let Some(stopped) = &self.stopped {
            stopped.code.exit()
        } else if self.count(Severity::Warning) > 0 || self.job_is_late {
            Exit::No
        } else {
            Exit::Done
        }
    }

    fn record(&self) -> RunRecord {
        let counts = json!({
            "checked": self.checked,
            "critical": self.count(Severity::Critical),
            "warning": self.count(Severity::Warning),
            "due_credits": self.due_credits.len(),
            "inactive_credits": self.inactive_credits.len(),
            "fixed": self.fixed(),
        });
        RunRecord {
            counts,
            digest: None,
            exit: self.exit(),
        }
    }
}

/// Looks, repairs warnings if `fix`, and leaves an alert for each thing that is still wrong.
pub fn health(ledger: &mut Ledger, fix: bool, backup: bool) -> Result<HealthReport, LedgerError> {
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let mut report = look(ledger, &run.id)?;
        let mended = if fix && report.count(Severity::Warning) > 0 {
            mend(ledger, run, &mut report, backup)
        } else {
            Ok(())
        };
        // Whatever has ended the repair, what is still wrong is told.
        let told = tell(ledger, &report);
        mended?;
        told?;
        let record = report.record();
        Ok((report, record))
    })
}

/// Opens alerts for what is wrong, and closes those of what no longer is.
pub(super) fn tell(ledger: &mut Ledger, report: &HealthReport) -> Result<(), LedgerError> {
    let mut causes: Vec<Cause> = report.findings.iter().filter(|found| !found.fixed).map(cause).collect();
    if report.job_is_late {
        causes.push(Cause {
            account: None,
            name: "health:late_credits".into(),
            severity: Severity::Warning,
            message: LATE_CREDITS.into(),
        });
    }
    alert::reconcile(ledger, "health:", &causes)?;
    Ok(())
}

pub(super) const LATE_CREDITS: &str = "credits have been due for more than a day; does process-pending-credits run?";

pub(super) fn look(ledger: &mut Ledger, run_id: &str) -> Result<HealthReport, LedgerError> {
    let checked = accounts::accounts_count(&mut ledger.db)?.unsigned_abs();
    let mut findings = Vec::new();
    for finding in health_findings(&mut ledger.db)? {
        let listed = accounts::account_by_id(&mut ledger.db, finding.account)?;
        findings.push(Found {
            finding,
            exponent: listed.map_or(0, |listed| listed.account.currency.exponent()),
            fixed: false,
        });
    }
    Ok(HealthReport {
        run_id: run_id.to_owned(),
        checked,
        findings,
        backup: None,
        broken: Vec::new(),
        due_credits: credits::overdue(ledger, ledger.now())?,
        job_is_late: !credits::overdue(ledger, ledger.now().after(-LATE))?.is_empty(),
        inactive_credits: credits::inactive(ledger)?,
        stopped: None,
    })
}

/// Recomputes the rows of accounts with nothing but warnings, and looks again.
fn mend(ledger: &mut Ledger, run: &mut Run, report: &mut HealthReport, backup: bool) -> Result<(), LedgerError> {
    if backup {
        match ledger.db.backup(&format!("before-health-{}", run.id)) {
            Ok(copy) => report.backup = copy,
            Err(error) => {
                report.stopped = Some(LedgerError::from(error).into());
                return Ok(());
            }
        }
    }
    let critical = |report: &HealthReport, found: &Found| {
        let same = |other: &Found| other.finding.account == found.finding.account;
        let grave = |other: &Found| other.finding.severity == Severity::Critical;
        report.findings.iter().any(|other| same(other) && grave(other))
    };
    let curable: Vec<_> = report
        .findings
        .iter()
        .filter(|found| !critical(report, found))
        .map(|found| found.finding.account)
        .collect();
    for account in curable {
        interrupt::check()?;
        run.keep(ledger)?;
        match repair(ledger, account, "health --fix", &run.id) {
            Ok(Repair::Broken(broken)) => {
                let (seq, why) = (broken.seq, broken.reason.meaning());
                log::warn!("account {account} was left as it is: entry {seq} is broken, {why}");
                report.broken.push(account);
            }
            Err(error) if error.concerns_one_account() => {
                log::warn!("account {account} was left as it is: {error}");
                report
                    .broken
                    .extend((error.code() == Code::Integrity).then_some(account));
            }
            repaired => {
                repaired?;
            }
        }
    }
    let after = health_findings(&mut ledger.db)?;
    for found in &mut report.findings {
        found.fixed = !after
            .iter()
            .any(|left| left.account == found.finding.account && left.name == found.finding.name);
    }
    Ok(())
}

fn cause(found: &Found) -> Cause {
    let HealthFinding {
        account,
        user_id,
        currency,
        severity,
        name,
        ..
    } = &found.finding;
    Cause {
        account: Some(*account),
        name: format!("health:{name}"),
        severity: *severity,
        message: format!("{} of user {user_id} in {currency}", meaning(name)),
    }
}

/// A finding's name in words.
pub fn meaning(name: &str) -> &str {
    match name {
        "negative_balance" => "the balance is negative",
        "negative_held" => "the held amount is negative",
        "negative_debt" => "the debt is negative",
        "holds_not_covered" => "the open holds are not what the entries have set aside",
        "held_differs" => "the held amount is not the sum of the open holds",
        "row_missing" => "the balance row is missing",
        other => other,
    }
}
