//! The transaction of a batch: every request judged on what the ones before it have left.
//!
//! What only makes entries waits in memory and is written together; what reads or writes records of its own is carried
//! out on the database, after what its account has waiting.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::item::{Came, Item};
use super::recalled::{Recalled, made_or_moved};
use super::records::{self, Records};
use super::transaction::Stopped;
use crate::db::bulk::{Append, append_many, lock_many};
use crate::db::intents::{Made, intent_find, intent_insert};
use crate::db::intents_bulk::{End, Ended, intents_end, intents_insert_ended};
use crate::db::outbox::{NewEvent, events_insert};
use crate::db::records_bulk::{HoldChange, RechargeChange, Wanted, holds_write, recharges_write, subjects};
use crate::db::snapshot::{Located, look};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::effects::Verdict;
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::hold::HoldId;
use crate::domain::intent::IntentState;
use crate::domain::operation::Subject;
use crate::domain::posting::decide;
use crate::domain::recharge::RechargeId;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Snapshot, Usage};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::outbox::sealed_event;
use crate::ledger::post::{Outcome, Posted, sealed};
use crate::ledger::record::{Record, after, with_note_of};

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

impl Keys {
    const fn lost(self) -> u32 {
        match self {
            Self::TakenForNew => 0,
            Self::Recorded { lost } | Self::RecordedEarlier { lost } => lost,
        }
    }
}

/// An account at work, and what of it waits to be written.
pub(super) struct Working<'a> {
    pub(super) located: Located,
    /// What the database has.
    before: State,
    postings: Vec<Arc<[Entry]>>,
    ended: Vec<Ended<'a>>,
    events: Vec<NewEvent>,
    pub(super) records: Records,
}

impl Working<'_> {
    fn new(located: Located) -> Self {
        Self {
            before: located.state,
            located,
            postings: Vec::new(),
            ended: Vec::new(),
            events: Vec::new(),
            records: Records::default(),
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

/// Of so many requests at a time, what was applied before is read back together.
const PORTION: usize = 4_096;

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
        self.prepare(db, items)?;
        let mut outcomes: Vec<Came> = Vec::with_capacity(items.len());
        for portion in items.chunks(PORTION) {
            let recalled = Recalled::read(db, portion)?;
            for item in portion {
                outcomes.push(self.carry_out(db, item, &recalled)?);
            }
        }
        self.flush(db, None)?;
        Ok(outcomes)
    }

    /// Looks up at once what the requests are about, where that is cheaper than one by one.
    fn prepare(&mut self, db: &mut Db, items: &[Item<'a>]) -> Result<(), DbError> {
        let mut wanted = Wanted::default();
        for (account, item) in items.iter().filter_map(|item| Some((item.account?, item))) {
            let subject = item.prepared.request.operation.subject();
            let subject = item
                .applied
                .as_ref()
                .map_or(subject, |intent| made_or_moved(subject, intent));
            match subject {
                Subject::NewRecharge => wanted.next_recharges.push(account),
                Subject::NewHold => wanted.next_holds.push(account),
                Subject::Recharge(number) => wanted.recharges.push(RechargeId { account, number }),
                Subject::Hold(number) => wanted.holds.push(HoldId { account, number }),
                _ => {}
            }
        }
        let found = subjects(db, wanted)?;
        for (account, number) in found.next_recharges {
            self.records(account, |records| records.next_recharge = Some(number));
        }
        for (account, number) in found.next_holds {
            self.records(account, |records| records.next_hold = Some(number));
        }
        for recharge in found.recharges {
            self.records(recharge.id.account, |records| records.keep_recharge(recharge));
        }
        for hold in found.holds {
            self.records(hold.id.account, |records| records.keep_hold(hold));
        }
        Ok(())
    }

    fn records(&mut self, account: AccountId, keep: impl FnOnce(&mut Records)) {
        if let Some(Ok(working)) = self.accounts.get_mut(&account) {
            keep(&mut working.records);
        }
    }

    /// The outer error ends the batch, the inner one is this request's.
    fn carry_out(&mut self, db: &mut Db, item: &Item<'a>, recalled: &Recalled) -> Result<Came, Stopped> {
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
                if let Some(intent) = &item.applied {
                    let attempt = item.attempt(self.keys.lost());
                    if let Some(conflict) = attempt.conflict(intent) {
                        return Ok(Ok(Outcome::Refused(conflict)));
                    }
                    if let Some(posted) = recalled.posted(db, working, intent, request.operation.subject())? {
                        return Ok(Ok(attempt.applied_before(posted)));
                    }
                }
                let is_new = match self.keys {
                    Keys::TakenForNew => item.comes_first,
                    Keys::Recorded { .. } => item.is_new,
                    Keys::RecordedEarlier { .. } => false,
                };
                let (account, subject) = (&working.located.account, request.operation.subject());
                // Money that comes in may end a suspension.
                let simple = match subject {
                    Subject::None => true,
                    subject => records::are_about(subject) && account.suspension.is_none(),
                };
                if simple
                    && is_new
                    && !account.limits.any()
                    && let Some(outcome) = in_memory(db, working, item, self.actor, self.now)?
                {
                    return Ok(Ok(outcome));
                }
                self.on_the_database(db, id, item).map(Ok)
            }
        }
    }

    fn on_the_database(&mut self, db: &mut Db, id: AccountId, item: &Item<'a>) -> Result<Outcome, Stopped> {
        self.flush(db, Some(id))?;
        let is_recorded = match self.keys {
            Keys::TakenForNew => item.comes_first,
            Keys::Recorded { .. } | Keys::RecordedEarlier { .. } => item.is_ours,
        };
        let (attempt, new) = (item.attempt(self.keys.lost()), item.intent(self.actor, self.now));
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
        let (mut recharges, mut holds) = (Vec::new(), Vec::new());
        let mut take = |working: &mut Working<'a>| {
            appends.extend(working.append());
            ended.append(&mut working.ended);
            events.append(&mut working.events);
            working.records.drain(&mut recharges, &mut holds);
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
        recharges.sort_by_key(|change: &RechargeChange| change.after.id.account);
        holds.sort_by_key(|change: &HoldChange| change.after.id.account);
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
        recharges_write(db, &recharges)?;
        holds_write(db, &holds)?;
        events_insert(db, &events)?;
        Ok(())
    }
}

