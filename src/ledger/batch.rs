//! Many requests at once: the rules, locks, keys and records of single ones, in few transactions.
//!
//! The attempt of the whole batch is recorded first. Then all accounts are locked in the order of their ids, each
//! request is judged on the state that the ones before it have left ([`work`]), and entries, balance rows and the
//! intent of each request, with its outcome, are written in one transaction. That counts on keys that nobody has heard
//! of. Where one turns out to be known, nothing is kept, and the batch goes the careful way: the attempt of each
//! request is recorded by itself first, which finds out about its key.

mod work;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Ledger;
use super::clock::Stopwatch;
use super::currency::NO_ACCOUNT;
use super::error::LedgerError;
use super::payload::{operation_name, payload};
use super::post::{Answer, Attempt, Outcome, Request, made_up_key, post};
use crate::db::intents::{Made, NewIntent, intent_applied, intent_ended, intent_find, intent_insert};
use crate::db::intents_bulk::intents_insert;
use crate::db::unit_of_work::{Transient, write, write_relaxed};
use crate::db::{Db, DbError, accounts, holds};
use crate::domain::account::AccountId;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::intent::{IntentState, Payload};
use crate::domain::operation::Operation;
use crate::domain::text::{Actor, IdempotencyKey, UserId};
use crate::domain::time::Timestamp;
use work::{Keys, Work};

/// What became of one request of many.
pub type Done = Result<Answer, LedgerError>;

/// The same, while the batch is at work.
type Came = Result<Outcome, LedgerError>;

/// A request with all that can be made of it before the ledger is asked.
#[derive(Clone, Debug)]
pub struct Prepared {
    request: Request,
    key: IdempotencyKey,
    payload: Payload,
}

impl Prepared {
    pub fn new(request: Request) -> Result<Self, LedgerError> {
        Ok(Self {
            key: request.key.clone().map_or_else(made_up_key, Ok)?,
            payload: payload(&request.operation, &request.note, &request.currency),
            request,
        })
    }
}

/// Remembers between batches which account is whose: that never changes.
#[derive(Default)]
pub struct Batches {
    accounts: HashMap<CurrencyCode, HashMap<UserId, AccountId>>,
    /// How many batches more are expected to bring keys that are known.
    careful: u8,
}

/// One request of the batch, and what is known of it.
struct Item<'a> {
    prepared: &'a Prepared,
    account: Option<AccountId>,
    /// Whether none before it in this batch has its key.
    comes_first: bool,
    /// Whether this round was the first that was heard of the key.
    is_new: bool,
    /// Whether this batch was: after a lost connection, what is found applied is our own work.
    is_ours: bool,
}

/// How often a lost connection is replaced within one batch.
const RECONNECTS: u32 = 10;

/// Whoever waits for SQLite's one lock looks every few milliseconds whether it is free; after a batch of many, it is for
/// so long.
const TURN_OF_OTHERS: Duration = Duration::from_millis(10);
const MANY: usize = 10_000;

/// For how many batches known keys are expected after one was met: a file that is sent again has many.
const CAREFUL_FOR: u8 = 50;

/// When a batch that must hold together is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only if not a single request is refused.
    AllOrNothing,
    /// Never: what would happen is all that is wanted.
    Nothing,
}

impl Batches {
    /// For a run of many batches, to be ended with [`Batches::end`].
    pub fn begin(ledger: &mut Ledger) -> Result<Self, LedgerError> {
        ledger.db.begin_bulk()?;
        Ok(Self::default())
    }

    /// Leaves the database as single commands want it.
    pub fn end(ledger: &mut Ledger) -> Result<(), LedgerError> {
        Ok(ledger.db.end_bulk()?)
    }

