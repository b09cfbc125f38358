//! `audit`: what happened in a period, whether it ties, and what a person should look at.
//!
//! Accounts are read in pages, figures and entries of a page on one snapshot; attempts from end to end. An account's
//! entries tie by themselves, so that charges that go on meanwhile disturb nothing: they belong to a period by the time
//! they give.

mod findings;
mod grants;
mod scan;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::alert::{ByHand, Cause, reconcile_where};
use super::error::LedgerError;
use super::job::{self, Overlap, Run, RunRecord};
use super::progress::Progress;
use super::verify_alerts::Pass;
use super::{Ledger, health, verify, verify_alerts};
use crate::db::audit::has_failed;
use crate::db::closes::{self, Close, closes_last};
use crate::db::unit_of_work::write;
use crate::domain::account::AccountId;
use crate::domain::alert::{Alert, Severity};
use crate::domain::chain::ChainHash;
use crate::domain::close::{Bounds, Totals};
use crate::domain::code::{Code, Exit};
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::EntryKind;
use crate::domain::histogram::Histogram;
use crate::domain::pattern::{Thresholds, UnusualVolume};
use crate::domain::time::Timestamp;
pub use findings::{Alerted, Finding, Findings};

const JOB: &str = "audit";

/// The alert of attempts that failed and were not made again.
const FAILED: &str = "audit:failed_attempts";

/// How it is recorded what `--repair` did.
const REPAIR: &str = "audit --repair";

#[derive(Clone, Debug)]
pub struct Audit {
    /// A day before `until` unless given.
    pub since: Option<Timestamp>,
    /// Exclusive; now unless given.
    pub until: Option<Timestamp>,
    pub repair: bool,
    pub thresholds: Thresholds,
}

/// What the accounts of one currency come to.
#[derive(Clone, Debug)]
pub struct CurrencyReport {
    pub currency: Currency,
    pub accounts: u64,
    pub opening: Totals,
    pub period: Totals,
    pub closing: Totals,
    pub kinds: BTreeMap<EntryKind, Totals>,
    /// From the last close, where this audit goes on from one.
    pub tie: Option<Tie>,
}

/// `said + late + moved = closing`, unless history was changed.
#[derive(Clone, Debug, Default)]
pub struct Tie {
    pub said: Totals,
    /// What the same entries come to now.
    pub now: Totals,
    /// Recorded after the close with a time before it.
    pub late: Totals,
    pub moved: Totals,
}

/// How the attempts of one operation ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    pub applied: u64,
    pub refused: u64,
    pub failed: u64,
    pub pending: u64,
}

#[derive(Debug)]
pub struct Report {
    pub run_id: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// When the close was made that this audit goes on from.
    pub last_close: Option<Timestamp>,
    /// Whether a close was kept; one of the past is not.
    pub closed: bool,
    pub accounts: u64,
    pub in_sync: u64,
    pub digest: ChainHash,
    pub currencies: Vec<CurrencyReport>,
    /// By the name of the operation.
    pub operations: BTreeMap<String, Ends>,
    /// How many were refused or failed, by operation, state and reason.
    pub reasons: BTreeMap<(String, &'static str, String), u64>,
    /// In microseconds.
    pub durations: Histogram,
    /// Pending and so young that they may be in work; and older ones, of whatever age.
    pub in_work: u64,
    pub stranded: u64,
    /// Entries in the period, and what the same time had on average before, where that is known.
    pub entries: u64,
    pub usual_volume: Option<u64>,
    pub findings: Findings,
    /// Whether repairing was asked for.
    pub repair: bool,
    /// Alerts that `--repair` has closed.
    pub alerts_closed: u64,
}

impl Report {
    pub fn exit(&self) -> Exit {
        match self.findings.worst() {
            Some(Severity::Critical) => Exit::Integrity,
            Some(Severity::Warning) => Exit::No,
            None => Exit::Done,
        }
    }

