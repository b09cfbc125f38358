//! `verify-sync`: are the balance rows what the entries come to? And with `--fix`, make them so.
//!
//! `scan` finds the accounts that differ; only those are folded entry by entry, to tell damage of the row from damage
//! of the journal.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde_json::json;

use super::anchor::{ANCHOR, Anchored, Anchors};
use super::deep::Issue;
use super::error::{LedgerError, Obstacle};
use super::job::{self, Overlap, Run, RunRecord};
use super::progress::Progress;
use super::repair::{self, ChainBreak, Repair};
use super::scan::{Depth, Extent, read_page, scan};
use super::verify_alerts::Pass;
use super::{Ledger, interrupt, verify_alerts};
use crate::db::unit_of_work::read;
use crate::domain::account::{Account, AccountId};
use crate::domain::anchor::Position;
use crate::domain::chain::ChainHash;
use crate::domain::code::{Code, Exit};
use crate::domain::currency::CurrencyCode;
use crate::domain::drift::Drift;
use crate::domain::money::Ceiling;
use crate::domain::text::UserId;

pub const JOB: &str = "verify-sync";

const PART: &str = "verify-sync-part";

/// Which accounts are looked at.
#[derive(Clone, Debug)]
pub enum Scope {
    /// By their numbers, which they have in the order of their creation.
    Accounts(RangeInclusive<i64>),
    User {
        user_id: UserId,
        currency: Option<CurrencyCode>,
    },
}

impl Scope {
    /// Also those that should not be there, of whatever number.
    pub const ALL: Self = Self::Accounts(i64::MIN..=i64::MAX);

    /// What a run over it is remembered as: one over a part must not be taken for one over all. Parts may be looked at
    /// at once, all of it only by one.
    pub(super) fn job(&self, whole: &'static str, part: &'static str) -> (&'static str, Overlap) {
        if self.is_whole() {
            (whole, Overlap::Refused)
        } else {
            (part, Overlap::Allowed)
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Accounts(range) if *range == (i64::MIN..=i64::MAX))
    }
}

#[derive(Clone, Debug)]
pub struct Verify {
    pub scope: Scope,
    pub depth: Depth,
    pub fix: bool,
    pub max_fixes: Option<u64>,
    pub max_delta: Option<Ceiling>,
    pub backup: bool,
    /// A file of anchors to hold the ledger against, and to add today's to.
    pub anchor: Option<PathBuf>,
}

/// One account that is not as it should be.
#[derive(Clone, Debug)]
pub struct Finding {
    pub id: AccountId,
    /// `None` for a balance row or entries that belong to no account.
    pub account: Option<Account>,
    pub drifts: Vec<Drift>,
    /// The first entry that does not follow from the one before.
    pub broken: Option<ChainBreak>,
    /// Entries that belong to no account.
    pub orphaned: bool,
    /// What `--deep` has found.
    pub issues: Vec<Issue>,
    pub fixed: bool,
    /// Why it could not be read or repaired, where that has to do with this account alone.
    pub obstacle: Option<Obstacle>,
}

impl Finding {
    /// Of which nothing wrong is known yet.
    pub(super) const fn new(id: AccountId, account: Option<Account>) -> Self {
        Self {
            id,
            account,
            drifts: Vec::new(),
            broken: None,
            orphaned: false,
            issues: Vec::new(),
            fixed: false,
            obstacle: None,
        }
    }

    /// Whether something cannot be trusted that no recomputation helps: the entries, or what stands beside them.
    pub fn is_integrity(&self) -> bool {
        self.broken.is_some() || self.orphaned || !self.issues.is_empty() || self.unreadable().is_some()
    }

    /// What is stored of the account and cannot be what it stands for.
    pub fn unreadable(&self) -> Option<&Obstacle> {
        self.obstacle.as_ref().filter(|met| met.code == Code::Integrity)
    }

    /// Whether it is not even known if something is wrong.
    fn is_unknown(&self) -> bool {
        self.obstacle.is_some() && self.drifts.is_empty() && !self.is_integrity()
    }

    /// Whether the balance row alone is wrong, so far as it goes.
    fn is_repairable(&self) -> bool {
        // What contradicts an anchor would be adopted by a repair.
        let extends = self.issues.iter().all(|issue| issue.table != ANCHOR);
        let readable = self.obstacle.is_none();
        !self.drifts.is_empty() && self.broken.is_none() && !self.orphaned && readable && extends
    }

    /// Notes what became of a repair; one that failed for this account's sake stops no other.
    pub(super) fn tried(&mut self, repaired: Result<Repair, LedgerError>) -> Result<(), LedgerError> {
        match repaired {
            // Written meanwhile by a charge or another repair: right again, and proven under the lock.
            Ok(Repair::Unneeded) => self.fixed = self.broken.is_none(),
            Ok(Repair::Done(drifts)) => {
                self.drifts = drifts;
                self.broken = None;
                self.fixed = true;
            }
            Ok(Repair::Broken(broken)) => self.broken = Some(broken),
            Err(error) => self.hindered(error)?,
        }
        Ok(())
    }

