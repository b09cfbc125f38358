//! Recurring charges: agreeing on one, ending it, listing them. [`run`] charges what is due.

pub mod run;

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::Ledger;
use super::account::{chosen, find};
use super::act::act;
use super::error::LedgerError;
use super::job;
use crate::db::numbers::{Numbered, next_number};
pub use crate::db::recurring::RecurringView;
use crate::db::recurring::{self, RecurringFilter};
use crate::db::unit_of_work::write;
use crate::db::{Db, accounts, snapshot};
use crate::domain::account::{Account, AccountId};
use crate::domain::agreed::terms;
use crate::domain::calendar::Schedule;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::Amount;
use crate::domain::purchase::Deactivation;
use crate::domain::recurring::{Due, RecurringCharge, RecurringId, RecurringState};
use crate::domain::refusal::Refusal;
use crate::domain::text::{Actor, Description, IdempotencyKey, Service, UserId};
use crate::domain::time::Timestamp;

/// The acts on one, as they are recorded.
pub const ADD: &str = "recurring add";
pub const CANCEL: &str = "recurring cancel";

/// The job, and whose lease keeps a cancellation out of a run.
pub const JOB: &str = "recurring-run";

/// A recurring charge as it is asked for.
#[derive(Clone, Debug)]
pub struct Add {
    pub user_id: UserId,
    pub currency: Currency,
    pub amount: Amount,
    pub service: Service,
    pub schedule: Schedule,
    /// Whether its day was given, and not made of the day on which it was asked for.
    pub day_is_given: bool,
    /// Days before now are charged too; unless given, the first period is the first that is still to come.
    pub starts_on: Option<NaiveDate>,
    /// Inclusive.
    pub ends_on: Option<NaiveDate>,
    pub note: Note,
    pub key: Option<IdempotencyKey>,
}

#[derive(Clone, Debug)]
pub enum Added {
    Done(RecurringView),
    /// The same key and the same terms: nothing was written.
    Already(RecurringView),
    Refused(Refusal),
}

/// Agrees on a recurring charge; nothing is charged yet.
pub fn add(ledger: &mut Ledger, request: &Add) -> Result<Added, LedgerError> {
    let id = find(ledger, &request.user_id, request.currency.code())?.id;
    let (actor, now) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, ADD, |db| {
        let account = locked(db, id)?;
        // Before anything else is judged: what was agreed may lie in the past by now.
        if let Some(key) = &request.key
            && let Some(known) = recurring::recurring_named(db, id, key)?
        {
            return Ok(known_by(key, known, account, request));
        }
        if account.closed {
            return Ok(Added::Refused(Refusal::AccountClosed));
        }
        let (starts_on, first) = first_period(request, now)?;
        let asked = RecurringCharge {
            id: RecurringId {
                account: id,
                number: next_number(db, Numbered::RecurringCharges, id)?,
            },
            amount: request.amount,
            service: request.service.clone(),
            schedule: request.schedule,
            starts_on,
            ends_on: request.ends_on,
            next: Some(first),
            charged: 0,
            created_at: now,
            created_by: actor.clone(),
            cancelled: None,
            note: request.note.clone(),
            key: request.key.clone(),
        };
        recurring::recurring_insert(db, &asked)?;
        record(db, ADD, (&asked, &account), (&actor, now))?;
        Ok(Added::Done(RecurringView { charge: asked, account }))
    })
}

/// The day it begins and the first period, which there must be.
fn first_period(request: &Add, now: Timestamp) -> Result<(NaiveDate, Due), LedgerError> {
    let invalid = |message: &str| LedgerError::invalid(Code::InvalidInput, message);
    let schedule = &request.schedule;
    let beyond = || invalid("the first period is beyond the calendar");
    let starts_on = match request.starts_on {
        Some(day) => Some(day),
        None => first_to_come(schedule, now),
    };
    let starts_on = starts_on.ok_or_else(beyond)?;
    if request.ends_on.is_some_and(|end| end < starts_on) {
        return Err(invalid("--ends must not be before the beginning"));
    }
    let on = schedule.on_or_after(starts_on).ok_or_else(beyond)?;
    match Due::first(schedule, Some(on), request.ends_on) {
        Some(first) => Ok((starts_on, first)),
        None if request.ends_on.is_some_and(|end| end < on) => Err(invalid(
            "no day is due between --starts and --ends; choose a later --ends",
        )),
        None => Err(beyond()),
    }
}