    /// All operations together.
    pub fn ends(&self) -> Ends {
        self.operations.values().fold(Ends::default(), |sum, ends| Ends {
            applied: sum.applied + ends.applied,
            refused: sum.refused + ends.refused,
            failed: sum.failed + ends.failed,
            pending: sum.pending + ends.pending,
        })
    }

    /// In hundredths of a percent, rounded down; `None` where nothing has ended.
    pub fn success_basis_points(&self) -> Option<u64> {
        let Ends {
            applied,
            refused,
            failed,
            ..
        } = self.ends();
        (applied * 10_000).checked_div(applied + refused + failed)
    }

    fn record(&self) -> RunRecord {
        let ends = self.ends();
        let counts = json!({
            "since": self.since.to_string(),
            "until": self.until.to_string(),
            "accounts": self.accounts,
            "entries": self.entries,
            "applied": ends.applied,
            "refused": ends.refused,
            "failed": ends.failed,
            "stranded": self.stranded,
            "critical": self.findings.critical,
            "warning": self.findings.warning,
            "mended": self.findings.mended(),
        });
        RunRecord {
            counts,
            digest: Some(self.digest.to_string()),
            exit: self.exit(),
        }
    }
}

pub fn audit(ledger: &mut Ledger, request: &Audit, progress: &dyn Progress) -> Result<Report, LedgerError> {
    let now = ledger.now();
    let until = request.until.unwrap_or(now);
    let since = request.since.unwrap_or_else(|| until.after(-TimeDelta::days(1)));
    let invalid = |message| LedgerError::invalid(Code::InvalidInput, message);
    if until > now {
        return Err(invalid(
            "--until must not be later than now: entries may still be made before it",
        ));
    }
    if since >= until {
        return Err(invalid("--since must be earlier than --until"));
    }
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let report = audit_run(ledger, run, request, (since, until), progress)?;
        let record = report.record();
        Ok((report, record))
    })
}

fn audit_run(
    ledger: &mut Ledger,
    run: &mut Run,
    request: &Audit,
    (since, until): (Timestamp, Timestamp),
    progress: &dyn Progress,
) -> Result<Report, LedgerError> {
    let last = closes_last(&mut ledger.db)?;
    let last_until = last.first().map(|close| close.until);
    // The figures of a past moment do not go on from a later close, and make none.
    let closed = last_until.is_none_or(|close| close <= until);
    let bounds = Bounds {
        since,
        until,
        last_close: last_until.filter(|_| closed),
    };
    let mut scan = scan::Scan::new(bounds, request.thresholds, ledger.now());
    scan.run(ledger, run, closed, progress)?;
    let health = health::look(ledger, &run.id)?;
    health::tell(ledger, &health)?;
    scan.findings.of_health(&health);
    verify::locate_breaks(ledger, &mut scan.drifted)?;
    verify_alerts::tell(ledger, &Pass::of_sums(&verify::Scope::ALL, &[]), &scan.drifted)?;
    scan.findings.of_verify(&scan.drifted);
    if bounds.last_close.is_some() && !scan.was_interrupted {
        compare_closes(&mut scan, &last);
    }
    let volume = scan.volume();
    if let Some(unusual) = volume.0 {
        scan.findings.of_volume(unusual, (since, until));
    }
    if request.repair {
        grants::mend(ledger, run, &mut scan)?;
    }
    let mut report = Report {
        run_id: run.id.clone(),
        since,
        until,
        last_close: bounds.last_close,
        closed,
        accounts: scan.accounts,
        in_sync: verify::in_sync(scan.accounts, &scan.drifted),
        entries: scan.entries(),
        digest: scan.digest.finish(),
        currencies: scan.currencies.into_values().collect(),
        operations: scan.operations,
        reasons: scan.reasons,
        durations: scan.durations,
        in_work: scan.in_work,
        stranded: scan.stranded,
        usual_volume: volume.1,
        findings: scan.findings,
        repair: request.repair,
        alerts_closed: 0,
    };
    if closed {
        keep_close(ledger, &report)?;
    }
    report.alerts_closed = tell(ledger, &run.id, &report)?;
    Ok(report)
}

