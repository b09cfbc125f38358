//! `rebuild`: every balance row recomputed from scratch, entry by entry.
//!
//! Entries are never touched, nor is what an account was set to: locks, limits and thresholds are no part of the row.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::{LedgerError, Obstacle};
use super::job::{self, Run};
use super::progress::Progress;
use super::repair::{Repair, repair};
use super::scan::{Extent, scan};
use super::verify::{Finding, Report, Scope, in_sync, locate_breaks};
use super::verify_alerts::Pass;
use super::{Ledger, interrupt, verify_alerts};
use crate::db::accounts;
use crate::domain::account::{Account, AccountId};

const JOB: &str = "rebuild";
const PART: &str = "rebuild-part";

/// Folds the entries of every account in scope and writes each row that differs; also missing and extra ones.
pub fn rebuild(
    ledger: &mut Ledger,
    scope: &Scope,
    backup: bool,
    progress: &dyn Progress,
) -> Result<Report, LedgerError> {
    // A verify may run beside it: each repair looks again under its account's lock.
    let (job, overlap) = scope.job(JOB, PART);
    job::run(ledger, job, overlap, |ledger, run| {
        let before = scan(ledger, run, Extent::whole(scope), &super::progress::Unwatched)?;
        let mut findings = before.findings;
        let mended = mend(ledger, run, (scope, backup), (&mut findings, &before.unseen), progress);
        // Whatever has ended it, what is still wrong is told.
        let told = verify_alerts::tell(ledger, &Pass::of_sums(scope, &before.unseen), &findings);
        let (copy, stopped) = match mended? {
            Ok(copy) => (copy, None),
            Err(obstacle) => (None, Some(obstacle)),
        };
        told?;
        let after = scan(ledger, run, Extent::whole(scope), &super::progress::Unwatched)?;
        let mut report = Report {
            run_id: run.id.clone(),
            checked: after.checked,
            in_sync: in_sync(before.checked, &findings),
            fixed: 0,
            needs_attention: 0,
            entries: after.entries,
            summed: after.summed,
            findings,
            digest: after.unseen.is_empty().then(|| after.digest.finish()),
            unseen: after.unseen,
            backup: copy,
            anchored: None,
            stopped,
        };
        report.count();
        let mut record = report.record();
        // The digest of some accounts is not the ledger's.
        record.digest = record.digest.filter(|_| scope.is_whole());
        Ok((report, record))
    })
}

/// Recomputes every row in scope. The copy that was made before; or why there is none, and nothing was written.
fn mend(
    ledger: &mut Ledger,
    run: &mut Run,
    (scope, backup): (&Scope, bool),
    (findings, unseen): (&mut Vec<Finding>, &[Account]),
    progress: &dyn Progress,
) -> Result<Result<Option<PathBuf>, Obstacle>, LedgerError> {
    let mut copy = None;
    if backup && !findings.is_empty() {
        match ledger.db.backup(&format!("before-rebuild-{}", run.id)) {
            Ok(made) => copy = made,
            Err(error) => {
                locate_breaks(ledger, findings)?;
                return Ok(Err(LedgerError::from(error).into()));
            }
        }
    }
    let away: HashSet<AccountId> = unseen.iter().map(|account| account.id).collect();
    let mut ids = ids_in_scope(ledger, scope)?;
    ids.retain(|id| !away.contains(id));
    progress.begin(ids.len() as u64);
    for id in ids.into_iter().chain(strays(findings)) {
        interrupt::check()?;
        run.keep(ledger)?;
        let repaired = repair(ledger, id, "rebuild", &run.id);
        note(ledger, findings, id, repaired)?;
        progress.advance(1);
    }
    progress.finish();
    Ok(Ok(copy))
}

fn ids_in_scope(ledger: &mut Ledger, scope: &Scope) -> Result<Vec<AccountId>, LedgerError> {
    const PAGE: i64 = 10_000;
    let range = match scope {
        Scope::Accounts(range) => range,
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            return Ok(found.into_iter().map(|listed| listed.account.id).collect());
        }
    };
    let mut ids: Vec<AccountId> = Vec::new();
    loop {
        let after = ids.last().map_or(range.start().saturating_sub(1), |id| id.get());
        let page = accounts::account_ids_page(&mut ledger.db, after, PAGE)?;
        let found = ids.len();
        ids.extend(page.into_iter().take_while(|id| range.contains(&id.get())));
        if ids.len() == found {
            return Ok(ids);
        }
    }
}

/// Balance rows that belong to no account.
fn strays(findings: &[Finding]) -> Vec<AccountId> {
    findings
        .iter()
        .filter(|f| f.account.is_none() && !f.is_integrity())
        .map(|f| f.id)
        .collect()
}

/// Puts what became of an account beside what the sums had shown; folding finds damage that sums cannot.
fn note(
    ledger: &mut Ledger,
    findings: &mut Vec<Finding>,
    id: AccountId,
    repaired: Result<Repair, LedgerError>,
) -> Result<(), LedgerError> {
    if let Some(known) = findings.iter_mut().find(|finding| finding.id == id) {
        return known.tried(repaired);
    }
    if matches!(repaired, Ok(Repair::Unneeded)) {
        return Ok(());
    }
    let account = accounts::account_by_id(&mut ledger.db, id)?.map(|listed| listed.account);
    let mut finding = Finding::new(id, account);
    finding.tried(repaired)?;
    findings.push(finding);
    Ok(())
}
