//! The transactions of a batch: one on keys that are taken for new, two where they are looked up first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Keep;
use super::item::{Done, Item};
use super::whole::Whole;
use super::work::{Keys, Turn};
use crate::db::intents::{NewIntent, intent_insert};
use crate::db::intents_bulk::{intents_find, intents_insert};
use crate::db::unit_of_work::{Transient, write, write_relaxed};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::intent::{Intent, IntentState};
use crate::domain::text::{Actor, IdempotencyKey};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::clock::Stopwatch;
use crate::ledger::error::LedgerError;
use crate::ledger::post::{Answer, Outcome, RECONNECTS};

/// Why a transaction of many was not kept.
pub(super) enum Stopped {
    /// A key that was taken for new is not.
    KeyKnown,
    /// On purpose, with what would have happened.
    RolledBack(Vec<Done>),
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
pub(super) fn in_one_go(
    ledger: &mut Ledger,
    items: &[Item<'_>],
    whole: &Whole,
    now: Timestamp,
) -> Result<Vec<Done>, Stopped> {
    let (actor, started) = (ledger.actor.clone(), Stopwatch::start());
    whole.record(ledger, now)?;
    let done = write(&mut ledger.db, "batch", |db| {
        let (actor, keys) = (&actor, Keys::TakenForNew);
        let answers = Turn { actor, now, keys }.carry_out_all(db, items)?;
        whole.carried_out(db, started)?;
        Ok(answers)
    });
    match &done {
        Err(Stopped::KeyKnown) => whole.given_up(ledger, (IntentState::Refused, "not_all_new"), started),
        // Where the connection is gone, whether it was carried out is looked up first.
        Err(Stopped::Broken(error)) if !error.leaves_open() => {
            whole.given_up(ledger, (IntentState::Failed, error.code().name()), started);
        }
        Err(_) | Ok(_) => {}
    }
    done
}

/// Records the attempts and carries them out; that they were made survives whatever happens to them.
pub(super) fn carefully(
    ledger: &mut Ledger,
    items: &mut [Item<'_>],
    now: Timestamp,
    lost: u32,
) -> Result<Vec<Done>, LedgerError> {
    let actor = ledger.actor.clone();
    let recorded = write_relaxed(&mut ledger.db, "intents", |db| record(db, items, &actor, now))?;
    learn(items, recorded);
    let items = &*items;
    let mut keys = Keys::Recorded { lost };
    let done = write(&mut ledger.db, "batch", |db| {
        // Somebody else may have settled a key after it was recorded: a second try looks every key up.
        let keys = std::mem::replace(&mut keys, Keys::RecordedEarlier { lost });
        let actor = &actor;
        Turn { actor, now, keys }.carry_out_all(db, items)
    });
    let answers = done.map_err(|stopped| match stopped {
        Stopped::Broken(error) => error,
        Stopped::KeyKnown | Stopped::RolledBack(_) => DbError::Retry("a key has appeared meanwhile".into()).into(),
    })?;
    for (item, done) in items.iter().zip(&answers) {
        if let (Err(error), Some(account)) = (done, item.account) {
            item.attempt(lost).record_failure(ledger, account, error);
        }
    }
    Ok(answers)
}

pub(super) fn in_one_transaction(
    ledger: &mut Ledger,
    items: &mut [Item<'_>],
    now: Timestamp,
    keep: Keep,
) -> Result<(Vec<Done>, bool), LedgerError> {
    let actor = ledger.actor.clone();
    let mut keys = Keys::TakenForNew;
    loop {
        let ours: Vec<bool> = items.iter().map(|item| item.is_ours).collect();
        let mut is_committed = false;
        let done = write(&mut ledger.db, "batch", |db| {
            // What a try has recorded that was rolled back is nobody's.
            restore(items, &ours);
            is_committed = false;
            if keys != Keys::TakenForNew {
                let recorded = record(db, items, &actor, now)?;
                learn(items, recorded);
            }
            let actor = &actor;
            let answers = Turn { actor, now, keys }.carry_out_all(db, items)?;
            let is_done = |answer: &Answer| matches!(answer.outcome, Outcome::Applied(_) | Outcome::AlreadyApplied(_));
            if keep == Keep::Nothing || !answers.iter().all(|done| done.as_ref().is_ok_and(is_done)) {
                return Err(Stopped::RolledBack(answers));
            }
            is_committed = true;
            Ok(answers)
        });
        match done {
            Ok(answers) => return Ok((answers, true)),
            Err(Stopped::RolledBack(answers)) => return Ok((answers, false)),
            Err(Stopped::KeyKnown) => keys = Keys::Recorded { lost: keys.lost() },
            // The commit may have happened, if it had come to that: the keys tell.
            Err(Stopped::Broken(error))
                if error.is_cut_off() && keys.lost() < RECONNECTS && ledger.db.reconnect().is_ok() =>
            {
                if !is_committed {
                    restore(items, &ours);
                } else if keys == Keys::TakenForNew {
                    for item in items.iter_mut() {
                        item.is_ours = item.comes_first;
                    }
                }
                keys = Keys::Recorded { lost: keys.lost() + 1 };
            }
            Err(Stopped::Broken(LedgerError::Db(cause))) if cause.leaves_open() && keep == Keep::AllOrNothing => {
                return Err(in_doubt(items, cause));
            }
            Err(Stopped::Broken(error)) => return Err(error),
        }
    }
}

fn restore(items: &mut [Item<'_>], ours: &[bool]) {
    for (item, is_ours) in items.iter_mut().zip(ours) {
        item.is_ours = *is_ours;
    }
}

/// All or nothing may have been applied: whichever key is asked for tells of all.
fn in_doubt(items: &[Item<'_>], cause: DbError) -> LedgerError {
    match items.iter().find(|item| item.account.is_some()) {
        Some(Item { prepared, .. }) => LedgerError::InDoubt {
            key: prepared.key.to_string(),
            user_id: prepared.request.user_id.to_string(),
            cause,
        },
        None => cause.into(),
    }
}

/// What the recording of an attempt has told of its key.
struct Heard {
    /// It is the first attempt under this key.
    is_new: bool,
    /// The attempt that was applied earlier.
    applied: Option<Arc<Intent>>,
}

/// Records every attempt before any effect; what was heard of each with an account, by its place.
///
/// A key that was only refused or failed may be tried again: each try is a record of its own.
fn record(db: &mut Db, items: &[Item<'_>], actor: &Actor, now: Timestamp) -> Result<Vec<(usize, Heard)>, DbError> {
    let with_account = items.iter().enumerate();
    let mut with_account: Vec<(usize, &Item<'_>, AccountId)> = with_account
        .filter_map(|(at, item)| Some((at, item, item.account?)))
        .collect();
    // In the order of the keys, of which those of one account lie together.
    with_account.sort_by_key(|(_, item, account)| (*account, &item.prepared.key));
    let attempts: Vec<(AccountId, NewIntent<'_>)> = with_account
        .iter()
        .map(|(_, item, account)| (*account, item.intent(actor, now)))
        .collect();
    let fresh = intents_insert(db, &attempts)?;
    let known: Vec<(AccountId, &IdempotencyKey)> = attempts
        .iter()
        .zip(&fresh)
        .filter(|(_, fresh)| !**fresh)
        .map(|((account, new), _)| (*account, new.key))
        .collect();
    let known: HashMap<(AccountId, IdempotencyKey), Arc<Intent>> = intents_find(db, &known)?
        .into_iter()
        .map(|intent| ((intent.account, intent.key.clone()), Arc::new(intent)))
        .collect();
    let mut heard = Vec::with_capacity(fresh.len());
    for (((at, item, account), (_, new)), is_new) in with_account.into_iter().zip(&attempts).zip(fresh) {
        let prior = known.get(&(account, new.key.clone())).filter(|_| !is_new);
        if let Some(prior) = prior
            && !item.is_ours
            && item.attempt(0).follows(prior)
        {
            intent_insert(db, account, new, prior.attempt + 1)?;
        }
        let applied = prior.filter(|prior| prior.state == IntentState::Applied).cloned();
        heard.push((at, Heard { is_new, applied }));
    }
    Ok(heard)
}

fn learn(items: &mut [Item<'_>], heard: Vec<(usize, Heard)>) {
    for (at, Heard { is_new, applied }) in heard {
        let item = &mut items[at];
        item.is_new = is_new;
        item.is_ours |= is_new;
        item.applied = applied;
    }
}