    /// Keeps an error that is this account's alone.
    fn hindered(&mut self, error: LedgerError) -> Result<(), LedgerError> {
        if !error.concerns_one_account() {
            return Err(error);
        }
        self.fixed = false;
        self.obstacle = Some(error.into());
        Ok(())
    }

    pub(super) fn needs_attention(&self) -> bool {
        !self.fixed || !self.issues.is_empty()
    }
}

#[derive(Clone, Debug)]
pub struct Report {
    pub run_id: String,
    pub checked: u64,
    pub in_sync: u64,
    pub fixed: u64,
    pub needs_attention: u64,
    pub entries: u64,
    /// How many of them were summed: those after each account's last proof, or all.
    pub summed: u64,
    pub findings: Vec<Finding>,
    /// What could not be looked at: on a server of a cluster that is away.
    pub unseen: Vec<Account>,
    /// `None` where an account was not seen.
    pub digest: Option<ChainHash>,
    pub backup: Option<PathBuf>,
    pub anchored: Option<Anchored>,
    /// What has kept it from all repairs, or from adding its anchor.
    pub stopped: Option<Obstacle>,
}

impl Report {
    pub fn exit(&self) -> Exit {
        let left = |finding: &&Finding| finding.needs_attention();
        if self.findings.iter().any(Finding::is_integrity) {
            Exit::Integrity
        } else if let Some(stopped) = &self.stopped {
            stopped.code.exit()
        } else if self.findings.iter().filter(left).any(|finding| !finding.is_unknown()) {
            Exit::No
        } else if self.needs_attention > 0 {
            Exit::Partly
        } else if !self.unseen.is_empty() {
            Code::Unreachable.exit()
        } else {
            Exit::Done
        }
    }

    /// Puts an issue beside what else is found of its account.
    fn note(&mut self, account: Option<Account>, issue: Issue) {
        let id = account.as_ref().map_or(AccountId::NONE, |account| account.id);
        if let Some(finding) = self.findings.iter_mut().find(|finding| finding.id == id) {
            finding.issues.push(issue);
            return;
        }
        let mut finding = Finding::new(id, account);
        finding.issues.push(issue);
        self.findings.push(finding);
    }

    /// Counts what was mended and what is left.
    pub(super) fn count(&mut self) {
        let count = |of: fn(&Finding) -> bool| self.findings.iter().filter(|finding| of(finding)).count() as u64;
        (self.fixed, self.needs_attention) = (count(|finding| finding.fixed), count(Finding::needs_attention));
    }

    pub(super) fn record(&self) -> RunRecord {
        let mut counts = json!({
            "checked": self.checked,
            "in_sync": self.in_sync,
            "fixed": self.fixed,
            "needs_attention": self.needs_attention,
            "entries": self.entries,
            "summed": self.summed,
            "unseen": self.unseen.len(),
        });
        if let Some(stopped) = &self.stopped {
            counts["error"] = stopped.message.as_str().into();
        }
        RunRecord {
            counts,
            digest: self.digest.map(|digest| digest.to_string()),
            exit: self.exit(),
        }
    }
}

/// How many of the accounts that were checked are as they should be: what belongs to none is not among them.
pub(super) fn in_sync(checked: u64, findings: &[Finding]) -> u64 {
    let wrong = findings.iter().filter(|finding| finding.account.is_some()).count();
    checked.saturating_sub(wrong as u64)
}

pub fn verify(ledger: &mut Ledger, request: &Verify, progress: &dyn Progress) -> Result<Report, LedgerError> {
    let (job, overlap) = request.scope.job(JOB, PART);
    job::run(ledger, job, overlap, |ledger, run| {
        let anchors = request.anchor.as_deref().map(Anchors::open).transpose()?;
        let (mut report, positions) = look(ledger, run, request, anchors.as_ref(), progress)?;
        let mended = if request.fix {
            mend(ledger, run, request, &mut report)
        } else {
            Ok(())
        };
        report.count();
        let pass = Pass {
            scope: &request.scope,
            unseen: &report.unseen,
            deep: request.depth == Depth::Deep,
            anchored: anchors.as_ref().and_then(Anchors::oldest),
        };
        // Whatever has ended the repair, what is still wrong is told.
        let told = verify_alerts::tell(ledger, &pass, &report.findings);
        mended?;
        told?;
        if let Some(anchors) = &anchors {
            add_anchor(ledger, anchors, positions, &mut report);
        }
        let record = report.record();
        Ok((report, record))
    })
}

