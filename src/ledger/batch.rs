//! Many requests at once: the rules, locks, keys and records of single ones, in few transactions.
//!
//! The attempt of the whole batch is recorded first. Then all accounts are locked in the order of their ids, each
//! request is judged on the state that the ones before it have left (`work`), and entries, balance rows and the
//! intent of each request, with its outcome, are written in one transaction. That counts on keys that nobody has heard
//! of. Where one turns out to be known, nothing is kept, and the batch goes the careful way: the attempt of each
//! request is recorded by itself first, which finds out about its key.

mod item;
mod recalled;
mod records;
mod share;
mod transaction;
mod whole;
mod work;
mod working;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Ledger;
use super::clock::Stopwatch;
use super::error::LedgerError;
use super::post::{RECONNECTS, Request, post};
use crate::db::{accounts, holds};
use crate::domain::account::AccountId;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Note;
use crate::domain::intent::{IntentState, STRANDED};
use crate::domain::operation::Operation;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;
use item::Item;
use transaction::{Stopped, carefully, in_one_go, in_one_transaction};
use whole::Whole;

pub use item::{Done, Prepared};

/// Remembers between batches which account is whose: that never changes.
#[derive(Default)]
pub struct Batches {
    accounts: HashMap<CurrencyCode, HashMap<UserId, AccountId>>,
    /// How many batches more are expected to bring keys that are known.
    careful: u8,
}

/// Whoever waits for SQLite's one lock looks every few milliseconds whether it is free; after a batch of many, it is for
/// so long.
const TURN_OF_OTHERS: Duration = Duration::from_millis(10);
const MANY: usize = 10_000;

/// So many accounts that are busy are taken for all: each has been waited for.
pub(super) const MOST_BUSY: usize = 3;

/// For how many batches known keys are expected after one was met: a file that is sent again has many.
const CAREFUL_FOR: u8 = 50;

/// Of these, what was found under each key is held in memory.
const CAREFULLY_AT_ONCE: usize = 65_536;

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

    /// How many requests it takes at once before it parts them.
    pub const fn at_once(&self) -> usize {
        if self.careful > 1 {
            CAREFULLY_AT_ONCE
        } else {
            usize::MAX
        }
    }

    /// Carries out every request, in order; each is applied or refused by itself, exactly once per key. Where something
    /// stops it, the answers are those of the requests before.
    pub fn carry_out(&mut self, ledger: &mut Ledger, requests: &[Prepared]) -> (Vec<Done>, Result<(), LedgerError>) {
        let mut answers = Vec::new();
        if requests.is_empty() {
            return (answers, Ok(()));
        }
        let ended = self.answer_all(ledger, requests, &mut answers);
        if requests.len() >= MANY {
            std::thread::sleep(TURN_OF_OTHERS);
        }
        (answers, ended)
    }

    fn answer_all(
        &mut self,
        ledger: &mut Ledger,
        requests: &[Prepared],
        answers: &mut Vec<Done>,
    ) -> Result<(), LedgerError> {
        let now = ledger.now();
        let overdue = self.overdue(ledger, requests, now)?;
        let mut items = self.items(ledger, &overdue, requests)?;
        let ended = self.try_out(ledger, &mut items, now, answers);
        answers.drain(..overdue.len().min(answers.len()));
        ended
    }

    fn try_out(
        &mut self,
        ledger: &mut Ledger,
        items: &mut [Item<'_>],
        now: Timestamp,
        answers: &mut Vec<Done>,
    ) -> Result<(), LedgerError> {
        let mut lost = 0;
        self.careful = self.careful.saturating_sub(1);
        if self.careful == 0 {
            let whole = Whole::new(items.len())?;
            match in_one_go(ledger, items, &whole, now) {
                Ok(done) => {
                    *answers = done;
                    return Ok(());
                }
                Err(Stopped::KeyKnown | Stopped::RolledBack(_)) => self.careful = CAREFUL_FOR,
                Err(Stopped::Broken(error)) if error.is_cut_off() => {
                    lost = 1;
                    ledger.db.reconnect()?;
                    find_out(ledger, items, &whole, &mut lost)?;
                }
                Err(Stopped::Broken(error)) => return or_one_by_one(ledger, items, error, answers),
            }
        }
        for some in items.chunks_mut(CAREFULLY_AT_ONCE) {
            match on_fresh_connections(ledger, &mut lost, |ledger, lost| carefully(ledger, some, now, lost)) {
                Ok(mut done) => answers.append(&mut done),
                Err(error) => or_one_by_one(ledger, some, error, answers)?,
            }
        }
        Ok(())
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
        let (mut answers, kept) = in_one_transaction(ledger, &mut items, now, keep)?;
        answers.drain(..overdue.len());
        Ok((answers, kept))
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
                applied: None,
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

/// Repeats what a lost connection has cut off.
fn on_fresh_connections<T>(
    ledger: &mut Ledger,
    lost: &mut u32,
    mut act: impl FnMut(&mut Ledger, u32) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    loop {
        match act(ledger, *lost) {
            Err(error) if error.is_cut_off() && *lost < RECONNECTS => {
                *lost += 1;
                ledger.db.reconnect()?;
            }
            done => return done,
        }
    }
}

/// The commit may have happened: then what is found under keys of the batch is its own work.
fn find_out(ledger: &mut Ledger, items: &mut [Item<'_>], whole: &Whole, lost: &mut u32) -> Result<(), LedgerError> {
    let happened = on_fresh_connections(ledger, lost, |ledger, _| Ok(whole.was_carried_out(&mut ledger.db)?))?;
    if happened {
        for item in items {
            item.is_ours = item.comes_first;
        }
    } else {
        whole.given_up(ledger, (IntentState::Failed, STRANDED), Stopwatch::start());
    }
    Ok(())
}

/// What would befall each of them stops all; if something is wrong with one, the others go on.
fn or_one_by_one(
    ledger: &mut Ledger,
    items: &[Item<'_>],
    error: LedgerError,
    answers: &mut Vec<Done>,
) -> Result<(), LedgerError> {
    if ledger.would_befall_all(&error) {
        return Err(error);
    }
    answers.append(&mut one_by_one(ledger, items));
    Ok(())
}

/// Each as a single command would. An account that is busy is waited for once, and after some of them no more: who holds
/// those may hold all.
fn one_by_one(ledger: &mut Ledger, items: &[Item<'_>]) -> Vec<Done> {
    let mut busy: HashSet<Option<AccountId>> = HashSet::new();
    let each = items.iter().map(|item| {
        if busy.contains(&item.account) || busy.len() >= MOST_BUSY {
            let not_waited = "others before it were, and were waited for in vain; send it again";
            return Err(LedgerError::Busy(not_waited.to_owned()));
        }
        let done = alone(ledger, item);
        if done.as_ref().is_err_and(LedgerError::is_busy) {
            busy.insert(item.account);
        }
        done
    });
    each.collect()
}

/// As a single command would; it finds its key recorded already, or not at all.
fn alone(ledger: &mut Ledger, item: &Item<'_>) -> Done {
    let request = Request {
        key: Some(item.prepared.key.clone()),
        ..item.prepared.request.clone()
    };
    post(ledger, &request)
}
