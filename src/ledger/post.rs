//! The one door to the money: record the attempt, look the key up, decide, write, settle.
//!
//! Most operations are over after two statements: the attempt is recorded with a look at the account, and the effect is
//! written only if the account has not moved since. Everything else goes the long way, under the account's lock
//! (`locked`).

mod answer;
mod contention;
mod locked;
mod unapplied;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use super::clock::{Stopwatch, unique_name};
use super::error::LedgerError;
use super::{Ledger, hold};
use crate::db::DbError;
use crate::db::intents::NewIntent;
use crate::db::posting::{Plain, open_attempt, post_guarded};
use crate::db::snapshot::Located;
use crate::domain::account::Account;
use crate::domain::code::Code;
use crate::domain::effects::{Effects, Posting, Verdict, contradiction, seal};
use crate::domain::entry::Stamp;
use crate::domain::event::Event;
use crate::domain::intent::Payload;
use crate::domain::operation::{Operation, Subject};
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Found, Snapshot, Usage};
use crate::domain::text::{Actor, IdempotencyKey};
use crate::domain::time::Timestamp;

pub use answer::{Answer, Outcome, Posted, Request};
pub(crate) use contention::Contention;
pub(super) use locked::usage;

/// How often a lost connection is replaced. For a single request at least so often, and for as long as one waits for a
/// lock, before the outcome is called unknown.
pub(super) const RECONNECTS: u32 = 10;

/// A part of a cluster that is away stays so for longer than anybody waits: this often is only for what became of a
/// commit.
const LOOKS: u32 = 3;

/// Carries out a request, exactly once per key.
pub fn post(ledger: &mut Ledger, request: &Request) -> Result<Answer, LedgerError> {
    let key = match &request.key {
        Some(key) => key.clone(),
        None => made_up_key()?,
    };
    let mut attempt = Attempt::new(request, &key, false);
    let mut lost = 0;
    let outcome = loop {
        match attempt.run(ledger) {
            Err(LedgerError::Db(cause)) if cause.leaves_open() => {
                // The commit may have happened. The next round finds out by the key, on a fresh connection.
                lost += 1;
                attempt.may_be_ours |= attempt.writes.get();
                let final_word = match cause {
                    DbError::Storage(_) => true,
                    DbError::Away(_) => lost > LOOKS,
                    _ => lost > RECONNECTS && attempt.started.elapsed() >= ledger.lock_timeout(),
                };
                if final_word || ledger.db.reconnect().is_err() {
                    return Err(LedgerError::Unknown {
                        key: key.to_string(),
                        cause,
                    });
                }
            }
            outcome => break outcome?,
        }
    };
    Ok(Answer {
        operation: request.operation.kind(),
        key,
        currency: request.currency.clone(),
        outcome,
    })
}

pub(super) fn made_up_key() -> Result<IdempotencyKey, LedgerError> {
    IdempotencyKey::parse(&unique_name()).map_err(|error| LedgerError::invalid(Code::Internal, error))
}