/// Whether what the accounts remember of the last close is what the ledger remembers.
fn compare_closes(scan: &mut scan::Scan, last: &[Close]) {
    let mut kept: BTreeMap<&CurrencyCode, &Close> = last.iter().map(|close| (close.currency.code(), close)).collect();
    for report in scan.currencies.values() {
        let said = report.tie.as_ref().map_or_else(Totals::default, |tie| tie.said);
        let kept = kept.remove(report.currency.code());
        let kept = kept.map_or_else(Totals::default, |close| close.totals);
        if said != kept {
            scan.findings.of_close(&report.currency, kept, said);
        }
    }
    // Of a currency whose accounts are all gone, nothing is left but its close.
    for gone in kept.into_values().filter(|gone| gone.totals != Totals::default()) {
        scan.findings.of_close(&gone.currency, gone.totals, Totals::default());
    }
}

fn keep_close(ledger: &mut Ledger, report: &Report) -> Result<(), LedgerError> {
    write(&mut ledger.db, "close", |db| -> Result<(), LedgerError> {
        for of in &report.currencies {
            let kinds: Map<String, Value> = of
                .kinds
                .iter()
                .map(|(kind, totals)| {
                    let sums = json!({
                        "entries": totals.entries,
                        "balance": totals.balance.to_string(),
                        "held": totals.held.to_string(),
                        "debt": totals.debt.to_string(),
                    });
                    (kind.name().to_owned(), sums)
                })
                .collect();
            let close = Close {
                currency: of.currency.clone(),
                since: report.since,
                until: report.until,
                run_id: report.run_id.clone(),
                accounts: i64::try_from(of.accounts).unwrap_or(i64::MAX),
                totals: of.closing,
                kinds: Value::Object(kinds).to_string(),
                digest: report.digest.to_string(),
            };
            closes::close_put(db, &close)?;
        }
        Ok(())
    })
}

/// Alerts for what is still wrong; how many `--repair` has closed.
///
/// What happened once is not gone because a later period does not show it: its alert stays until somebody has taken
/// notice of it, or repairs. That of failed attempts ends also when they were made again.
fn tell(ledger: &mut Ledger, run_id: &str, report: &Report) -> Result<u64, LedgerError> {
    let causes = |of: &[Alerted]| -> Vec<Cause> {
        let open = report
            .findings
            .list
            .iter()
            .filter(|found| of.contains(&found.alerted) && !found.mended);
        open.map(Finding::cause).collect()
    };
    let all_known = report.findings.omitted == 0;
    let noticed = |alert: &Alert| report.repair || alert.acknowledged_at.is_some();
    let lasting = causes(&[Alerted::WhileItLasts, Alerted::UntilMadeAgain]);
    let by_hand = if report.repair {
        ByHand::Act {
            command: REPAIR,
            run_id,
        }
    } else {
        ByHand::No
    };
    let lasted = reconcile_where(ledger, "audit:", &lasting, by_hand, |ledger, alert| {
        // An audit counts what failed in its own period.
        let waits = alert.cause == FAILED && !noticed(alert);
        Ok(all_known && !(waits && has_failed(&mut ledger.db, alert.account.unwrap_or(AccountId::NONE))?))
    })?;
    let happened = causes(&[Alerted::UntilNoticed]);
    let happened = reconcile_where(ledger, "event:", &happened, by_hand, |_, alert| {
        Ok(all_known && noticed(alert))
    })?;
    Ok(if report.repair {
        (lasted.len() + happened.len()) as u64
    } else {
        0
    })
}

/// What is known of the volume: whether it is unusual, and what is usual.
type VolumeKnown = (Option<UnusualVolume>, Option<u64>);
