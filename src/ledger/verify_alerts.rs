//! What `verify-sync` and `rebuild` leave for a person: alerts of each account that is not as it should be.

use super::Ledger;
use super::alert::{ByHand, Cause, reconcile_where};
use super::anchor::ANCHOR;
use super::deep::Issue;
use super::error::LedgerError;
use super::repair::{self, ChainBreak};
use super::verify::{Finding, Scope};
use crate::db::DbError;
use crate::db::accounts;
use crate::db::unit_of_work::read;
use crate::domain::account::{Account, AccountId};
use crate::domain::alert::{Alert, Severity};
use crate::domain::balance::Break;
use crate::domain::time::Timestamp;

const FAMILY: &str = "verify:";
const DRIFT: &str = "verify:drift";
const BROKEN: &str = "verify:broken";
/// What nothing but `--deep` sees.
pub(super) const DEEP: &str = "verify:deep";
/// What nothing but an anchor shows.
pub(super) const ANCHORED: &str = "verify:anchor";

/// What a pass has looked at, and how closely.
pub(super) struct Pass<'a> {
    pub(super) scope: &'a Scope,
    pub(super) unseen: &'a [Account],
    pub(super) deep: bool,
    /// When the first of the anchors was made that the ledger was held against.
    pub(super) anchored: Option<Timestamp>,
}

impl<'a> Pass<'a> {
    /// One that has summed the entries.
    pub(super) const fn of_sums(scope: &'a Scope, unseen: &'a [Account]) -> Self {
        Self {
            scope,
            unseen,
            deep: false,
            anchored: None,
        }
    }

    /// Whether what the alert tells is gone, as the pass does not find it.
    fn proves_gone(&self, ledger: &mut Ledger, alert: &Alert, of_user: &[AccountId]) -> Result<bool, LedgerError> {
        let id = alert.account.unwrap_or(AccountId::NONE);
        let in_scope = match self.scope {
            Scope::Accounts(range) => range.contains(&id.get()),
            Scope::User { .. } => of_user.contains(&id),
        };
        if !in_scope || self.unseen.iter().any(|account| account.id == id) {
            return Ok(false);
        }
        match alert.cause.as_str() {
            BROKEN => is_sound(ledger, id),
            DEEP => Ok(self.deep),
            // Another file, begun since, says nothing of what an older one has shown.
            ANCHORED => Ok(self.anchored.is_some_and(|oldest| oldest <= alert.first_seen)),
            _ => Ok(true),
        }
    }
}

/// Opens alerts for what is still wrong, and closes those of the accounts that were seen and are right again.
pub(super) fn tell(ledger: &mut Ledger, pass: &Pass<'_>, findings: &[Finding]) -> Result<(), LedgerError> {
    let wrong = findings.iter().filter(|finding| finding.needs_attention());
    let causes: Vec<Cause> = wrong.flat_map(causes).collect();
    let of_user: Vec<AccountId> = match pass.scope {
        Scope::Accounts(_) => Vec::new(),
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            found.into_iter().map(|listed| listed.account.id).collect()
        }
    };
    reconcile_where(ledger, FAMILY, &causes, ByHand::No, |ledger, alert| {
        pass.proves_gone(ledger, alert, &of_user)
    })?;
    Ok(())
}

/// What is wrong with an account, by what can see that it is right again.
fn causes(finding: &Finding) -> Vec<Cause> {
    // Entries that were cut off the end are missed by what names them; what is left of the chain is sound.
    let broken = finding.broken.filter(|broken| broken.reason != Break::Cut);
    let (anchored, deep): (Vec<&Issue>, Vec<&Issue>) = finding
        .issues
        .iter()
        .filter(|issue| !broken.is_some_and(|broken| is_about(issue, broken)))
        .partition(|issue| issue.table == ANCHOR);
    let mut causes = Vec::new();
    let mut add = |name: &str, severity, what: &str| {
        causes.push(Cause {
            account: Some(finding.id),
            name: name.into(),
            severity,
            message: format!("{what}{}", whose(finding)),
        });
    };
    if let Some(broken) = broken {
        let what = format!("entry {} is broken: {}", broken.seq, broken.reason.meaning());
        add(BROKEN, Severity::Critical, &what);
    } else if let Some(met) = finding.unreadable() {
        add(BROKEN, Severity::Critical, &met.message);
    } else if finding.orphaned {
        add(BROKEN, Severity::Critical, "there are entries");
    } else if !finding.drifts.is_empty() && !finding.fixed {
        let what = "the balance row is not what the entries come to";
        add(DRIFT, Severity::Warning, what);
    }
    for (name, issues) in [(DEEP, deep), (ANCHORED, anchored)] {
        if let Some(first) = issues.first() {
            add(name, Severity::Critical, &told(first, issues.len()));
        }
    }
    causes
}

/// Whether the issue says what was done where the chain breaks, which the alert of the break tells.
fn is_about(issue: &Issue, broken: ChainBreak) -> bool {
    issue.table == "entries" && issue.record == broken.seq.to_string()
}

/// The first of some issues, and how many more there are.
fn told(first: &Issue, count: usize) -> String {
    let record = match first.record.as_str() {
        "" => String::new(),
        record => format!(" {record}"),
    };
    let more = match count {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!("{}{record}: {}{more}", first.table, first.what)
}

fn whose(finding: &Finding) -> String {
    match &finding.account {
        Some(account) => format!(": user {} in {}", account.user_id, account.currency.code()),
        // Of an account that an anchor names and that is gone, the issue says whose it was.
        None if finding.id == AccountId::NONE => String::new(),
        None => format!(": account {}, which does not exist", finding.id),
    }
}

/// A chain that was broken is only right again when every entry has been looked at; sums do not prove it.
fn is_sound(ledger: &mut Ledger, id: AccountId) -> Result<bool, LedgerError> {
    let account = match accounts::account_by_id(&mut ledger.db, id) {
        Err(DbError::Integrity(_)) => return Ok(false),
        found => found?,
    };
    match account {
        Some(listed) => match read(&mut ledger.db, |db| repair::refold(db, &listed.account)) {
            Err(error) if error.concerns_one_account() => Ok(false),
            folded => Ok(folded?.is_ok()),
        },
        None => Ok(true),
    }
}