    /// Carries out every request, in order; each is applied or refused by itself, exactly once per key.
    pub fn carry_out(&mut self, ledger: &mut Ledger, requests: &[Prepared]) -> Result<Vec<Done>, LedgerError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let now = ledger.now();
        let overdue = self.overdue(ledger, requests, now)?;
        let mut items = self.items(ledger, &overdue, requests)?;
        let whole = Whole::new(&items)?;
        let mut lost = 0;
        let done = loop {
            match self.try_out(ledger, &mut items, &whole, (now, lost)) {
                Ok(outcomes) => break answers(items, outcomes),
                Err(LedgerError::Db(DbError::Lost(_) | DbError::Unreachable(_))) if lost < RECONNECTS => {
                    // The commit may have happened: the keys tell.
                    lost += 1;
                    ledger.db.reconnect()?;
                }
                // The same would happen to each of them.
                Err(
                    error @ (LedgerError::Interrupted
                    | LedgerError::Db(
                        DbError::Busy(_) | DbError::Lost(_) | DbError::Unreachable(_) | DbError::Storage(_),
                    )),
                ) => return Err(error),
                // Something is wrong with one of them: one by one, the others go on.
                Err(_) => break items.iter().map(|item| alone(ledger, item)).collect(),
            }
        };
        if requests.len() >= MANY {
            std::thread::sleep(TURN_OF_OTHERS);
        }
        Ok(done.into_iter().skip(overdue.len()).collect())
    }

    fn try_out(
        &mut self,
        ledger: &mut Ledger,
        items: &mut [Item<'_>],
        whole: &Whole,
        (now, lost): (Timestamp, u32),
    ) -> Result<Vec<Came>, LedgerError> {
        if lost > 0 && whole.was_carried_out(&mut ledger.db)? {
            for item in items.iter_mut() {
                item.is_ours = item.comes_first;
            }
        }
        self.careful = self.careful.saturating_sub(1);
        if lost == 0 && self.careful == 0 {
            match in_one_go(ledger, items, whole, now) {
                Ok(outcomes) => return Ok(outcomes),
                Err(Stopped::Broken(error)) => return Err(error),
                Err(Stopped::KeyKnown | Stopped::RolledBack(_)) => self.careful = CAREFUL_FOR,
            }
        }
        carefully(ledger, items, now, lost)
    }

    /// Carries out every request in one transaction; whether it was kept.
    pub fn carry_out_together(
        &mut self,
        ledger: &mut Ledger,
        requests: &[Prepared],
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
        requests: &[Prepared],
        now: Timestamp,
    ) -> Result<Vec<Prepared>, LedgerError> {
        let overdue = holds::accounts_overdue(&mut ledger.db, now)?;
        if overdue.is_empty() {
            return Ok(Vec::new());
        }
        self.learn_accounts(ledger, requests)?;
        let mut touched = HashMap::new();
        for Prepared { request, .. } in requests {
            if let Some(id) = self.account_of(request) {
                touched.entry(id).or_insert(request);
            }
        }
        let mut expiries = Vec::new();
        for (id, request) in overdue.iter().filter_map(|id| Some((id, *touched.get(id)?))) {
            for hold in holds::holds_overdue_of(&mut ledger.db, *id, now)? {
                expiries.push(Prepared::new(Request {
                    operation: Operation::ExpireHold { hold: hold.id.number },
                    note: Note::default(),
                    key: None,
                    ..request.clone()
                })?);
            }
        }
        Ok(expiries)
    }

    fn items<'a>(
        &mut self,
        ledger: &mut Ledger,
        first: &'a [Prepared],
        then: &'a [Prepared],
    ) -> Result<Vec<Item<'a>>, LedgerError> {
        self.learn_accounts(ledger, then)?;
        let mut keys = HashSet::with_capacity(first.len() + then.len());
        let items = first.iter().chain(then).map(|prepared| {
            let account = self.account_of(&prepared.request);
            Item {
                prepared,
                account,
                comes_first: keys.insert((account, prepared.key.as_str())),
                is_new: false,
                is_ours: false,
            }
        });
        Ok(items.collect())
    }

    fn account_of(&self, request: &Request) -> Option<AccountId> {
        self.accounts
            .get(request.currency.code())?
            .get(&request.user_id)
            .copied()
    }

    /// Looks up at once all accounts that are met for the first time.
    fn learn_accounts(&mut self, ledger: &mut Ledger, requests: &[Prepared]) -> Result<(), LedgerError> {
        let unknown: HashSet<(&UserId, &CurrencyCode)> = requests
            .iter()
            .filter(|prepared| self.account_of(&prepared.request).is_none())
            .map(|Prepared { request, .. }| (&request.user_id, request.currency.code()))
            .collect();
        let unknown: Vec<_> = unknown.into_iter().collect();
        for (user_id, currency, id) in accounts::accounts_named(&mut ledger.db, &unknown)? {
            self.accounts.entry(currency).or_default().insert(user_id, id);
        }
        Ok(())
    }
}