/// What is wrong, and where every account stands, if that is wanted.
fn look(
    ledger: &mut Ledger,
    run: &mut Run,
    request: &Verify,
    anchors: Option<&Anchors>,
    progress: &dyn Progress,
) -> Result<(Report, Vec<Position>), LedgerError> {
    let extent = Extent {
        scope: &request.scope,
        depth: request.depth,
        positions: anchors.is_some(),
    };
    let scan = scan(ledger, run, extent, progress)?;
    let positions = scan.positions.unwrap_or_default();
    let mut report = Report {
        run_id: run.id.clone(),
        checked: scan.checked,
        in_sync: 0,
        fixed: 0,
        needs_attention: 0,
        entries: scan.entries,
        summed: scan.summed,
        findings: scan.findings,
        digest: scan.unseen.is_empty().then(|| scan.digest.finish()),
        unseen: scan.unseen,
        backup: None,
        anchored: None,
        stopped: None,
    };
    if let Some(anchors) = anchors {
        for (account, issue) in anchors.check(ledger)? {
            report.note(account, issue);
        }
    }
    report.in_sync = in_sync(report.checked, &report.findings);
    if request.depth != Depth::Deep {
        locate_breaks(ledger, &mut report.findings)?;
    }
    Ok((report, positions))
}

/// Adds today's anchor, unless the ledger cannot be trusted.
fn add_anchor(ledger: &Ledger, anchors: &Anchors, positions: Vec<Position>, report: &mut Report) {
    let sound = report.findings.iter().all(|finding| !finding.is_integrity());
    let added = report.digest.filter(|_| sound).map(|digest| {
        let now = ledger.now().to_string();
        anchors.append(now, (digest, report.entries), positions)
    });
    report.anchored = Some(anchors.outcome(matches!(added, Some(Ok(())))));
    if let Some(Err(error)) = added {
        report.stopped = Some(error.into());
    }
}

/// Repairs the balance rows that can be, within the limits, and proves it.
fn mend(ledger: &mut Ledger, run: &mut Run, request: &Verify, report: &mut Report) -> Result<(), LedgerError> {
    if !report.findings.iter().any(Finding::is_repairable) {
        return Ok(());
    }
    if let Err(error) = prepare(ledger, run, request, report) {
        report.stopped = Some(error.into());
        return Ok(());
    }
    for finding in report.findings.iter_mut().filter(|finding| finding.is_repairable()) {
        interrupt::check()?;
        run.keep(ledger)?;
        finding.tried(repair::repair(ledger, finding.id, "verify-sync --fix", &run.id))?;
    }
    prove(ledger, &mut report.findings)?;
    Ok(())
}

/// What has to be before the first repair.
fn prepare(ledger: &mut Ledger, run: &Run, request: &Verify, report: &mut Report) -> Result<(), LedgerError> {
    hold_back(request, &report.findings)?;
    if request.backup {
        report.backup = ledger.db.backup(&format!("before-fix-{}", run.id))?;
    }
    Ok(())
}

/// Nothing is written when the damage is larger than the caller allows.
fn hold_back(request: &Verify, findings: &[Finding]) -> Result<(), LedgerError> {
    let repairable = || findings.iter().filter(|finding| finding.is_repairable());
    if let Some(limit) = request.max_fixes {
        let wanted = repairable().count() as u64;
        if wanted > limit {
            return Err(LedgerError::RepairLimit(format!(
                "{wanted} accounts would have to be fixed, --max-fixes allows {limit}"
            )));
        }
    }
    let Some(limit) = &request.max_delta else { return Ok(()) };
    for finding in repairable() {
        let largest = finding.drifts.iter().map(Drift::money).max().unwrap_or(0);
        // Of a row of no account nobody knows what it counts.
        let account = finding.account.as_ref();
        let allowed = account.map_or(largest == 0, |account| limit.allows(largest, &account.currency));
        if !allowed {
            let who = finding
                .account
                .as_ref()
                .map_or_else(|| finding.id.to_string(), |a| a.user_id.to_string());
            return Err(LedgerError::RepairLimit(format!(
                "user {who} differs by more than --max-delta {limit}"
            )));
        }
    }
    Ok(())
}

/// Looks at each repaired account again, from the database.
fn prove(ledger: &mut Ledger, findings: &mut [Finding]) -> Result<(), LedgerError> {
    for finding in findings.iter_mut().filter(|finding| finding.fixed) {
        let id = finding.id.get();
        match read(&mut ledger.db, |db| read_page(db, id, id, Depth::Whole)) {
            Ok(page) => finding.fixed = page.findings.is_empty(),
            Err(error) => finding.hindered(error)?,
        }
    }
    Ok(())
}

/// Folds the entries of each account that differs, to tell damage of the row from damage of the journal.
pub(super) fn locate_breaks(ledger: &mut Ledger, findings: &mut [Finding]) -> Result<(), LedgerError> {
    for finding in findings {
        interrupt::check()?;
        if let Some(account) = &finding.account {
            match read(&mut ledger.db, |db| repair::refold(db, account)) {
                Ok(folded) => finding.broken = folded.err().or(finding.broken),
                Err(error) => finding.hindered(error)?,
            }
        }
    }
    Ok(())
}