/// Judges on what the requests before have left, and lets everything wait; `None` for what needs the database.
fn in_memory<'a>(
    db: &mut Db,
    working: &mut Working<'a>,
    item: &Item<'a>,
    actor: &'a Actor,
    now: Timestamp,
) -> Result<Option<Outcome>, LedgerError> {
    let attempt = item.attempt(0);
    let Located { account, state } = &working.located;
    let (id, before) = (account.id, state.figures);
    let operation = &item.prepared.request.operation;
    let snapshot = Snapshot {
        account: account.clone(),
        state: *state,
        suspension: None,
        usage: Usage::default(),
        found: working.records.find(db, id, operation.subject())?,
    };
    let (outcome, end, events) = match decide(&snapshot, operation, now) {
        Verdict::Apply(effects) if effects.resumes.is_none() => {
            let stamp = with_note_of(&attempt.stamp(actor, now), &snapshot.found);
            let record = match &effects.record {
                None => None,
                Some(change) => match after(change, &stamp) {
                    None => return Ok(None),
                    record => record,
                },
            };
            let posting = sealed(&snapshot, operation, &effects, &stamp)?;
            let recharge = record.as_ref().and_then(Record::as_recharge);
            let events = Event::of_posting(account, &before, &posting, recharge);
            if !posting.entries.is_empty() {
                working.postings.push(Arc::clone(&posting.entries));
            }
            working.located.state = posting.state;
            if let Some(record) = &record {
                working.records.put(record);
            }
            let ends = posting.entries.first().zip(posting.entries.last());
            let made = Made {
                entries: ends.map(|(first, last)| (first.seq, last.seq)),
                subject: record.as_ref().map(Record::number),
            };
            let posted = Posted {
                record: record.map(Box::new),
                ..Posted::plain(snapshot.account, posting)
            };
            (Outcome::Applied(Box::new(posted)), End::Applied(made), events)
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
