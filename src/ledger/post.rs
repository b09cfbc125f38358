//! The one door to the money: record the attempt, look the key up, decide, write, settle.

use std::sync::Arc;

use super::Ledger;
use super::clock::{Stopwatch, unique_name};
use super::error::LedgerError;
use super::payload::{operation_name, payload};
use super::record::{self, Record};
use super::{hold, outbox, suspension};
use crate::db::intents::{self, Made, NewIntent};
use crate::db::posting::{Opened, Plain, append, lock_with_intent, open_attempt, post_guarded, post_plain, settle};
use crate::db::snapshot::Located;
use crate::db::unit_of_work::{write, write_relaxed};
use crate::db::{Db, DbError, entries};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::Figures;
use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::effects::{Effects, Posting, Verdict, contradiction, seal};
use crate::domain::entry::{Entry, Note, Stamp};
use crate::domain::event::Event;
use crate::domain::intent::{Intent, IntentState, Payload};
use crate::domain::operation::{Operation, Subject};
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Found, RATE_SPAN, Snapshot, Usage};
use crate::domain::suspension::Suspension;
use crate::domain::text::{Actor, IdempotencyKey, UserId};
use crate::domain::time::Timestamp;

/// An operation asked of an account, validated.
#[derive(Clone, Debug)]
pub struct Request {
    pub user_id: UserId,
    pub currency: Currency,
    pub operation: Operation,
    pub note: Note,
    /// Made up where the caller has none.
    pub key: Option<IdempotencyKey>,
}

/// An operation that has been applied, now or before.
#[derive(Clone, Debug)]
pub struct Posted {
    pub account: Arc<Account>,
    pub entries: Arc<[Entry]>,
    /// The figures right after it; where it made no entry, as they are.
    pub figures: Figures,
    /// The recharge or hold that it made or moved.
    pub record: Option<Box<Record>>,
    /// The suspension that it ended.
    pub resumed: Option<Box<Suspension>>,
}

impl Posted {
    /// Nothing but entries.
    pub(super) fn plain(account: Arc<Account>, posting: Posting) -> Self {
        Self {
            account,
            entries: posting.entries,
            figures: posting.state.figures,
            record: None,
            resumed: None,
        }
    }
}

/// Whether others are at the same account: waiting for its lock is cheaper then than guessing and being too late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contention {
    account: Option<AccountId>,
    /// How many operations more are expected to meet somebody.
    remaining: u8,
}

impl Contention {
    const MEMORY: u8 = 50;

    fn noticed(&mut self, account: AccountId) {
        *self = Self {
            account: Some(account),
            remaining: Self::MEMORY,
        };
    }

