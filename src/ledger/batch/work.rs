//! The transaction of a batch: every request judged on what the ones before it have left.
//!
//! What only makes entries waits in memory and is written together; what reads or writes records of its own is carried
//! out on the database, after what its account has waiting.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::item::{Came, Item};
use super::transaction::Stopped;
use crate::db::bulk::{Append, append_many, lock_many};
use crate::db::intents::{Made, intent_find, intent_insert};
use crate::db::intents_bulk::{End, Ended, intents_end, intents_insert_ended};
use crate::db::outbox::{NewEvent, events_insert};
use crate::db::snapshot::{Located, look};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::effects::Verdict;
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::intent::IntentState;
use crate::domain::operation::Subject;
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Found, Snapshot, Usage};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::outbox::sealed_event;
use crate::ledger::post::{Outcome, Posted, sealed};

/// What is known of the keys, after so many lost connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Nobody has looked: each is new until the database says otherwise.
    TakenForNew,
    /// Each attempt has just been recorded, and the items know what was found.
    Recorded { lost: u32 },
    /// That is a while ago.
    RecordedEarlier { lost: u32 },
}

/// An account at work, and what of it waits to be written.
struct Working<'a> {
    located: Located,
    /// What the database has.
    before: State,
    postings: Vec<Arc<[Entry]>>,
    ended: Vec<Ended<'a>>,
    events: Vec<NewEvent>,
}

impl Working<'_> {
    fn new(located: Located) -> Self {
        Self {
            before: located.state,
            located,
            postings: Vec::new(),
            ended: Vec::new(),
            events: Vec::new(),
        }
    }

    fn append(&mut self) -> Option<Append> {
        let append = Append {
            account: self.located.account.id,
            before: self.before,
            postings: std::mem::take(&mut self.postings),
            after: self.located.state,
        };
        self.before = self.located.state;
        (!append.postings.is_empty()).then_some(append)
    }
}

