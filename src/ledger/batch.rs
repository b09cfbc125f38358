//! Many requests at once: the rules, locks, keys and records of single ones, in few transactions.
//!
//! First every attempt is recorded, then all accounts are locked in the order of their ids, and each request is judged
//! on the state that the ones before it have left. What only makes entries waits in memory and is written together;
//! what reads or writes records of its own is carried out on the database, after what its account has waiting.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::Ledger;
use super::clock::Stopwatch;
use super::error::LedgerError;
use super::payload::{operation_name, payload};
use super::post::{Answer, Attempt, Outcome, Posted, Request, made_up_key, post, sealed};
use crate::db::bulk::{Append, append_many, lock_many};
use crate::db::intents::{Made, NewIntent, intent_find};
use crate::db::intents_bulk::{Ended, intents_end, intents_insert};
use crate::db::snapshot::{Located, look};
use crate::db::unit_of_work::{Transient, write, write_relaxed};
use crate::db::{Db, DbError, accounts, holds};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::currency::CurrencyCode;
use crate::domain::effects::Verdict;
use crate::domain::entry::{Entry, Note};
use crate::domain::intent::{IntentState, Payload};
use crate::domain::operation::{Operation, Subject};
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Found, Snapshot, Usage};
use crate::domain::text::{Actor, IdempotencyKey, UserId};
use crate::domain::time::Timestamp;

/// What became of one request of many.
pub type Done = Result<Answer, LedgerError>;

/// Remembers between batches which account is whose: that never changes.
#[derive(Default)]
pub struct Batches {
    accounts: HashMap<(UserId, CurrencyCode), AccountId>,
}

struct Item<'a> {
    request: &'a Request,
    key: IdempotencyKey,
    payload: Payload,
    account: Option<AccountId>,
    /// Whether this round was the first that was heard of the key.
    is_new: bool,
    /// Whether this batch was: after a lost connection, what is found applied is our own work.
    is_ours: bool,
}

/// How often a lost connection is replaced within one batch.
const RECONNECTS: u32 = 10;

/// When a batch that must hold together is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only if not a single request is refused.
    AllOrNothing,
    /// Never: what would happen is all that is wanted.
    Nothing,
}

impl Batches {
    /// Carries out every request, in order; each is applied or refused by itself, exactly once per key.
    pub fn carry_out(&mut self, ledger: &mut Ledger, requests: &[Request]) -> Result<Vec<Done>, LedgerError> {
        let now = ledger.now();
        let overdue = self.overdue(ledger, requests, now)?;
        let mut items = self.items(ledger, &overdue, requests)?;
        let mut lost = 0;
        let done = loop {
            match in_two_transactions(ledger, &mut items, now, lost) {
                Ok(outcomes) => break answers(items, outcomes),
                Err(LedgerError::Db(DbError::Lost(_) | DbError::Unreachable(_))) if lost < RECONNECTS => {
                    // The commit may have happened: the keys tell.
                    lost += 1;
                    ledger.db.reconnect()?;
                }
                // The same would happen to each of them.
                Err(
                    error @ (LedgerError::Interrupted
                    | LedgerError::Db(DbError::Busy(_) | DbError::Lost(_) | DbError::Unreachable(_))),
                ) => return Err(error),
                // Something is wrong with one of them: one by one, the others go on.
                Err(_) => break items.iter().map(|item| alone(ledger, item)).collect(),
            }
        };
        Ok(done.into_iter().skip(overdue.len()).collect())
    }

    /// Carries out every request in one transaction; whether it was kept.
    pub fn carry_out_together(
        &mut self,
        ledger: &mut Ledger,
        requests: &[Request],
        keep: Keep,
    ) -> Result<(Vec<Done>, bool), LedgerError> {
        let now = ledger.now();
        let overdue = self.overdue(ledger, requests, now)?;
        let mut items = self.items(ledger, &overdue, requests)?;
        let (outcomes, kept) = in_one_transaction(ledger, &mut items, now, keep)?;
        let done = answers(items, outcomes);
        Ok((done.into_iter().skip(overdue.len()).collect(), kept))
    }

