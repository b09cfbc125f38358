//! `rebuild`: every balance row recomputed from scratch, entry by entry.
//!
//! Entries are never touched, nor is what an account was set to: locks, limits and thresholds are no part of the row.

use std::collections::HashSet;

use super::error::LedgerError;
use super::job;
use super::progress::Progress;
use super::repair::{Repair, repair};
use super::scan::{Extent, scan};
use super::verify::{Finding, Report, Scope};
use super::verify_alerts::Pass;
use super::{Ledger, interrupt, verify_alerts};
use crate::db::accounts;
use crate::domain::account::AccountId;

pub const JOB: &str = "rebuild";

/// Folds the entries of every account in scope and writes each row that differs; also missing and extra ones.
pub fn rebuild(
    ledger: &mut Ledger,
    scope: &Scope,
    backup: bool,
    progress: &dyn Progress,
) -> Result<Report, LedgerError> {
    // A verify may run beside it: each repair looks again under its account's lock.
    job::run(ledger, JOB, scope.overlap(), |ledger, run| {
        let before = scan(ledger, run, Extent::whole(scope), &super::progress::Unwatched)?;
        let mut findings = before.findings;
        let away: HashSet<AccountId> = before.unseen.iter().map(|account| account.id).collect();
        let copy = if backup && !findings.is_empty() {
            ledger.db.backup(&format!("before-rebuild-{}", run.id))?
        } else {
            None
        };
        let mut ids = ids_in_scope(ledger, scope)?;
        ids.retain(|id| !away.contains(id));
        progress.begin(ids.len() as u64);
        for id in ids.into_iter().chain(strays(&findings)) {
            interrupt::check()?;
            run.keep(ledger)?;
            let repair = repair(ledger, id, "rebuild", &run.id)?;
            note(ledger, &mut findings, id, repair)?;
            progress.advance(1);
        }
        progress.finish();
        let after = scan(ledger, run, Extent::whole(scope), &super::progress::Unwatched)?;
        let fixed = findings.iter().filter(|finding| finding.fixed).count() as u64;
        let report = Report {
            run_id: run.id.clone(),
            checked: after.checked,
            in_sync: before.checked - findings.iter().filter(|f| f.account.is_some()).count() as u64,
            fixed,
            needs_attention: findings.len() as u64 - fixed,
            entries: after.entries,
            summed: after.summed,
            findings,
            digest: after.unseen.is_empty().then(|| after.digest.finish()),
            unseen: after.unseen,
            backup: copy,
            anchored: None,
        };
        verify_alerts::tell(ledger, &Pass::of_sums(scope, &report.unseen), &report.findings)?;
        let record = report.record();
        Ok((report, record))
    })
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
        let page = accounts::accounts_page(&mut ledger.db, after, PAGE)?;
        let found = ids.len();
        let page = page.into_iter().map(|listed| listed.account.id);
        ids.extend(page.take_while(|id| range.contains(&id.get())));
        if ids.len() == found {
            return Ok(ids);
        }
    }
}

/// Balance rows that belong to no account.
fn strays(findings: &[Finding]) -> Vec<AccountId> {
    findings
        .iter()
        .filter(|f| f.account.is_none() && !f.orphaned)
        .map(|f| f.id)
        .collect()
}

/// Puts what became of an account beside what the sums had shown; folding finds damage that sums cannot.
fn note(ledger: &mut Ledger, findings: &mut Vec<Finding>, id: AccountId, repair: Repair) -> Result<(), LedgerError> {
    let known = findings.iter().position(|finding| finding.id == id);
    let finding = match (known, &repair) {
        (Some(at), _) => &mut findings[at],
        (None, Repair::Unneeded) => return Ok(()),
        (None, Repair::Done(_) | Repair::Broken(_)) => {
            let account = accounts::account_by_id(&mut ledger.db, id)?.map(|listed| listed.account);
            findings.push(Finding {
                id,
                account,
                drifts: Vec::new(),
                broken: None,
                orphaned: false,
                issues: Vec::new(),
                fixed: false,
            });
            let last = findings.len() - 1;
            &mut findings[last]
        }
    };
    match repair {
        Repair::Unneeded => finding.fixed = finding.broken.is_none(),
        Repair::Done(drifts) => {
            finding.drifts = drifts;
            finding.broken = None;
            finding.fixed = true;
        }
        Repair::Broken(broken) => finding.broken = Some(broken),
    }
    Ok(())
}