    fn expected(&mut self, account: AccountId) -> bool {
        if self.account != Some(account) || self.remaining == 0 {
            return false;
        }
        self.remaining -= 1;
        true
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub key: IdempotencyKey,
    pub currency: Currency,
    pub outcome: Outcome,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Applied(Box<Posted>),
    /// The same key, or a recharge that is there already: nothing was written.
    AlreadyApplied(Box<Posted>),
    Refused(Refusal),
    /// Refused, and the account suspended for it.
    Suspended(Refusal, Box<Suspension>),
}

/// How often at least, and as long as one waits for a lock, a lost connection is replaced before the outcome is called
/// unknown.
const RECONNECTS: u32 = 10;

/// Carries out a request, exactly once per key.
pub fn post(ledger: &mut Ledger, request: &Request) -> Result<Answer, LedgerError> {
    let key = match &request.key {
        Some(key) => key.clone(),
        None => made_up_key()?,
    };
    let payload = payload(&request.operation, &request.note, &request.currency);
    let mut attempt = Attempt {
        request,
        key: &key,
        payload: &payload,
        started: Stopwatch::start(),
        lost: 0,
    };
    let outcome = loop {
        match attempt.run(ledger) {
            Err(LedgerError::Db(cause)) if cause.leaves_open() => {
                // The commit may have happened. The next round finds out by the key, on a fresh connection.
                attempt.lost += 1;
                let patient = attempt.lost <= RECONNECTS || attempt.started.elapsed() < ledger.lock_timeout();
                let final_word = !patient || matches!(cause, DbError::Storage(_));
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
    pub(super) payload: &'a Payload,
    pub(super) started: Stopwatch,
    /// How often the connection has been lost, so that what is found may be our own work.
    pub(super) lost: u32,
}

impl Attempt<'_> {
    fn run(&self, ledger: &mut Ledger) -> Result<Outcome, LedgerError> {
        let Request {
            user_id,
            currency,
            operation,
            ..
        } = self.request;
        let actor = ledger.actor.clone();
        let now = ledger.now();
        let intent = NewIntent {
            key: self.key,
            operation: operation_name(operation),
            payload: self.payload,
            actor: &actor,
            created_at: now,
        };
        let Some(opened) = open_attempt(&mut ledger.db, user_id, currency.code(), &intent)? else {
            return Ok(Outcome::Refused(Refusal::AccountNotFound {
                user_id: user_id.to_string(),
            }));
        };
        let id = opened.located.account.id;
        let done = self.carry_out(ledger, &opened, &intent);
        if let Err(error) = &done {
            self.record_failure(ledger, id, error);
        }
        done
    }

    fn carry_out(&self, ledger: &mut Ledger, opened: &Opened, intent: &NewIntent<'_>) -> Result<Outcome, LedgerError> {
        let (id, now) = (opened.located.account.id, intent.created_at);
        let holds = opened.located.state.figures.held.is_positive();
        let expires = matches!(self.request.operation, Operation::ExpireHold { .. });
        let given_back = holds && !expires && hold::expire_overdue_of(ledger, id, now)?;
        if !opened.key_is_new {
            self.record_again(ledger, id, intent)?;
        } else if !given_back && let Some(outcome) = self.at_once(ledger, &opened.located, now)? {
            return Ok(outcome);
        }
        self.under_lock(ledger, id, now)
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

    /// A key that was only refused or failed may be tried again: each try is a record of its own.
    fn record_again(&self, ledger: &mut Ledger, id: AccountId, intent: &NewIntent<'_>) -> Result<(), LedgerError> {
        let recorded: Result<(), DbError> = write_relaxed(&mut ledger.db, "intent again", |db| {
            self.record_again_in(db, id, intent)
        });
        Ok(recorded?)
    }

    pub(super) fn record_again_in(&self, db: &mut Db, id: AccountId, intent: &NewIntent<'_>) -> Result<(), DbError> {
        if let Some(prior) = intents::intent_find(db, id, self.key)?
            && matches!(prior.state, IntentState::Refused | IntentState::Failed)
            && prior.payload == *self.payload
        {
            intents::intent_insert(db, id, intent, prior.attempt + 1)?;
        }
        Ok(())
    }

    /// The long way: everything is looked at again under the account's lock.
    fn under_lock(&self, ledger: &mut Ledger, id: AccountId, now: Timestamp) -> Result<Outcome, LedgerError> {
        let stamp = self.stamp(&ledger.actor, now);
        write(&mut ledger.db, operation_name(&self.request.operation), |db| {
            let (located, intent) = lock_with_intent(db, id, self.key)?
                .ok_or_else(|| DbError::Integrity(format!("account {id} has disappeared")))?;
            self.judge_key(db, located, intent, &stamp)
        })
    }

    /// Judges under the account's lock, unless the key says that it has been done.
    pub(super) fn judge_key(
        &self,
        db: &mut Db,
        located: Located,
        intent: Option<Intent>,
        stamp: &Stamp,
    ) -> Result<Outcome, LedgerError> {
        let intent = intent.ok_or_else(|| DbError::Integrity("the intent of this operation has disappeared".into()))?;
        let differs_in = intent.payload.differences(self.payload);
        if !differs_in.is_empty() {
            return Ok(Outcome::Refused(Refusal::IdempotencyConflict {
                key: self.key.to_string(),
                differs_in,
            }));
        }
        if intent.state == IntentState::Applied {
            let posted = Box::new(self.recall(db, located, &intent)?);
            // After a lost connection it is our own work that is found here.
            return Ok(if self.lost > 0 {
                Outcome::Applied(posted)
            } else {
                Outcome::AlreadyApplied(posted)
            });
        }
        self.judge(db, located, intent.attempt, stamp)
    }

    pub(super) fn judge(
        &self,
        db: &mut Db,
        located: Located,
        attempt: i32,
        stamp: &Stamp,
    ) -> Result<Outcome, LedgerError> {
        let Located { account, state } = located;
        let id = account.id;
        let operation = &self.request.operation;
        let snapshot = Snapshot {
            usage: usage(db, &account, stamp.at)?,
            found: record::look_up(db, id, operation.subject())?,
            suspension: suspension::active(db, &account)?,
            account,
            state,
        };
        match decide(&snapshot, operation, stamp.at) {
            Verdict::Refuse(refusal) => {
                self.record_refusal_in(db, &snapshot.account, attempt, &refusal, stamp.at)?;
                Ok(Outcome::Refused(refusal))
            }
            Verdict::Suspend(refusal, unpaid) => {
                self.record_refusal_in(db, &snapshot.account, attempt, &refusal, stamp.at)?;
                let opened = suspension::open_unpaid(db, &snapshot.account, unpaid, &stamp.actor, stamp.at)?;
                Ok(Outcome::Suspended(refusal, Box::new(opened)))
            }
            Verdict::Already => {
                let figures = snapshot.state.figures;
                let posted = Posted {
                    account: snapshot.account,
                    entries: Arc::default(),
                    figures,
                    record: Record::of(snapshot.found).map(Box::new),
                    resumed: None,
                };
                self.settle(db, id, attempt, &posted)?;
                Ok(Outcome::AlreadyApplied(Box::new(posted)))
            }
            Verdict::Apply(effects) => {
                let posted = self.carry_through(db, snapshot, &effects, attempt, stamp)?;
                Ok(Outcome::Applied(Box::new(posted)))
            }
        }
    }

    /// Writes everything that a decision says, under the account's lock.
    fn carry_through(
        &self,
        db: &mut Db,
        snapshot: Snapshot,
        effects: &Effects,
        attempt: i32,
        stamp: &Stamp,
    ) -> Result<Posted, LedgerError> {
        let stamp = record::with_note_of(stamp, &snapshot.found);
        let posting = sealed(&snapshot, &self.request.operation, effects, &stamp)?;
        let id = snapshot.account.id;
        if effects.is_plain()
            && let [entry] = &*posting.entries
        {
            let before = Located {
                account: snapshot.account,
                state: snapshot.state,
            };
            let plain = Plain {
                before: &before,
                entry,
                after: &posting.state,
                key: self.key,
                attempt,
                took: self.started.elapsed(),
            };
            if !post_plain(db, plain).map_err(|error| beyond_the_row(error, &before.account))? {
                return Err(DbError::Retry("the balance row moved under its lock".into()).into());
            }
            let events = Event::of_posting(&before.account, &before.state.figures, &posting, None);
            outbox::tell(db, id, &events, stamp.at)?;
            return Ok(Posted::plain(before.account, posting));
        }
        append(db, id, &snapshot.state, &posting.entries, &posting.state)
            .map_err(|error| beyond_the_row(error, &snapshot.account))?;
        let record = match &effects.record {
            Some(change) => {
                let written = record::write(db, id, change, &posting, (&stamp, &self.request.note))?;
                Some(Box::new(written))
            }
            None => None,
        };
        let recharge = record.as_deref().and_then(Record::as_recharge);
        let events = Event::of_posting(&snapshot.account, &snapshot.state.figures, &posting, recharge);
        outbox::tell(db, id, &events, stamp.at)?;
        let (account, resumed) = match effects.resumes {
            Some(number) => {
                let (account, ended) = suspension::end(db, &snapshot.account, number, &stamp.actor, stamp.at)?;
                (Arc::new(account), Some(Box::new(ended)))
            }
            None => (snapshot.account, None),
        };
        let posted = Posted {
            account,
            entries: posting.entries,
            figures: posting.state.figures,
            record,
            resumed,
        };
        self.settle(db, id, attempt, &posted)?;
        Ok(posted)
    }

    fn settle(&self, db: &mut Db, id: AccountId, attempt: i32, posted: &Posted) -> Result<(), LedgerError> {
        let ends = posted.entries.first().zip(posted.entries.last());
        let made = Made {
            entries: ends.map(|(first, last)| (first.seq, last.seq)),
            subject: posted.record.as_deref().map(Record::number),
        };
        Ok(settle(db, id, self.key, attempt, made, self.started.elapsed())?)
    }

    /// The first outcome of an applied key, read back from what it wrote.
    fn recall(&self, db: &mut Db, located: Located, intent: &Intent) -> Result<Posted, LedgerError> {
        let account = located.account;
        let entries = match intent.entries {
            Some((first, last)) => entries::entries_between(db, account.id, first, last)?,
            None => Vec::new(),
        };
        let mut figures = located.state.figures;
        if let Some(last) = entries.last() {
            let summed = entries::entries_summed_through(db, account.id, last.seq)?;
            figures = summed.map_or(figures, |summed| summed.figures);
        }
        let record = record::recall(db, account.id, self.request.operation.subject(), intent.subject)?.map(Box::new);
        Ok(Posted {
            account,
            entries: entries.into(),
            figures,
            record,
            resumed: None,
        })
    }

    /// Of a first attempt, in a transaction of its own.
    fn record_refusal(
        &self,
        db: &mut Db,
        account: &Account,
        refusal: &Refusal,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        write_relaxed(db, "refusal", |db| self.record_refusal_in(db, account, 1, refusal, at))
    }

    fn record_refusal_in(
        &self,
        db: &mut Db,
        account: &Account,
        attempt: i32,
        refusal: &Refusal,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let (state, reason) = (IntentState::Refused, refusal.code().name());
        let took = self.started.elapsed();
        // Where somebody else has ended the attempt meanwhile, there is nothing more to tell.
        if intents::intent_ended(db, account.id, self.key, attempt, state, reason, took)? {
            let asked = (&self.request.operation, &self.request.note);
            let event = Event::of_refusal(&account.currency, asked, self.key, refusal);
            outbox::tell(db, account.id, event.as_slice(), at)?;
        }
        Ok(())
    }

    /// Best effort: the error itself is what the caller must hear.
    pub(super) fn record_failure(&self, ledger: &mut Ledger, id: AccountId, error: &LedgerError) {
        if matches!(error, LedgerError::Db(error) if error.leaves_open()) {
            return;
        }
        let recorded: Result<(), DbError> = write_relaxed(&mut ledger.db, "failure", |db| {
            let Some(intent) = intents::intent_find(db, id, self.key)? else {
                return Ok(());
            };
            let (state, reason) = (IntentState::Failed, error.code().name());
            intents::intent_ended(db, id, self.key, intent.attempt, state, reason, self.started.elapsed()).map(|_| ())
        });
        if let Err(error) = recorded {
            log::warn!("the failure could not be recorded: {error}");
        }
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

pub(super) fn usage(db: &mut Db, account: &Account, now: Timestamp) -> Result<Usage, LedgerError> {
    if !account.limits.any() {
        return Ok(Usage::default());
    }
    let (charges, spent_today) = entries::entries_usage(db, account.id, now.after(-RATE_SPAN), now.start_of_day())?;
    Ok(Usage {
        charges_last_minute: charges.unsigned_abs(),
        spent_today,
    })
}