    /// Gives back first what is overdue of the accounts that will be touched.
    fn overdue(
        &mut self,
        ledger: &mut Ledger,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<Vec<Request>, LedgerError> {
        let overdue = holds::accounts_overdue(&mut ledger.db, now)?;
        if overdue.is_empty() {
            return Ok(Vec::new());
        }
        let mut touched = HashMap::new();
        for request in requests {
            if let Some(id) = self.account_of(ledger, request)? {
                touched.entry(id).or_insert(request);
            }
        }
        let mut expiries = Vec::new();
        for (id, request) in overdue.iter().filter_map(|id| Some((id, *touched.get(id)?))) {
            for hold in holds::holds_overdue_of(&mut ledger.db, *id, now)? {
                expiries.push(Request {
                    operation: Operation::ExpireHold { hold: hold.id.number },
                    note: Note::default(),
                    key: None,
                    ..request.clone()
                });
            }
        }
        Ok(expiries)
    }

    fn items<'a>(
        &mut self,
        ledger: &mut Ledger,
        first: &'a [Request],
        then: &'a [Request],
    ) -> Result<Vec<Item<'a>>, LedgerError> {
        let mut items = Vec::with_capacity(first.len() + then.len());
        for request in first.iter().chain(then) {
            items.push(Item {
                request,
                key: request.key.clone().map_or_else(made_up_key, Ok)?,
                payload: payload(&request.operation, &request.note, &request.currency),
                account: self.account_of(ledger, request)?,
                is_new: false,
                is_ours: false,
            });
        }
        Ok(items)
    }

    fn account_of(&mut self, ledger: &mut Ledger, request: &Request) -> Result<Option<AccountId>, LedgerError> {
        let name = (request.user_id.clone(), request.currency.code().clone());
        if let Some(id) = self.accounts.get(&name) {
            return Ok(Some(*id));
        }
        let found = accounts::accounts_of_user(&mut ledger.db, &name.0, Some(&name.1))?;
        let id = found.first().map(|listed| listed.account.id);
        if let Some(id) = id {
            self.accounts.insert(name, id);
        }
        Ok(id)
    }
}

/// As a single command would; it finds its key recorded already.
fn alone(ledger: &mut Ledger, item: &Item<'_>) -> Done {
    let request = Request {
        key: Some(item.key.clone()),
        ..item.request.clone()
    };
    post(ledger, &request)
}

fn answers(items: Vec<Item<'_>>, outcomes: Vec<Result<Outcome, LedgerError>>) -> Vec<Done> {
    let answer = |(item, outcome): (Item<'_>, Result<Outcome, LedgerError>)| {
        Ok(Answer {
            key: item.key,
            currency: item.request.currency.clone(),
            outcome: outcome?,
        })
    };
    items.into_iter().zip(outcomes).map(answer).collect()
}

/// Records the attempts and carries them out; that they were made survives whatever happens to them.
fn in_two_transactions(
    ledger: &mut Ledger,
    items: &mut [Item<'_>],
    now: Timestamp,
    lost: u32,
) -> Result<Vec<Result<Outcome, LedgerError>>, LedgerError> {
    let actor = ledger.actor.clone();
    let recorded = write_relaxed(&mut ledger.db, "intents", |db| record(db, items, &actor, now))?;
    learn(items, recorded);
    let items = &*items;
    let mut tried = false;
    let outcomes = write(&mut ledger.db, "batch", |db| {
        // Somebody else may have settled a key after it was recorded: a second try looks every key up.
        let recorded_just_now = !std::mem::replace(&mut tried, true);
        carry_out_all(db, items, (&actor, now), (lost, recorded_just_now))
    })?;
    for (item, outcome) in items.iter().zip(&outcomes) {
        if let (Err(error), Some(account)) = (outcome, item.account) {
            attempt_of(item, lost).record_failure(ledger, account, error);
        }
    }
    Ok(outcomes)
}

/// The outcomes of a transaction that was rolled back on purpose, or what broke.
enum Stopped {
    RolledBack(Vec<Result<Outcome, LedgerError>>),
    Broken(LedgerError),
}

impl<E: Into<LedgerError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl Transient for Stopped {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Broken(error) if error.is_transient())
    }

    fn still_busy(self, waited: Duration) -> Self {
        match self {
            Self::Broken(error) => Self::Broken(error.still_busy(waited)),
            rolled_back @ Self::RolledBack(_) => rolled_back,
        }
    }
}

