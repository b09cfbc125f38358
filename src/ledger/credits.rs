//! `process-pending-credits`: brings the credits that are due, many accounts in one transaction.
//!
//! A credit on its way is its own record of what was asked, by whom and when, written long before; that is why the
//! job leaves no intent for each. A run that dies loses at most its last transaction, and the next one goes on.

use std::collections::HashMap;

use serde_json::json;

use super::batch::MOST_BUSY;
use super::clock::Stopwatch;
use super::error::LedgerError;
use super::job::{self, Overlap, Run, RunRecord};
use super::outbox::sealed_event;
use super::pace::Pace;
use super::post::{RECONNECTS, sealed};
use super::progress::Progress;
use super::purchase::{PurchaseView, with_accounts};
use super::{Ledger, interrupt};
use crate::db::bulk::{Append, append_many, lock_many};
use crate::db::outbox::{NewEvent, events_insert};
use crate::db::snapshot::Located;
use crate::db::unit_of_work::write;
use crate::db::{DbError, credits};
use crate::domain::account::AccountId;
use crate::domain::code::Exit;
use crate::domain::effects::Verdict;
use crate::domain::entry::Stamp;
use crate::domain::event::Event;
use crate::domain::operation::Operation;
use crate::domain::posting::decide;
use crate::domain::purchase::{INACTIVE_FOR, Purchase, PurchaseId};
use crate::domain::snapshot::{Found, Snapshot, Usage};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

const JOB: &str = "process-pending-credits";

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Processed {
    pub transferred: u64,
    /// Could not be transferred, with the reason; each stays pending.
    pub failed: Vec<(PurchaseId, String)>,
    /// Deactivated while pending, more than a week ago.
    pub inactive: Vec<PurchaseView>,
    /// Accounts that somebody else held for too long.
    busy: usize,
}

impl Processed {
    pub fn exit(&self) -> Exit {
        if self.failed.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}

/// Brings every credit that is due now.
pub fn process(ledger: &mut Ledger, progress: &dyn Progress) -> Result<Processed, LedgerError> {
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let mut done = Processed::default();
        bring_all(ledger, run, &mut done, progress)?;
        done.inactive = inactive(ledger)?;
        let record = RunRecord {
            counts: json!({"transferred": done.transferred, "failed": done.failed.len()}),
            digest: None,
            exit: done.exit(),
        };
        Ok((done, record))
    })
}

/// Most lines that a warning is worth.
const LISTED: i64 = 100;

/// Credits that were deactivated while pending and that nobody has looked at for a week, oldest first.
pub(super) fn inactive(ledger: &mut Ledger) -> Result<Vec<PurchaseView>, LedgerError> {
    let before = ledger.now().after(-INACTIVE_FOR);
    let found = credits::credits_inactive(&mut ledger.db, before, LISTED)?;
    with_accounts(ledger, found)
}

/// Credits that were due at `by` and that no run has brought, in order of account.
pub(super) fn overdue(ledger: &mut Ledger, by: Timestamp) -> Result<Vec<PurchaseView>, LedgerError> {
    let found = credits::credits_due(&mut ledger.db, by, (0, 0), LISTED)?;
    with_accounts(ledger, found)
}

/// Most credits that are held in memory at once.
const LARGEST_PAGE: usize = 20_000;

fn bring_all(
    ledger: &mut Ledger,
    run: &mut Run,
    done: &mut Processed,
    progress: &dyn Progress,
) -> Result<(), LedgerError> {
    let now = ledger.now();
    let mut pace = Pace::new(ledger.db.lock_timeout(), LARGEST_PAGE);
    let mut after = (0, 0);
    progress.begin(credits::credits_due_count(&mut ledger.db, now)?.unsigned_abs());
    loop {
        interrupt::check()?;
        run.keep(ledger)?;
        let due = credits::credits_due_ids(&mut ledger.db, now, after, pace.size())?;
        let Some(last) = due.last() else { break };
        let started = Stopwatch::start();
        bring_or_isolate(ledger, run, &due, now, done)?;
        pace.took(started.elapsed());
        after = (last.account.get(), last.number);
        progress.advance(due.len() as u64);
    }
    progress.finish();
    Ok(())
}

/// Brings credits together; where that fails, account by account, so that one stops no other.
fn bring_or_isolate(
    ledger: &mut Ledger,
    run: &mut Run,
    due: &[PurchaseId],
    now: Timestamp,
    done: &mut Processed,
) -> Result<(), LedgerError> {
    let failure = match bring_through_losses(ledger, due, now) {
        Ok(brought) => {
            done.transferred += brought.transferred;
            done.failed.extend(brought.failed);
            return Ok(());
        }
        // The others would meet the same disk, or wait for the same lock where there is but one.
        Err(error) if ledger.would_befall_all(&error) => return Err(error),
        Err(error) => error,
    };
    let of_one_account = |one: &PurchaseId, other: &PurchaseId| one.account == other.account;
    if due.chunk_by(of_one_account).count() <= 1 {
        done.busy += usize::from(failure.is_busy());
        if done.busy >= MOST_BUSY {
            return Err(failure);
        }
        let reason = failure.to_string();
        done.failed.extend(due.iter().map(|id| (*id, reason.clone())));
        return Ok(());
    }
    for ids in due.chunk_by(of_one_account) {
        // There may be thousands, each with a commit of its own.
        interrupt::check()?;
        run.keep(ledger)?;
        bring_or_isolate(ledger, run, ids, now, done)?;
    }
    Ok(())
}

