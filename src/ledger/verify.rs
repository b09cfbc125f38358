//! `verify-sync`: are the balance rows what the entries come to? And with `--fix`, make them so.
//!
//! Accounts are read in pages; a page is one snapshot, so writers are neither blocked nor mistaken for
//! drift. The database sums the entries; only an account that differs is folded entry by entry.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::json;

use super::error::LedgerError;
use super::job::{self, Overlap, Run, RunRecord};
use super::progress::Progress;
use super::repair::{self, ChainBreak, Repair};
use super::{Ledger, interrupt};
use crate::db::balances::{StoredBalance, page_end, stored_balances};
use crate::db::entries::{Last, Summed, entries_last, entries_summed};
use crate::db::unit_of_work::read;
use crate::db::{Db, accounts};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{Break, State};
use crate::domain::chain::{ChainHash, LedgerDigest};
use crate::domain::code::Exit;
use crate::domain::currency::CurrencyCode;
use crate::domain::drift::Drift;
use crate::domain::money::Amount;
use crate::domain::text::UserId;

pub const JOB: &str = "verify-sync";

/// Which accounts are looked at.
#[derive(Clone, Debug)]
pub enum Scope {
    All,
    User {
        user_id: UserId,
        currency: Option<CurrencyCode>,
    },
}

#[derive(Clone, Debug)]
pub struct Verify {
    pub scope: Scope,
    pub fix: bool,
    pub max_fixes: Option<u64>,
    /// Decimal text, read with each account's digits.
    pub max_delta: Option<String>,
    pub backup: bool,
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
    pub fixed: bool,
}

impl Finding {
    /// Whether the entries themselves cannot be trusted, so that no recomputation helps.
    pub const fn is_integrity(&self) -> bool {
        self.broken.is_some() || self.orphaned
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
    pub findings: Vec<Finding>,
    pub digest: ChainHash,
    pub backup: Option<PathBuf>,
}

impl Report {
    pub fn exit(&self) -> Exit {
        if self.findings.iter().any(Finding::is_integrity) {
            Exit::Integrity
        } else if self.needs_attention > 0 {
            Exit::No
        } else {
            Exit::Done
        }
    }

    pub(super) fn record(&self) -> RunRecord {
        let counts = json!({
            "checked": self.checked,
            "in_sync": self.in_sync,
            "fixed": self.fixed,
            "needs_attention": self.needs_attention,
            "entries": self.entries,
        });
        RunRecord {
            counts,
            digest: Some(self.digest.to_string()),
            exit: self.exit(),
        }
    }
}

pub fn verify(ledger: &mut Ledger, request: &Verify, progress: &dyn Progress) -> Result<Report, LedgerError> {
    let overlap = match request.scope {
        Scope::All => Overlap::Refused,
        Scope::User { .. } => Overlap::Allowed,
    };
    job::run(ledger, JOB, overlap, |ledger, run| {
        let report = verify_run(ledger, run, request, progress)?;
        let record = report.record();
        Ok((report, record))
    })
}

fn verify_run(
    ledger: &mut Ledger,
    run: &mut Run,
    request: &Verify,
    progress: &dyn Progress,
) -> Result<Report, LedgerError> {
    let scan = scan(ledger, run, &request.scope, progress)?;
    let mut report = Report {
        run_id: run.id.clone(),
        checked: scan.checked,
        in_sync: scan.checked - scan.findings.len() as u64,
        fixed: 0,
        needs_attention: 0,
        entries: scan.entries,
        findings: scan.findings,
        digest: scan.digest.finish(),
        backup: None,
    };
    locate_breaks(ledger, &mut report.findings)?;
    let repairable = report.findings.iter().filter(|finding| !finding.is_integrity()).count();
    if request.fix && repairable > 0 {
        hold_back(request, &report.findings)?;
        if request.backup {
            report.backup = ledger.db.backup(&format!("before-fix-{}", run.id))?;
        }
        for finding in report.findings.iter_mut().filter(|finding| !finding.is_integrity()) {
            interrupt::check()?;
            run.keep(ledger)?;
            match repair::repair(ledger, finding.id, "verify-sync --fix", &run.id)? {
                // Written meanwhile by a charge or another repair: right again, and proven under the lock.
                Repair::Unneeded => finding.fixed = true,
                Repair::Done(drifts) => {
                    finding.drifts = drifts;
                    finding.fixed = true;
                }
                Repair::Broken(broken) => finding.broken = Some(broken),
            }
        }
        prove(ledger, &mut report.findings)?;
    }
    report.fixed = report.findings.iter().filter(|finding| finding.fixed).count() as u64;
    report.needs_attention = report.findings.len() as u64 - report.fixed;
    Ok(report)
}

/// Nothing is written when the damage is larger than the caller allows.
fn hold_back(request: &Verify, findings: &[Finding]) -> Result<(), LedgerError> {
    let repairable = || findings.iter().filter(|finding| !finding.is_integrity());
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
        let allowed = finding
            .account
            .as_ref()
            .and_then(|a| Amount::parse(limit, &a.currency).ok());
        let allowed = allowed.map_or(0, |amount| amount.minor().magnitude());
        if largest > allowed {
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
        let page = read(&mut ledger.db, |db| read_page(db, id, id))?;
        finding.fixed = page.findings.is_empty();
    }
    Ok(())
}

/// Folds the entries of each account that differs, to tell damage of the row from damage of the journal.
fn locate_breaks(ledger: &mut Ledger, findings: &mut [Finding]) -> Result<(), LedgerError> {
    for finding in findings {
        interrupt::check()?;
        if let Some(account) = &finding.account {
            let broken = read(&mut ledger.db, |db| repair::refold(db, account))?.err();
            finding.broken = broken.or(finding.broken);
        }
    }
    Ok(())
}

pub(super) struct Scan {
    pub(super) checked: u64,
    pub(super) entries: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) digest: LedgerDigest,
}

