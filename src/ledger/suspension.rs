//! Suspensions: stopping an account, letting it go on, and the log of both.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Ledger;
use super::account::{chosen, find, owned};
use super::act::act;
use super::error::LedgerError;
use super::outbox;
use crate::db::numbers::{Numbered, next_number};
use crate::db::suspensions::{self, SuspensionFilter};
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError, accounts, snapshot};
use crate::domain::account::Account;
use crate::domain::balance::Figures;
use crate::domain::currency::CurrencyCode;
use crate::domain::event::Event;
use crate::domain::money::Minor;
use crate::domain::refusal::Refusal;
use crate::domain::suspension::{Suspension, Unpaid};
use crate::domain::text::{Actor, Description, UserId};
use crate::domain::time::Timestamp;

/// A suspension and whose it is.
#[derive(Clone, Debug)]
pub struct SuspensionView {
    pub account: Account,
    pub suspension: Suspension,
}

#[derive(Clone, Debug)]
pub enum Suspended {
    Done(SuspensionView),
    /// It was so before; nothing was written.
    Already(SuspensionView),
    Refused(Refusal),
}

#[derive(Clone, Debug)]
pub enum Resumed {
    Done(SuspensionView),
    NotSuspended(Account),
}

/// Why and by whom an account is stopped.
struct Cause<'a> {
    reason: Description,
    balance: Minor,
    required: Option<Minor>,
    by: &'a Actor,
    at: Timestamp,
}

/// Opens a suspension of an account that has none, under its lock; the account with it.
fn open(db: &mut Db, account: &Account, cause: Cause<'_>) -> Result<(Account, Suspension), DbError> {
    let suspension = Suspension {
        account: account.id,
        number: next_number(db, Numbered::Suspensions, account.id)?,
        reason: cause.reason,
        suspended_at: cause.at,
        suspended_by: cause.by.clone(),
        balance: cause.balance,
        required: cause.required,
        resumed_at: None,
        resumed_by: None,
    };
    suspensions::suspension_insert(db, &suspension)?;
    let suspended = Account {
        suspension: Some(suspension.number),
        ..account.clone()
    };
    accounts::settings_update(db, &suspended)?;
    let event = Event::suspended(&account.currency, &suspension);
    outbox::tell(db, account.id, &[event], suspension.suspended_at)?;
    Ok((suspended, suspension))
}

/// The suspension that a charge asked for which could not be paid.
pub(super) fn open_unpaid(
    db: &mut Db,
    account: &Account,
    unpaid: Unpaid,
    by: &Actor,
    at: Timestamp,
) -> Result<Suspension, DbError> {
    let cause = Cause {
        reason: unpaid.reason,
        balance: unpaid.balance,
        required: Some(unpaid.required),
        by,
        at,
    };
    open(db, account, cause).map(|(_, suspension)| suspension)
}

/// Ends the active suspension of that number, under the account's lock; the account without it.
pub(super) fn end(
    db: &mut Db,
    account: &Account,
    number: i64,
    by: &Actor,
    at: Timestamp,
) -> Result<(Account, Suspension), DbError> {
    let gone = || DbError::Integrity(format!("suspension {number} of account {} has disappeared", account.id));
    if !suspensions::suspension_end(db, account.id, number, at, by)? {
        return Err(gone());
    }
    let resumed = Account {
        suspension: None,
        ..account.clone()
    };
    accounts::settings_update(db, &resumed)?;
    let suspension = suspensions::suspension_find(db, account.id, number)?.ok_or_else(gone)?;
    outbox::tell(db, account.id, &[Event::resumed(&suspension)], at)?;
    Ok((resumed, suspension))
}

/// The active suspension of an account.
pub(super) fn active(db: &mut Db, account: &Account) -> Result<Option<Suspension>, DbError> {
    match account.suspension {
        Some(number) => suspensions::suspension_find(db, account.id, number),
        None => Ok(None),
    }
}

/// Suspends by hand; only a person resumes it then.
pub fn suspend(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    reason: &Description,
) -> Result<Suspended, LedgerError> {
    let id = find(ledger, user_id, currency)?.id;
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "suspend", |db| {
        let located = snapshot::locked(db, id)?;
        let account = Arc::unwrap_or_clone(located.account);
        if account.closed {
            return Ok(Suspended::Refused(Refusal::AccountClosed));
        }
        if let Some(suspension) = active(db, &account)? {
            return Ok(Suspended::Already(SuspensionView { account, suspension }));
        }
        let Figures { balance, .. } = located.state.figures;
        let cause = Cause {
            reason: reason.clone(),
            balance,
            required: None,
            by: &actor,
            at,
        };
        let (account, suspension) = open(db, &account, cause)?;
        record(db, "suspend", &suspension, (&actor, at))?;
        Ok(Suspended::Done(SuspensionView { account, suspension }))
    })
}

/// Lets an account go on, whatever it was suspended for.
pub fn resume(ledger: &mut Ledger, user_id: &UserId, currency: &CurrencyCode) -> Result<Resumed, LedgerError> {
    let id = find(ledger, user_id, currency)?.id;
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "resume", |db| {
        let located = snapshot::locked(db, id)?;
        let account = Arc::unwrap_or_clone(located.account);
        let Some(number) = account.suspension else {
            return Ok(Resumed::NotSuspended(account));
        };
        let (account, suspension) = end(db, &account, number, &actor, at)?;
        record(db, "resume", &suspension, (&actor, at))?;
        Ok(Resumed::Done(SuspensionView { account, suspension }))
    })
}

fn record(db: &mut Db, command: &str, suspension: &Suspension, by: (&Actor, Timestamp)) -> Result<(), LedgerError> {
    let state = |suspended: bool| -> Value {
        json!({"suspended": suspended, "suspension": suspension.number, "reason": suspension.reason.as_str()})
    };
    let suspended = suspension.resumed_at.is_none();
    act(suspension.account, command, by)
        .before(state(!suspended))
        .after(state(suspended))
        .record(db)
}

/// Which suspensions a list shows.
#[derive(Clone, Debug)]
pub struct SuspensionQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub active: bool,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &SuspensionQuery) -> Result<Vec<SuspensionView>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = SuspensionFilter {
        account,
        active: query.active,
        limit: query.limit,
    };
    let found = suspensions::suspensions_list(&mut ledger.db, &filter)?;
    let found = owned(ledger, found, |suspension| suspension.account)?;
    Ok(found
        .map(|(account, suspension)| SuspensionView { account, suspension })
        .collect())
}