/// A connection that is lost is replaced a few times; whether it was committed shows by what is still pending.
fn bring_through_losses(ledger: &mut Ledger, due: &[PurchaseId], now: Timestamp) -> Result<Brought, LedgerError> {
    let (Some(first), Some(last)) = (due.first(), due.last()) else {
        return Ok(Brought::default());
    };
    let mut lost = 0;
    loop {
        match bring(ledger, (*first, *last), now) {
            Err(error) if error.is_cut_off() && lost < RECONNECTS => {
                lost += 1;
                interrupt::check()?;
                ledger.db.reconnect()?;
            }
            result => return result,
        }
    }
}

/// What one transaction has brought.
#[derive(Default)]
struct Brought {
    transferred: u64,
    failed: Vec<(PurchaseId, String)>,
    events: Vec<NewEvent>,
}

fn bring(ledger: &mut Ledger, range: (PurchaseId, PurchaseId), now: Timestamp) -> Result<Brought, LedgerError> {
    let actor = ledger.actor.clone();
    write(&mut ledger.db, JOB, |db| {
        // Locked first, read then: what was deactivated meanwhile is not among them any more.
        let accounts = credits::credits_due_accounts(db, now, range)?;
        let mut located: HashMap<AccountId, Result<Located, DbError>> = lock_many(db, &accounts)?.into_iter().collect();
        let mut brought = Brought::default();
        let mut appends: Vec<Append> = Vec::new();
        let mut transferred: Vec<(PurchaseId, i64)> = Vec::new();
        for (account, due) in by_account(credits::credits_due_between(db, now, range)?) {
            match located.remove(&account) {
                // Due since we locked; the next run's.
                None => {}
                Some(Err(damage)) => {
                    let reason = damage.to_string();
                    brought.failed.extend(due.iter().map(|p| (p.id, reason.clone())));
                }
                Some(Ok(located)) => {
                    let append = decide_all(located, due, &actor, now, &mut transferred, &mut brought)?;
                    appends.extend(append);
                }
            }
        }
        append_many(db, &appends)?;
        credits::credits_transferred(db, &transferred, now)?;
        events_insert(db, &std::mem::take(&mut brought.events))?;
        brought.transferred = transferred.len() as u64;
        Ok(brought)
    })
}

fn by_account(due: Vec<Purchase>) -> Vec<(AccountId, Vec<Purchase>)> {
    let mut groups: Vec<(AccountId, Vec<Purchase>)> = Vec::new();
    for purchase in due {
        match groups.last_mut() {
            Some((account, group)) if *account == purchase.id.account => group.push(purchase),
            _ => groups.push((purchase.id.account, vec![purchase])),
        }
    }
    groups
}

/// Judges one account's credits, each on the state that the one before has left.
fn decide_all(
    located: Located,
    due: Vec<Purchase>,
    actor: &Actor,
    now: Timestamp,
    transferred: &mut Vec<(PurchaseId, i64)>,
    brought: &mut Brought,
) -> Result<Option<Append>, LedgerError> {
    let Located { account, state } = located;
    let mut append = Append {
        account: account.id,
        before: state,
        postings: Vec::with_capacity(due.len()),
        after: state,
    };
    let mut snapshot = Snapshot {
        account,
        state,
        suspension: None,
        usage: Usage::default(),
        found: Found::Nothing,
    };
    for purchase in due {
        let id = purchase.id;
        let stamp = Stamp {
            note: purchase.note.clone(),
            actor: actor.clone(),
            key: None,
            at: now,
        };
        snapshot.found = Found::Purchase(Box::new(purchase), None);
        let operation = Operation::TransferCredit { purchase: id.number };
        match decide(&snapshot, &operation, now) {
            Verdict::Apply(effects) => {
                let posting = sealed(&snapshot, &operation, &effects, &stamp)?;
                if let Some(first) = posting.entries.first() {
                    transferred.push((id, first.seq));
                }
                let events = Event::of_posting(&snapshot.account, &snapshot.state.figures, &posting, None);
                let seal = |event: &Event| sealed_event(snapshot.account.id, event, now);
                brought.events.extend(events.iter().map(seal));
                append.postings.push(posting.entries);
                snapshot.state = posting.state;
            }
            Verdict::Already => {}
            Verdict::Refuse(refusal) | Verdict::Suspend(refusal, _) => {
                brought.failed.push((id, refusal.message(&snapshot.account.currency)));
            }
        }
    }
    append.after = snapshot.state;
    Ok((!append.postings.is_empty()).then_some(append))
}
