//! `recurring run`: charges what is due, each period once.
//!
//! A period is charged like any charge, under the key that its name makes; only then the row goes on to the next one.
//! A run that dies in between charges nothing twice: the next one finds the key applied.

use serde_json::json;

use super::{JOB, RecurringView};
use crate::db::recurring::{recurring_due, recurring_due_count, recurring_move};
use crate::db::unit_of_work::write;
use crate::db::{DbError, Numbered, Unreadable, snapshot};
use crate::domain::account::Account;
use crate::domain::code::{Code, Exit};
use crate::domain::recurring::{Due, RecurringCharge, RecurringId, Retries};
use crate::domain::refusal::Refusal;
use crate::domain::suspension::unpaid;
use crate::domain::text::Description;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::job::{self, Overlap, Run, RunRecord};
use crate::ledger::post::{Outcome, Request, post};
use crate::ledger::progress::Progress;
use crate::ledger::{Ledger, interrupt, suspension};

#[derive(Clone, Debug)]
pub struct Terms {
    pub retries: Retries,
    /// Most periods of one recurring charge that are charged in one run; at least one.
    pub max_catch_up: u32,
}

/// What kept a period from being charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Tried again later; at once where there is no time.
    Refused { code: Code, retry_at: Option<Timestamp> },
    /// For the last time: the account is suspended now.
    Suspended,
    /// Nothing was tried: the account is locked, or suspended before.
    Waiting,
    /// As many periods were charged as one run may; more are due.
    CatchUp,
    /// The account was closed; the recurring charge has been cancelled.
    Closed,
    /// Something about this account is broken or busy.
    Failed,
}

impl Kept {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Suspended => "suspended",
            Self::Waiting => "waiting",
            Self::CatchUp => "catch_up",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }

    /// Whether somebody has to hear of it: what waits for its account was told when that was stopped.
    pub const fn is_wrong(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Closed)
    }
}

/// A period that is still due, and why.
#[derive(Clone, Debug)]
pub struct Unpaid {
    pub view: RecurringView,
    pub due: Due,
    pub kept: Kept,
    pub reason: String,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub charged: u64,
    /// Found charged: by a run that was killed before it could say so.
    pub already: u64,
    pub unpaid: Vec<Unpaid>,
    /// Due, and what is stored of them cannot be read.
    pub unreadable: Vec<(RecurringId, String)>,
}

impl Done {
    pub fn exit(&self) -> Exit {
        if !self.unreadable.is_empty() {
            Exit::Integrity
        } else if self.unpaid.iter().any(|unpaid| unpaid.kept.is_wrong()) {
            Exit::Partly
        } else {
            Exit::Done
        }
    }

    pub fn count(&self, name: &str) -> usize {
        self.unpaid.iter().filter(|unpaid| unpaid.kept.name() == name).count()
    }

    fn record(&self) -> RunRecord {
        RunRecord {
            counts: json!({
                "charged": self.charged,
                "already": self.already,
                "refused": self.count("refused"),
                "suspended": self.count("suspended"),
                "waiting": self.count("waiting"),
                "catch_up": self.count("catch_up"),
                "closed": self.count("closed"),
                "failed": self.count("failed"),
                "unreadable": self.unreadable.len(),
            }),
            digest: None,
            exit: self.exit(),
        }
    }
}

/// Charges everything that is due now.
pub fn run(ledger: &mut Ledger, terms: &Terms, progress: &dyn Progress) -> Result<Done, LedgerError> {
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let mut done = Done::default();
        charge_all(ledger, run, terms, &mut done, progress)?;
        let record = done.record();
        Ok((done, record))
    })
}

const PAGE: i64 = 500;