/// The first due day whose hour has not passed.
fn first_to_come(schedule: &Schedule, now: Timestamp) -> Option<NaiveDate> {
    let first = schedule.on_or_after(schedule.zone.date_at(now)?)?;
    if schedule.due_at(first)? < now {
        schedule.next(first)
    } else {
        Some(first)
    }
}

/// The answer to a key that was used before: the same agreement, or what differs.
fn known_by(key: &IdempotencyKey, known: RecurringCharge, account: Account, asked: &Add) -> Added {
    let (before, schedule) = (&known.schedule, &asked.schedule);
    let differs = [
        ("amount", known.amount != asked.amount),
        ("service", known.service != asked.service),
        ("every", before.every.name() != schedule.every.name()),
        // Day and beginning follow from the moment of the first time where they were not given.
        ("on", asked.day_is_given && before.every != schedule.every),
        ("at", before.minute() != schedule.minute()),
        ("timezone", before.zone != schedule.zone),
        ("starts", asked.starts_on.is_some_and(|day| day != known.starts_on)),
        ("ends", known.ends_on != asked.ends_on),
        ("reference", known.note.reference != asked.note.reference),
        ("description", known.note.description != asked.note.description),
        ("metadata", known.note.metadata != asked.note.metadata),
    ];
    let differs_in: Vec<String> = differs
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| (*field).to_owned())
        .collect();
    if differs_in.is_empty() {
        return Added::Already(RecurringView { charge: known, account });
    }
    Added::Refused(Refusal::IdempotencyConflict {
        key: key.to_string(),
        differs_in,
    })
}

fn locked(db: &mut Db, id: AccountId) -> Result<Account, LedgerError> {
    Ok(Arc::unwrap_or_clone(snapshot::locked(db, id)?.account))
}

#[derive(Clone, Debug)]
pub enum Cancelled {
    Done(RecurringView),
    /// It was cancelled or had ended before; nothing was written.
    Already(RecurringView),
}

/// Ends a recurring charge; what was charged stays. Waits for a run that is at work: after it, nothing is charged.
pub fn cancel(ledger: &mut Ledger, id: RecurringId, reason: &Description) -> Result<Cancelled, LedgerError> {
    job::between_runs(ledger, JOB, |ledger| end(ledger, id, reason))
}

fn end(ledger: &mut Ledger, id: RecurringId, reason: &Description) -> Result<Cancelled, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, CANCEL, |db| {
        let unknown = || LedgerError::NotFound(format!("recurring charge {id} does not exist"));
        let listed = accounts::account_by_id(db, id.account)?.ok_or_else(unknown)?;
        let how = Deactivation {
            at,
            by: actor.clone(),
            why: Some(reason.clone()),
        };
        let done = recurring::recurring_cancel(db, id, &how)?;
        let view = RecurringView {
            charge: recurring::recurring_find(db, id)?.ok_or_else(unknown)?,
            account: listed.account,
        };
        if !done {
            return Ok(Cancelled::Already(view));
        }
        record(db, CANCEL, (&view.charge, &view.account), (&actor, at))?;
        Ok(Cancelled::Done(view))
    })
}

fn record(
    db: &mut Db,
    command: &str,
    (charge, account): (&RecurringCharge, &Account),
    by: (&Actor, Timestamp),
) -> Result<(), LedgerError> {
    let mut after = terms(charge, &account.currency);
    let why = charge.cancelled.as_ref().and_then(|how| how.why.as_ref());
    after.insert("state".into(), charge.state().name().into());
    after.insert("reason".into(), why.map(Description::as_str).into());
    act(charge.id.account, command, by)
        .before(charge.cancelled.is_some().then(|| json!({"state": "active"})))
        .after(Value::Object(after))
        .record(db)
}

/// Which recurring charges a list shows.
#[derive(Clone, Debug)]
pub struct RecurringQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub state: Option<RecurringState>,
    pub limit: i64,
}

/// In order of account and number.
pub fn list(ledger: &mut Ledger, query: &RecurringQuery) -> Result<Vec<RecurringView>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = RecurringFilter {
        account,
        state: query.state,
        limit: query.limit,
    };
    Ok(recurring::recurring_list(&mut ledger.db, &filter)?)
}