/// The intent of a batch as a whole, under no account: what is left of it when the process dies on the way.
struct Whole {
    key: IdempotencyKey,
    payload: Payload,
}

impl Whole {
    const OPERATION: &'static str = "apply";

    fn new(items: &[Item<'_>]) -> Result<Self, LedgerError> {
        let fields = [("op", Self::OPERATION.into()), ("requests", items.len().into())];
        let fields = fields.map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value));
        Ok(Self {
            key: made_up_key()?,
            payload: Payload::new(&fields.into_iter().collect()),
        })
    }

    /// Committed before the work; its own commit need not wait for the disk.
    fn record(&self, ledger: &mut Ledger, now: Timestamp) -> Result<(), DbError> {
        let actor = ledger.actor.clone();
        let intent = NewIntent {
            key: &self.key,
            operation: Self::OPERATION,
            payload: &self.payload,
            actor: &actor,
            created_at: now,
        };
        write_relaxed(&mut ledger.db, "batch intent", |db| {
            intent_insert(db, NO_ACCOUNT, &intent, 1).map(|_| ())
        })
    }

    /// In the transaction of the work.
    fn carried_out(&self, db: &mut Db, started: Stopwatch) -> Result<(), DbError> {
        intent_applied(db, NO_ACCOUNT, &self.key, 1, Made::default(), started.elapsed()).map(|_| ())
    }

    /// Best effort: what became of the requests is in their own intents.
    fn given_up(&self, ledger: &mut Ledger, started: Stopwatch) {
        let given_up: Result<(), DbError> = write_relaxed(&mut ledger.db, "batch intent", |db| {
            let (state, reason) = (IntentState::Refused, "not_all_new");
            intent_ended(db, NO_ACCOUNT, &self.key, 1, state, reason, started.elapsed()).map(|_| ())
        });
        if let Err(error) = given_up {
            log::warn!("the end of a batch could not be recorded: {error}");
        }
    }

    /// The answer to "did it commit?" after a lost connection.
    fn was_carried_out(&self, db: &mut Db) -> Result<bool, DbError> {
        let found = intent_find(db, NO_ACCOUNT, &self.key)?;
        Ok(found.is_some_and(|intent| intent.state == IntentState::Applied))
    }
}

/// As a single command would; it finds its key recorded already, or not at all.
fn alone(ledger: &mut Ledger, item: &Item<'_>) -> Done {
    let request = Request {
        key: Some(item.prepared.key.clone()),
        ..item.prepared.request.clone()
    };
    post(ledger, &request)
}

fn answers(items: Vec<Item<'_>>, outcomes: Vec<Came>) -> Vec<Done> {
    let answer = |(item, outcome): (Item<'_>, Came)| {
        Ok(Answer {
            key: item.prepared.key.clone(),
            currency: item.prepared.request.currency.clone(),
            outcome: outcome?,
        })
    };
    items.into_iter().zip(outcomes).map(answer).collect()
}

/// Why a transaction of many was not kept.
enum Stopped {
    /// A key that was taken for new is not.
    KeyKnown,
    /// On purpose, with what would have happened.
    RolledBack(Vec<Came>),
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
            other => other,
        }
    }
}