fn charge_all(
    ledger: &mut Ledger,
    run: &mut Run,
    terms: &Terms,
    done: &mut Done,
    progress: &dyn Progress,
) -> Result<(), LedgerError> {
    let now = ledger.now();
    let mut after = (0, 0);
    progress.begin(recurring_due_count(&mut ledger.db, now)?.unsigned_abs());
    loop {
        let page = recurring_due(&mut ledger.db, now, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = (last.account.get(), last.number);
        for Numbered { account, number, row } in page {
            progress.advance(1);
            let view = match row {
                Ok(view) => view,
                Err(Unreadable(why)) => {
                    done.unreadable.push((RecurringId { account, number }, why));
                    continue;
                }
            };
            match catch_up(ledger, run, terms, &view, done) {
                // Damage of one account, or somebody who holds it for too long, stops no other.
                Err(error) if error.concerns_one_account() => {
                    run.confirm(ledger)?;
                    if let Some(due) = view.charge.next {
                        done.unpaid.push(Unpaid {
                            view,
                            due,
                            kept: Kept::Failed,
                            reason: error.to_string(),
                        });
                    }
                }
                result => result?,
            }
        }
    }
    progress.finish();
    Ok(())
}

/// Charges the periods of one recurring charge that are due, oldest first, as far as they are paid.
fn catch_up(
    ledger: &mut Ledger,
    run: &mut Run,
    terms: &Terms,
    view: &RecurringView,
    done: &mut Done,
) -> Result<(), LedgerError> {
    let now = ledger.now();
    let mut next = view.charge.next;
    let mut charged = 0;
    while let Some(due) = next.filter(|due| due.try_at <= now) {
        interrupt::check()?;
        run.keep(ledger)?;
        let stopped = stopped(done, &view.account);
        let mut unpaid = |kept, reason| {
            done.unpaid.push(Unpaid {
                view: view.clone(),
                due,
                kept,
                reason,
            });
        };
        if charged == terms.max_catch_up {
            unpaid(
                Kept::CatchUp,
                format!("{charged} periods were charged and more are due"),
            );
            return Ok(());
        }
        if let Some(stopped) = stopped {
            unpaid(Kept::Waiting, stopped.message(&view.account.currency));
            return Ok(());
        }
        match post(ledger, &request(view, &due)?)?.outcome {
            Outcome::Applied(_) => done.charged += 1,
            Outcome::AlreadyApplied(_) => done.already += 1,
            Outcome::Refused(refusal) | Outcome::Suspended(refusal, _) => {
                let kept = put_off(ledger, terms, view, &due, &refusal)?;
                unpaid(kept, refusal.message(&view.account.currency));
                return Ok(());
            }
        }
        charged += 1;
        next = view.charge.following(&due);
        go_on(ledger, &view.charge, &due, (next.as_ref(), true))?;
    }
    Ok(())
}

/// Why nothing is even tried: each try would leave an attempt, every hour, for as long as the account is stopped.
/// A closed one is not waited for: it is told so once, and that ends the agreement.
fn stopped(done: &Done, account: &Account) -> Option<Refusal> {
    if account.closed {
        return None;
    }
    // It was read before another of its agreements may have suspended it.
    let mut of_this_run = done
        .unpaid
        .iter()
        .rev()
        .take_while(|unpaid| unpaid.view.account.id == account.id);
    let suspended = account.suspension.is_some() || of_this_run.any(|unpaid| unpaid.kept == Kept::Suspended);
    match (account.locked, suspended) {
        (true, _) => Some(Refusal::AccountLocked),
        (false, true) => Some(Refusal::AccountSuspended),
        (false, false) => None,
    }
}

fn request(view: &RecurringView, due: &Due) -> Result<Request, LedgerError> {
    let internal = |error| LedgerError::invalid(Code::Internal, error);
    let operation = view.charge.operation(false);
    let note = view.charge.note_of(due).map_err(internal)?;
    let key = view.charge.key_of(due).map_err(internal)?;
    Ok(Request::of(&view.account, operation, note, Some(key)))
}

fn go_on(
    ledger: &mut Ledger,
    charge: &RecurringCharge,
    from: &Due,
    to: (Option<&Due>, bool),
) -> Result<(), LedgerError> {
    write(&mut ledger.db, "recurring", |db| {
        moved(recurring_move(db, charge.id, from, to)?, charge)
    })
}

/// Nobody else moves a row while the lease is held.
fn moved(done: bool, charge: &RecurringCharge) -> Result<(), LedgerError> {
    if done {
        return Ok(());
    }
    let changed = format!(
        "recurring charge {} was changed by something else than this tool",
        charge.id
    );
    Err(DbError::Integrity(changed).into())
}

/// What becomes of a period that was refused.
fn put_off(
    ledger: &mut Ledger,
    terms: &Terms,
    view: &RecurringView,
    due: &Due,
    refusal: &Refusal,
) -> Result<Kept, LedgerError> {
    match refusal {
        Refusal::InsufficientBalance { .. } => match due.refused(ledger.now(), &terms.retries) {
            Some(later) => {
                go_on(ledger, &view.charge, due, (Some(&later), false))?;
                Ok(Kept::Refused {
                    code: refusal.code(),
                    retry_at: Some(later.try_at),
                })
            }
            None => suspend(ledger, view, due, refusal),
        },
        Refusal::AccountLocked | Refusal::AccountSuspended => Ok(Kept::Waiting),
        Refusal::AccountClosed => {
            let reason = Description::parse("the account is closed");
            let reason = reason.map_err(|error| LedgerError::invalid(Code::Internal, error))?;
            super::end(ledger, view.charge.id, &reason)?;
            Ok(Kept::Closed)
        }
        _ => Ok(Kept::Refused {
            code: refusal.code(),
            retry_at: None,
        }),
    }
}

/// Suspends the account for what it is short of; the period stays due, and is tried afresh once it is resumed.
fn suspend(ledger: &mut Ledger, view: &RecurringView, due: &Due, refusal: &Refusal) -> Result<Kept, LedgerError> {
    let asked = view.charge.operation(true);
    let (actor, at, id) = (ledger.actor.clone(), ledger.now(), view.charge.id);
    write(&mut ledger.db, "recurring suspends", |db| {
        let located = snapshot::locked(db, id.account)?;
        moved(recurring_move(db, id, due, (Some(&due.afresh()), false))?, &view.charge)?;
        let balance = located.state.figures.balance;
        let is_short = balance < view.charge.amount.minor() && located.account.suspension.is_none();
        // Money that has come meanwhile pays in the next run.
        match unpaid(&asked, refusal).filter(|_| is_short) {
            Some(unpaid) => {
                suspension::open_unpaid(db, &located.account, unpaid, &actor, at)?;
                Ok(Kept::Suspended)
            }
            None => Ok(Kept::Refused {
                code: refusal.code(),
                retry_at: Some(due.at),
            }),
        }
    })
}