/// Accounts per snapshot: bounds memory, and how long a writer's log must be kept.
const PAGE: i64 = 20_000;

pub(super) fn scan(
    ledger: &mut Ledger,
    run: &mut Run,
    scope: &Scope,
    progress: &dyn Progress,
) -> Result<Scan, LedgerError> {
    let mut scan = Scan {
        checked: 0,
        entries: 0,
        findings: Vec::new(),
        digest: LedgerDigest::default(),
    };
    match scope {
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            if found.is_empty() {
                return Err(LedgerError::NotFound(format!("user {user_id} has no such account")));
            }
            for listed in found {
                let id = listed.account.id.get();
                scan.add(read(&mut ledger.db, |db| read_page(db, id, id))?);
            }
        }
        Scope::All => {
            progress.begin(accounts::accounts_count(&mut ledger.db)?.unsigned_abs());
            let mut after = i64::MIN;
            loop {
                interrupt::check()?;
                run.keep(ledger)?;
                let end = page_end(&mut ledger.db, after, PAGE)?;
                // The last page has no end: what belongs to no account may have any id.
                let page = read(&mut ledger.db, |db| {
                    read_page(db, after.saturating_add(1), end.unwrap_or(i64::MAX))
                })?;
                progress.advance(page.checked);
                scan.add(page);
                match end {
                    Some(end) => after = end,
                    None => break,
                }
            }
            progress.finish();
        }
    }
    Ok(scan)
}

impl Scan {
    fn add(&mut self, page: Page) {
        self.checked += page.checked;
        self.entries += page.entries;
        self.findings.extend(page.findings);
        for (account, state) in page.heads {
            let currency = account.currency.code().as_str();
            self.digest
                .account(account.user_id.as_str(), currency, state.last_seq, state.chain_head);
        }
    }
}

struct Page {
    checked: u64,
    entries: u64,
    findings: Vec<Finding>,
    heads: Vec<(Account, State)>,
}

/// The accounts with ids in `first..=last`, on the snapshot of the running transaction.
fn read_page(db: &mut Db, first: i64, last: i64) -> Result<Page, LedgerError> {
    let stored = stored_balances(db, first, last)?;
    let mut summed: HashMap<AccountId, Summed> = HashMap::with_capacity(stored.len());
    entries_summed(db, first, last, |sums| -> Result<(), LedgerError> {
        summed.insert(sums.account, sums);
        Ok(())
    })?;
    let lasts: HashMap<AccountId, Last> = entries_last(db, first, last)?.into_iter().collect();
    let mut page = Page {
        checked: 0,
        entries: 0,
        findings: Vec::new(),
        heads: Vec::with_capacity(stored.len()),
    };
    for stored in stored {
        let sums = summed.remove(&stored.id);
        let last = lasts.get(&stored.id);
        page.look_at(stored, sums, last);
    }
    // Whatever is left has entries and no account.
    let mut orphans: Vec<&AccountId> = summed.keys().collect();
    orphans.sort();
    for id in orphans {
        page.findings.push(Finding {
            id: *id,
            account: None,
            drifts: Vec::new(),
            broken: None,
            orphaned: true,
            fixed: false,
        });
    }
    Ok(page)
}

impl Page {
    fn look_at(&mut self, stored: StoredBalance, sums: Option<Summed>, last: Option<&Last>) {
        let mut finding = Finding {
            id: stored.id,
            account: stored.account.clone(),
            drifts: Vec::new(),
            broken: None,
            orphaned: stored.account.is_none() && sums.is_some(),
            fixed: false,
        };
        let Some(account) = stored.account.clone() else {
            finding.drifts = repair::extra(&stored);
            self.findings.push(finding);
            return;
        };
        self.checked += 1;
        let (actual, broken) = actual_state(sums, last);
        self.entries += sums.map_or(0, |sums| sums.entries.unsigned_abs());
        finding.drifts = repair::drifts(&stored, &account, &actual);
        finding.broken = broken;
        if !finding.drifts.is_empty() || finding.broken.is_some() {
            self.findings.push(finding);
        }
        self.heads.push((account, actual));
    }
}

/// The state the entries come to, and what the sums alone already show to be broken.
fn actual_state(sums: Option<Summed>, last: Option<&Last>) -> (State, Option<ChainBreak>) {
    let Some((sums, last)) = sums.zip(last) else {
        return (State::default(), None);
    };
    let state = State {
        figures: sums.figures,
        last_seq: last.seq,
        chain_head: last.hash,
    };
    let broken = if sums.entries != last.seq {
        Some(Break::Sequence)
    } else if sums.figures.standing() != last.after {
        Some(Break::Figures)
    } else {
        None
    };
    (state, broken.map(|reason| ChainBreak { seq: last.seq, reason }))
}
