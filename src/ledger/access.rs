//! Access that charges have paid for: has somebody got it, and who has got what.

use super::Ledger;
use super::account::{all_of, chosen, owned};
use super::error::LedgerError;
use crate::db::access::{self, GrantFilter};
use crate::domain::access::{AccessGrant, GrantStatus};
use crate::domain::account::Account;
use crate::domain::currency::CurrencyCode;
use crate::domain::text::{Resource, UserId};
use crate::domain::time::Timestamp;

/// A grant, whose it is, and what it is worth at the moment of asking.
#[derive(Clone, Debug)]
pub struct GrantView {
    pub account: Account,
    pub grant: AccessGrant,
    pub status: GrantStatus,
}

/// The answer to whether somebody may.
#[derive(Clone, Debug)]
pub struct Checked {
    pub user_id: UserId,
    pub resource: Resource,
    /// The grant that decides; `None` where there never was one.
    pub grant: Option<GrantView>,
}

impl Checked {
    pub fn allowed(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|view| view.status == GrantStatus::Active)
    }
}

/// Whether one of the user's accounts (in all currencies or one) has paid for the resource, for now.
pub fn check(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: Option<&CurrencyCode>,
    resource: &Resource,
) -> Result<Checked, LedgerError> {
    let now = ledger.now();
    let found = all_of(&mut ledger.db, user_id, currency)?;
    let mut decisive: Option<GrantView> = None;
    for listed in found {
        let Some(grant) = access::grant_best(&mut ledger.db, listed.account.id, resource)? else {
            continue;
        };
        let view = view(listed.account, grant, now);
        let better = |known: &GrantView| known.status != GrantStatus::Active && view.status == GrantStatus::Active;
        if decisive.as_ref().is_none_or(better) {
            decisive = Some(view);
        }
    }
    Ok(Checked {
        user_id: user_id.clone(),
        resource: resource.clone(),
        grant: decisive,
    })
}

fn view(account: Account, grant: AccessGrant, now: Timestamp) -> GrantView {
    GrantView {
        account,
        status: grant.status_at(now),
        grant,
    }
}

/// Which grants a list shows.
#[derive(Clone, Debug)]
pub struct GrantQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub resource: Option<Resource>,
    /// Only what gives access now.
    pub active: bool,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &GrantQuery) -> Result<Vec<GrantView>, LedgerError> {
    let now = ledger.now();
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = GrantFilter {
        account,
        resource: query.resource.as_ref(),
        active_at: query.active.then_some(now),
        limit: query.limit,
    };
    let found = access::grants_list(&mut ledger.db, &filter)?;
    let found = owned(ledger, found, |grant| grant.id.account)?;
    Ok(found.map(|(account, grant)| view(account, grant, now)).collect())
}