/// Carries out all on keys that are taken for new.
fn in_one_go(ledger: &mut Ledger, items: &[Item<'_>], whole: &Whole, now: Timestamp) -> Result<Vec<Came>, Stopped> {
    let (actor, started) = (ledger.actor.clone(), Stopwatch::start());
    whole.record(ledger, now)?;
    let done = write(&mut ledger.db, "batch", |db| {
        let outcomes = Work::new(&actor, now, Keys::TakenForNew).carry_out_all(db, items)?;
        whole.carried_out(db, started)?;
        Ok(outcomes)
    });
    if matches!(done, Err(Stopped::KeyKnown)) {
        whole.given_up(ledger, started);
    }
    done
}

/// Records the attempts and carries them out; that they were made survives whatever happens to them.
fn carefully(ledger: &mut Ledger, items: &mut [Item<'_>], now: Timestamp, lost: u32) -> Result<Vec<Came>, LedgerError> {
    let actor = ledger.actor.clone();
    let recorded = write_relaxed(&mut ledger.db, "intents", |db| record(db, items, &actor, now))?;
    learn(items, recorded);
    let items = &*items;
    let mut keys = Keys::Recorded { lost };
    let done = write(&mut ledger.db, "batch", |db| {
        // Somebody else may have settled a key after it was recorded: a second try looks every key up.
        let keys = std::mem::replace(&mut keys, Keys::RecordedEarlier { lost });
        Work::new(&actor, now, keys).carry_out_all(db, items)
    });
    let outcomes = done.map_err(|stopped| match stopped {
        Stopped::Broken(error) => error,
        Stopped::KeyKnown | Stopped::RolledBack(_) => DbError::Retry("a key has appeared meanwhile".into()).into(),
    })?;
    for (item, outcome) in items.iter().zip(&outcomes) {
        if let (Err(error), Some(account)) = (outcome, item.account) {
            attempt_of(item, lost).record_failure(ledger, account, error);
        }
    }
    Ok(outcomes)
}

fn in_one_transaction(
    ledger: &mut Ledger,
    items: &mut [Item<'_>],
    now: Timestamp,
    keep: Keep,
) -> Result<(Vec<Came>, bool), LedgerError> {
    let actor = ledger.actor.clone();
    let mut keys = Keys::TakenForNew;
    loop {
        let done = write(&mut ledger.db, "batch", |db| {
            if keys != Keys::TakenForNew {
                let recorded = record(db, items, &actor, now)?;
                learn(items, recorded);
            }
            let outcomes = Work::new(&actor, now, keys).carry_out_all(db, items)?;
            let refused = |outcome: &Came| !matches!(outcome, Ok(Outcome::Applied(_) | Outcome::AlreadyApplied(_)));
            if keep == Keep::Nothing || outcomes.iter().any(refused) {
                return Err(Stopped::RolledBack(outcomes));
            }
            Ok(outcomes)
        });
        match done {
            Ok(outcomes) => return Ok((outcomes, true)),
            Err(Stopped::RolledBack(outcomes)) => return Ok((outcomes, false)),
            Err(Stopped::Broken(error)) => return Err(error),
            Err(Stopped::KeyKnown) => keys = Keys::Recorded { lost: 0 },
        }
    }
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

fn intent<'a>(item: &Item<'a>, actor: &'a Actor, now: Timestamp) -> NewIntent<'a> {
    NewIntent {
        key: &item.prepared.key,
        operation: operation_name(&item.prepared.request.operation),
        payload: &item.prepared.payload,
        actor,
        created_at: now,
    }
}

fn attempt_of<'a>(item: &Item<'a>, lost: u32) -> Attempt<'a> {
    Attempt {
        request: &item.prepared.request,
        key: &item.prepared.key,
        payload: &item.prepared.payload,
        started: Stopwatch::start(),
        lost: if item.is_ours { lost } else { 0 },
    }
}