pub(super) struct Work<'a> {
    actor: &'a Actor,
    now: Timestamp,
    keys: Keys,
    accounts: HashMap<AccountId, Result<Working<'a>, DbError>>,
    /// Attempts on accounts that are damaged.
    failed: Vec<Ended<'a>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(actor: &'a Actor, now: Timestamp, keys: Keys) -> Self {
        Self {
            actor,
            now,
            keys,
            accounts: HashMap::new(),
            failed: Vec::new(),
        }
    }

    /// Carries out every item, in order, on accounts that are locked together.
    pub(super) fn carry_out_all(mut self, db: &mut Db, items: &[Item<'a>]) -> Result<Vec<Came>, Stopped> {
        let accounts: BTreeSet<AccountId> = items.iter().filter_map(|item| item.account).collect();
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        self.accounts.reserve(accounts.len());
        for (id, located) in lock_many(db, &accounts)? {
            self.accounts.insert(id, located.map(Working::new));
        }
        let outcomes: Result<Vec<Came>, Stopped> = items.iter().map(|item| self.carry_out(db, item)).collect();
        self.flush(db, None)?;
        outcomes
    }

    /// The outer error ends the batch, the inner one is this request's.
    fn carry_out(&mut self, db: &mut Db, item: &Item<'a>) -> Result<Came, Stopped> {
        let request = &item.prepared.request;
        let found = item.account.and_then(|id| Some((id, self.accounts.get_mut(&id)?)));
        match found {
            None => Ok(Ok(Outcome::Refused(Refusal::AccountNotFound {
                user_id: request.user_id.to_string(),
            }))),
            Some((id, Err(damage))) => {
                let damage = LedgerError::from(DbError::Integrity(damage.to_string()));
                if self.keys == Keys::TakenForNew && item.comes_first {
                    self.failed.push(Ended {
                        account: id,
                        new: item.intent(self.actor, self.now),
                        end: End::Failed(damage.code().name()),
                        took: std::time::Duration::ZERO,
                    });
                }
                Ok(Err(damage))
            }
            Some((id, Ok(working))) => {
                let is_new = match self.keys {
                    Keys::TakenForNew => item.comes_first,
                    Keys::Recorded { .. } => item.is_new,
                    Keys::RecordedEarlier { .. } => false,
                };
                let simple =
                    is_new && request.operation.subject() == Subject::None && !working.located.account.limits.any();
                if simple && let Some(outcome) = in_memory(working, item, self.actor, self.now)? {
                    return Ok(Ok(outcome));
                }
                self.on_the_database(db, id, item).map(Ok)
            }
        }
    }

    fn on_the_database(&mut self, db: &mut Db, id: AccountId, item: &Item<'a>) -> Result<Outcome, Stopped> {
        self.flush(db, Some(id))?;
        let (is_recorded, lost) = match self.keys {
            Keys::TakenForNew => (item.comes_first, 0),
            Keys::Recorded { lost } | Keys::RecordedEarlier { lost } => (item.is_ours, lost),
        };
        let (attempt, new) = (item.attempt(lost), item.intent(self.actor, self.now));
        if self.keys == Keys::TakenForNew && item.comes_first && !intent_insert(db, id, &new, 1)? {
            return Err(Stopped::KeyKnown);
        }
        let mut found = intent_find(db, id, &item.prepared.key)?;
        if !is_recorded
            && found
                .as_ref()
                .is_some_and(|intent| intent.state != IntentState::Applied)
        {
            // The same key was refused earlier in this batch.
            attempt.record_again_in(db, id, &new)?;
            found = intent_find(db, id, &item.prepared.key)?;
        }
        let gone = || DbError::Integrity(format!("account {id} has disappeared"));
        let located = look(db, id)?.ok_or_else(gone)?;
        let outcome = attempt.judge_key(db, located, found, &attempt.stamp(self.actor, self.now))?;
        let after = look(db, id)?.ok_or_else(gone)?;
        self.accounts.insert(id, Ok(Working::new(after)));
        Ok(outcome)
    }

    /// Writes what waits, of one account or of all.
    fn flush(&mut self, db: &mut Db, only: Option<AccountId>) -> Result<(), Stopped> {
        let (mut appends, mut ended, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let mut take = |working: &mut Working<'a>| {
            appends.extend(working.append());
            ended.append(&mut working.ended);
            events.append(&mut working.events);
        };
        if let Some(id) = only {
            if let Some(Ok(working)) = self.accounts.get_mut(&id) {
                take(working);
            }
        } else {
            self.accounts
                .values_mut()
                .filter_map(|found| found.as_mut().ok())
                .for_each(take);
            ended.append(&mut self.failed);
        }
        // In the order of the keys: neighbours share their pages.
        appends.sort_unstable_by_key(|append: &Append| append.account);
        ended.sort_unstable_by_key(|ended: &Ended<'_>| (ended.account, ended.new.key));
        events.sort_by_key(|event: &NewEvent| event.account);
        // Keys first: one that is known ends it all.
        if !ended.is_empty() {
            match self.keys {
                Keys::TakenForNew => {
                    if !intents_insert_ended(db, &ended)? {
                        return Err(Stopped::KeyKnown);
                    }
                }
                Keys::Recorded { .. } | Keys::RecordedEarlier { .. } => intents_end(db, &ended)?,
            }
        }
        if !appends.is_empty() {
            append_many(db, &appends)?;
        }
        events_insert(db, &events)?;
        Ok(())
    }
}

/// Judges on what the requests before have left, and lets the entries wait; `None` for what needs the database.
fn in_memory<'a>(
    working: &mut Working<'a>,
    item: &Item<'a>,
    actor: &'a Actor,
    now: Timestamp,
) -> Result<Option<Outcome>, LedgerError> {
    let attempt = item.attempt(0);
    let Located { account, state } = &working.located;
    let snapshot = Snapshot {
        account: account.clone(),
        state: *state,
        suspension: None,
        usage: Usage::default(),
        found: Found::Nothing,
    };
    let operation = &item.prepared.request.operation;
    let (outcome, end, events) = match decide(&snapshot, operation, now) {
        Verdict::Apply(effects) if effects.is_plain() => {
            let posting = sealed(&snapshot, operation, &effects, &attempt.stamp(actor, now))?;
            let events = Event::of_posting(account, &state.figures, &posting, None);
            if !posting.entries.is_empty() {
                working.postings.push(Arc::clone(&posting.entries));
            }
            working.located.state = posting.state;
            let ends = posting.entries.first().zip(posting.entries.last());
            let made = Made {
                entries: ends.map(|(first, last)| (first.seq, last.seq)),
                subject: None,
            };
            (
                Outcome::Applied(Box::new(Posted::plain(snapshot.account, posting))),
                End::Applied(made),
                events,
            )
        }
        Verdict::Refuse(refusal) => {
            let (reason, asked) = (refusal.code().name(), &item.prepared.request);
            let event = Event::of_refusal(
                &account.currency,
                (operation, &asked.note),
                &item.prepared.key,
                &refusal,
            );
            (
                Outcome::Refused(refusal),
                End::Refused(reason),
                event.into_iter().collect(),
            )
        }
        Verdict::Apply(_) | Verdict::Already | Verdict::Suspend(..) => return Ok(None),
    };
    let id = working.located.account.id;
    let kept = events.iter().map(|event| sealed_event(id, event, now));
    working.events.extend(kept);
    working.ended.push(Ended {
        account: id,
        new: item.intent(actor, now),
        end,
        took: attempt.started.elapsed(),
    });
    Ok(Some(outcome))
}
