//! What `verify-sync` and `rebuild` leave for a person: an alert per account that is not as it should be.

use super::Ledger;
use super::alert::{Cause, reconcile_where};
use super::error::LedgerError;
use super::repair;
use super::verify::{Finding, Scope};
use crate::db::accounts;
use crate::db::unit_of_work::read;
use crate::domain::account::{Account, AccountId};
use crate::domain::alert::{Alert, Severity};

const FAMILY: &str = "verify:";
const DRIFT: &str = "verify:drift";
const BROKEN: &str = "verify:broken";

/// Opens alerts for what is still wrong, and closes those of the accounts that were seen and are right again.
pub(super) fn tell(
    ledger: &mut Ledger,
    scope: &Scope,
    findings: &[Finding],
    unseen: &[Account],
) -> Result<(), LedgerError> {
    let causes: Vec<Cause> = findings.iter().filter(|finding| !finding.fixed).map(cause).collect();
    let of_user: Vec<AccountId> = match scope {
        Scope::Accounts(_) => Vec::new(),
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            found.into_iter().map(|listed| listed.account.id).collect()
        }
    };
    reconcile_where(ledger, FAMILY, &causes, |ledger, alert| {
        let in_scope = |id: AccountId| match scope {
            Scope::Accounts(range) => range.contains(&id.get()),
            Scope::User { .. } => of_user.contains(&id),
        };
        let seen = |id: AccountId| unseen.iter().all(|account| account.id != id);
        match alert.account {
            Some(id) if in_scope(id) && seen(id) => is_sound(ledger, id, alert),
            _ => Ok(false),
        }
    })?;
    Ok(())
}

fn cause(finding: &Finding) -> Cause {
    let whose = match &finding.account {
        Some(account) => format!("user {} in {}", account.user_id, account.currency.code()),
        None => format!("account {}, which does not exist", finding.id),
    };
    let (name, severity, what) = match finding.broken {
        Some(broken) => {
            let what = format!("entry {} is broken: {}", broken.seq, broken.reason.meaning());
            (BROKEN, Severity::Critical, what)
        }
        None if finding.orphaned => (BROKEN, Severity::Critical, "there are entries".into()),
        None => (
            DRIFT,
            Severity::Warning,
            "the balance row is not what the entries come to".into(),
        ),
    };
    Cause {
        account: Some(finding.id),
        name: name.into(),
        severity,
        message: format!("{what}: {whose}"),
    }
}

/// A chain that was broken is only right again when every entry has been looked at; sums do not prove it.
fn is_sound(ledger: &mut Ledger, id: AccountId, alert: &Alert) -> Result<bool, LedgerError> {
    if alert.cause != BROKEN {
        return Ok(true);
    }
    match accounts::account_by_id(&mut ledger.db, id)? {
        Some(listed) => Ok(read(&mut ledger.db, |db| repair::refold(db, &listed.account))?.is_ok()),
        None => Ok(true),
    }
}