/// One try of a request under its key.
pub(super) struct Attempt<'a> {
    pub(super) request: &'a Request,
    pub(super) key: &'a IdempotencyKey,
    payload: OnceCell<Payload>,
    pub(super) started: Stopwatch,
    /// Whether the transaction at hand applies it.
    writes: Cell<bool>,
    /// Whether one that did was lost with its connection, so that what is found applied may be our own work.
    pub(super) may_be_ours: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(request: &'a Request, key: &'a IdempotencyKey, may_be_ours: bool) -> Self {
        Self {
            request,
            key,
            payload: OnceCell::new(),
            started: Stopwatch::start(),
            writes: Cell::new(false),
            may_be_ours,
        }
    }

    fn run(&self, ledger: &mut Ledger) -> Result<Outcome, LedgerError> {
        let Request { user_id, currency, .. } = self.request;
        let actor = ledger.actor.clone();
        let now = ledger.now();
        let intent = self.intent(&actor, now);
        let Some(opened) = open_attempt(&mut ledger.db, user_id, currency.code(), &intent)? else {
            return Ok(Outcome::Refused(Refusal::AccountNotFound {
                user_id: user_id.to_string(),
            }));
        };
        let (id, key_is_new) = (opened.account, opened.key_is_new);
        let done = match opened.located {
            Ok(located) => self.carry_out(ledger, (&located, key_is_new), &intent),
            Err(damage) => Err(damage.into()),
        };
        if let Err(error) = &done {
            self.record_failure(ledger, id, error);
        }
        done
    }

    fn carry_out(
        &self,
        ledger: &mut Ledger,
        (located, key_is_new): (&Located, bool),
        intent: &NewIntent<'_>,
    ) -> Result<Outcome, LedgerError> {
        let (id, now) = (located.account.id, intent.created_at);
        let holds = located.state.figures.held.is_positive();
        let expires = matches!(self.request.operation, Operation::ExpireHold { .. });
        let given_back = holds && !expires && hold::expire_overdue_of(ledger, id, now)?;
        if !key_is_new {
            self.record_again(ledger, id, intent)?;
        } else if !given_back && let Some(outcome) = self.at_once(ledger, located, now)? {
            return Ok(outcome);
        }
        self.under_lock(ledger, id, now)
    }

    /// What is recorded before anything has happened.
    pub(super) fn intent<'i>(&'i self, actor: &'i Actor, at: Timestamp) -> NewIntent<'i> {
        self.recorded(Cow::Borrowed(self.payload()), actor, at)
    }

    /// The same, which needs the attempt no more.
    pub(super) fn into_intent(mut self, actor: &'a Actor, at: Timestamp) -> NewIntent<'a> {
        let payload = self.payload.take().unwrap_or_else(|| self.request.payload());
        self.recorded(Cow::Owned(payload), actor, at)
    }

    fn recorded<'i>(&self, payload: Cow<'i, Payload>, actor: &'i Actor, at: Timestamp) -> NewIntent<'i>
    where
        'a: 'i,
    {
        NewIntent {
            key: self.key,
            operation: self.request.operation.kind().name(),
            payload,
            actor,
            created_at: at,
        }
    }

    /// Made when it is first needed: a request of many waits for its turn without.
    fn payload(&self) -> &Payload {
        self.payload.get_or_init(|| self.request.payload())
    }

    pub(super) fn stamp(&self, actor: &Actor, at: Timestamp) -> Stamp {
        Stamp {
            note: self.request.note.clone(),
            actor: actor.clone(),
            key: Some(self.key.clone()),
            at,
        }
    }

    /// The short way for an operation on figures alone: judged on what was read with the intent, written
    /// only if the account has not moved since. `None` sends it the long way.
    fn at_once(&self, ledger: &mut Ledger, located: &Located, now: Timestamp) -> Result<Option<Outcome>, LedgerError> {
        let id = located.account.id;
        if self.request.operation.subject() != Subject::None
            || located.account.limits.any()
            || ledger.contention.expected(id)
        {
            return Ok(None);
        }
        let snapshot = Snapshot {
            account: located.account.clone(),
            state: located.state,
            suspension: None,
            usage: Usage::default(),
            found: Found::Nothing,
        };
        let effects = match decide(&snapshot, &self.request.operation, now) {
            Verdict::Apply(effects) if effects.is_plain() && effects.movements.len() == 1 => effects,
            // With money held, somebody else may have given back meanwhile what was overdue: only the lock tells.
            Verdict::Refuse(refusal) if !located.state.figures.held.is_positive() => {
                self.record_refusal(&mut ledger.db, &located.account, &refusal, now)?;
                return Ok(Some(Outcome::Refused(refusal)));
            }
            Verdict::Refuse(_) | Verdict::Apply(_) | Verdict::Already | Verdict::Suspend(..) => return Ok(None),
        };
        let posting = sealed(
            &snapshot,
            &self.request.operation,
            &effects,
            &self.stamp(&ledger.actor, now),
        )?;
        // An event belongs into the same transaction: the long way has room for it.
        if Event::low_balance(&located.account, &located.state.figures, &posting).is_some() {
            return Ok(None);
        }
        let took = self.started.elapsed();
        self.writes.set(true);
        let plain = Plain {
            before: located,
            entry: &posting.entries[0],
            after: &posting.state,
            key: self.key,
            attempt: 1,
            took,
        };
        let moved = post_guarded(&mut ledger.db, plain).map_err(|error| beyond_the_row(error, &located.account))?;
        if !moved {
            ledger.contention.noticed(located.account.id);
        }
        Ok(moved.then(|| Outcome::Applied(Box::new(Posted::plain(located.account.clone(), posting)))))
    }
}

/// The entries of a decision in their chain, held against what was asked.
pub(super) fn sealed(
    snapshot: &Snapshot,
    operation: &Operation,
    effects: &Effects,
    stamp: &Stamp,
) -> Result<Posting, LedgerError> {
    let account = snapshot.account.id;
    let broken = |what| LedgerError::Contradiction { account, what };
    let posting = seal(snapshot, effects, stamp).map_err(|_| broken("a figure left its range"))?;
    match contradiction(snapshot, operation, &posting) {
        Some(what) => Err(broken(what)),
        None => Ok(posting),
    }
}

/// A sequence number that is taken although the lock is ours: the journal goes on beyond the balance row.
fn beyond_the_row(error: DbError, account: &Account) -> DbError {
    match error {
        DbError::Taken(_) => DbError::Integrity(format!(
            "the entries of user {user} go beyond the balance row; nothing was done; \
             run `ledger verify-sync --user-id {user} --currency {currency} --fix`",
            user = account.user_id,
            currency = account.currency.code(),
        )),
        error => error,
    }
}