fn in_one_transaction(
    ledger: &mut Ledger,
    items: &mut [Item<'_>],
    now: Timestamp,
    keep: Keep,
) -> Result<(Vec<Result<Outcome, LedgerError>>, bool), LedgerError> {
    let actor = ledger.actor.clone();
    let done: Result<_, Stopped> = write(&mut ledger.db, "batch", |db| {
        let recorded = record(db, items, &actor, now)?;
        learn(items, recorded);
        let outcomes = carry_out_all(db, items, (&actor, now), (0, true))?;
        let refused = |outcome: &Result<Outcome, LedgerError>| {
            !matches!(outcome, Ok(Outcome::Applied(_) | Outcome::AlreadyApplied(_)))
        };
        if keep == Keep::Nothing || outcomes.iter().any(refused) {
            return Err(Stopped::RolledBack(outcomes));
        }
        Ok(outcomes)
    });
    match done {
        Ok(outcomes) => Ok((outcomes, true)),
        Err(Stopped::RolledBack(outcomes)) => Ok((outcomes, false)),
        Err(Stopped::Broken(error)) => Err(error),
    }
}

/// Carries out every item on accounts that are locked together.
fn carry_out_all(
    db: &mut Db,
    items: &[Item<'_>],
    (actor, now): (&Actor, Timestamp),
    (lost, recorded_just_now): (u32, bool),
) -> Result<Vec<Result<Outcome, LedgerError>>, LedgerError> {
    let accounts: BTreeSet<AccountId> = items.iter().filter_map(|item| item.account).collect();
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let mut work = Work {
        accounts: HashMap::with_capacity(accounts.len()),
        actor,
        now,
        lost,
        recorded_just_now,
    };
    for (id, located) in lock_many(db, &accounts)? {
        work.accounts.insert(id, located.map(Working::new));
    }
    let outcomes: Result<Vec<_>, LedgerError> = items.iter().map(|item| work.carry_out(db, item)).collect();
    work.flush(db, None)?;
    outcomes
}

/// Records every attempt before any effect; for each with an account, whether it was the first of its key.
///
/// A key that was only refused or failed may be tried again: each try is a record of its own.
fn record(db: &mut Db, items: &[Item<'_>], actor: &Actor, now: Timestamp) -> Result<Vec<bool>, DbError> {
    let with_account = || items.iter().filter_map(|item| Some((item, item.account?)));
    let attempts: Vec<(AccountId, NewIntent<'_>)> = with_account()
        .map(|(item, account)| (account, intent(item, actor, now)))
        .collect();
    let fresh = intents_insert(db, &attempts)?;
    for ((item, account), _) in with_account()
        .zip(&fresh)
        .filter(|((item, _), fresh)| !**fresh && !item.is_ours)
    {
        attempt_of(item, 0).record_again_in(db, account, &intent(item, actor, now))?;
    }
    Ok(fresh)
}

fn learn(items: &mut [Item<'_>], recorded: Vec<bool>) {
    let with_account = items.iter_mut().filter(|item| item.account.is_some());
    for (item, fresh) in with_account.zip(recorded) {
        item.is_new = fresh;
        item.is_ours |= fresh;
    }
}

fn intent<'a>(item: &'a Item<'_>, actor: &'a Actor, now: Timestamp) -> NewIntent<'a> {
    NewIntent {
        key: &item.key,
        operation: operation_name(&item.request.operation),
        payload: &item.payload,
        actor,
        created_at: now,
    }
}

fn attempt_of<'a>(item: &'a Item<'_>, lost: u32) -> Attempt<'a> {
    Attempt {
        request: item.request,
        key: &item.key,
        payload: &item.payload,
        started: Stopwatch::start(),
        lost: if item.is_ours { lost } else { 0 },
    }
}

/// An account at work, and what of it waits to be written.
struct Working<'a> {
    located: Located,
    /// What the database has.
    before: State,
    entries: Vec<Entry>,
    ended: Vec<Ended<'a>>,
}

impl Working<'_> {
    fn new(located: Located) -> Self {
        Self {
            before: located.state,
            located,
            entries: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn append(&mut self) -> Option<Append> {
        let append = Append {
            account: self.located.account.id,
            before: self.before,
            entries: std::mem::take(&mut self.entries),
            after: self.located.state,
        };
        self.before = self.located.state;
        (!append.entries.is_empty()).then_some(append)
    }
}

/// The transaction of a batch so far.
struct Work<'a> {
    accounts: HashMap<AccountId, Result<Working<'a>, DbError>>,
    actor: &'a Actor,
    now: Timestamp,
    lost: u32,
    /// Whether what an item knows about its key still holds.
    recorded_just_now: bool,
}

impl<'a> Work<'a> {
    /// The outer error ends the batch, the inner one is this request's.
    fn carry_out(&mut self, db: &mut Db, item: &'a Item<'_>) -> Result<Result<Outcome, LedgerError>, LedgerError> {
        let missing = || {
            Outcome::Refused(Refusal::AccountNotFound {
                user_id: item.request.user_id.to_string(),
            })
        };
        let Some(id) = item.account else {
            return Ok(Ok(missing()));
        };
        match self.accounts.get_mut(&id) {
            None => Ok(Ok(missing())),
            Some(Err(damage)) => Ok(Err(DbError::Integrity(damage.to_string()).into())),
            Some(Ok(working)) => {
                let simple = self.recorded_just_now
                    && item.is_new
                    && item.request.operation.subject() == Subject::None
                    && !working.located.account.limits.any();
                if simple && let Some(outcome) = in_memory(working, item, self.actor, self.now)? {
                    return Ok(Ok(outcome));
                }
                self.on_the_database(db, id, item).map(Ok)
            }
        }
    }

    fn on_the_database(&mut self, db: &mut Db, id: AccountId, item: &Item<'_>) -> Result<Outcome, LedgerError> {
        self.flush(db, Some(id))?;
        let attempt = attempt_of(item, self.lost);
        let mut found = intent_find(db, id, &item.key)?;
        if !item.is_ours
            && found
                .as_ref()
                .is_some_and(|intent| intent.state != IntentState::Applied)
        {
            // The same key was refused earlier in this batch.
            attempt.record_again_in(db, id, &intent(item, self.actor, self.now))?;
            found = intent_find(db, id, &item.key)?;
        }
        let gone = || DbError::Integrity(format!("account {id} has disappeared"));
        let located = look(db, id)?.ok_or_else(gone)?;
        let outcome = attempt.judge_key(db, located, found, &attempt.stamp(self.actor, self.now))?;
        let after = look(db, id)?.ok_or_else(gone)?;
        self.accounts.insert(id, Ok(Working::new(after)));
        Ok(outcome)
    }

    /// Writes what waits, of one account or of all.
    fn flush(&mut self, db: &mut Db, only: Option<AccountId>) -> Result<(), LedgerError> {
        let (mut appends, mut ended): (Vec<Append>, Vec<Ended<'a>>) = (Vec::new(), Vec::new());
        let mut take = |working: &mut Working<'a>| {
            appends.extend(working.append());
            ended.append(&mut working.ended);
        };
        match only {
            Some(id) => {
                if let Some(Ok(working)) = self.accounts.get_mut(&id) {
                    take(working);
                }
            }
            None => self
                .accounts
                .values_mut()
                .filter_map(|found| found.as_mut().ok())
                .for_each(take),
        }
        // In the order of the keys: neighbours share their pages.
        appends.sort_by_key(|append| append.account);
        ended.sort_by_key(|ended| (ended.account, ended.key));
        if !appends.is_empty() {
            append_many(db, &appends)?;
        }
        if !ended.is_empty() {
            intents_end(db, &ended)?;
        }
        Ok(())
    }
}

/// Judges on what the requests before have left, and lets the entries wait; `None` for what needs the database.
fn in_memory<'a>(
    working: &mut Working<'a>,
    item: &'a Item<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Outcome>, LedgerError> {
    let attempt = attempt_of(item, 0);
    let Located { account, state } = &working.located;
    let snapshot = Snapshot {
        account: account.clone(),
        state: *state,
        suspension: None,
        usage: Usage::default(),
        found: Found::Nothing,
    };
    let operation = &item.request.operation;
    let (outcome, made) = match decide(&snapshot, operation, now) {
        Verdict::Apply(effects) if effects.is_plain() => {
            let posting = sealed(&snapshot, operation, &effects, &attempt.stamp(actor, now))?;
            working.entries.extend(posting.entries.iter().cloned());
            working.located.state = posting.state;
            let ends = posting.entries.first().zip(posting.entries.last());
            let made = Made {
                entries: ends.map(|(first, last)| (first.seq, last.seq)),
                subject: None,
            };
            (
                Outcome::Applied(Box::new(Posted::plain(snapshot.account, posting))),
                Ok(made),
            )
        }
        Verdict::Refuse(refusal) => {
            let reason = refusal.code().name();
            (Outcome::Refused(refusal), Err(reason))
        }
        Verdict::Apply(_) | Verdict::Already | Verdict::Suspend(..) => return Ok(None),
    };
    working.ended.push(Ended {
        account: working.located.account.id,
        key: &item.key,
        outcome: made,
        took: attempt.started.elapsed(),
    });
    Ok(Some(outcome))
}
