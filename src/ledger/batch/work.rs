//! The transaction of a batch: every request judged on what the ones before it about its account have left.
//!
//! Accounts have nothing to do with each other. So they are taken in the order of their ids, in parts: while one part is
//! written, a second thread judges the next. Entries, recharges and holds wait in memory for that ([`Judged`]); what is
//! about anything else is carried out on the database, after what its account has waiting.

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::item::{Done, Item};
use super::recalled::{Recalled, made_or_moved};
use super::records::Records;
use super::share::{Asked, Judged, Share};
use super::transaction::Stopped;
use super::working::{Waiting, Working};
use crate::db::bulk::{append_many, lock_many};
use crate::db::intents::{intent_find, intent_insert};
use crate::db::intents_bulk::{intents_end, intents_insert_ended};
use crate::db::outbox::events_insert;
use crate::db::records_bulk::{Wanted, holds_write, recharges_write, subjects};
use crate::db::snapshot::{gone, look};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::hold::HoldId;
use crate::domain::intent::IntentState;
use crate::domain::operation::Subject;
use crate::domain::recharge::RechargeId;
use crate::domain::refusal::Refusal;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::post::Outcome;

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
    pub(super) const fn lost(self) -> u32 {
        match self {
            Self::TakenForNew => 0,
            Self::Recorded { lost } | Self::RecordedEarlier { lost } => lost,
        }
    }
}

/// How many requests a part has at least, unless it is the last.
const PART: usize = 4_096;

/// What came of each request of the batch, by its place; nothing where there is no such account.
type Answers = Vec<Option<Done>>;

/// By whom and when the batch is carried out, and what is known of its keys.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) actor: &'a Actor,
    pub(super) now: Timestamp,
    pub(super) keys: Keys,
}

impl<'a> Turn<'a> {
    /// Carries out every item, those about one account in order, on accounts that are locked together.
    pub(super) fn carry_out_all(self, db: &mut Db, items: &[Item<'a>]) -> Result<Vec<Done>, Stopped> {
        let mut asked: Vec<Asked<'_, 'a>> = items.iter().enumerate().filter_map(about_an_account).collect();
        asked.sort_by_key(|asked| asked.account);
        let parts = parts(locked(db, &asked)?, &asked);
        let mut answers: Answers = items.iter().map(|_| None).collect();
        if parts.len() > 1 {
            self.part_by_part(db, parts, &mut answers)?;
        } else {
            for part in parts {
                self.keep(db, Judged::of(part, self)?, &mut answers)?;
            }
        }
        for (answer, item) in answers.iter_mut().zip(items) {
            answer.get_or_insert_with(|| Ok(item.answer(no_account(item))));
        }
        // All of them are there; this keeps them where they are.
        Ok(answers.into_iter().flatten().collect())
    }

    /// While one is written, the next is judged.
    fn part_by_part(self, db: &mut Db, parts: Vec<Vec<Share<'_, 'a>>>, answers: &mut Answers) -> Result<(), Stopped> {
        let (send, judged) = sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                for part in parts {
                    if send.send(Judged::of(part, self)).is_err() {
                        // Nobody takes them any more: the transaction has failed.
                        break;
                    }
                }
            });
            judged.into_iter().try_for_each(|part| self.keep(db, part?, answers))
        })
    }

    /// Judges a request on what is kept of its account; `None` for what needs the database.
    pub(super) fn judge(self, working: &mut Working<'a>, item: &Item<'a>) -> Result<Option<Outcome>, LedgerError> {
        let is_new = match self.keys {
            Keys::TakenForNew => item.comes_first,
            Keys::Recorded { .. } => item.is_new,
            Keys::RecordedEarlier { .. } => false,
        };
        if is_new && working.suffices(&item.prepared.request.operation) {
            working.judge(item, (self.actor, self.now))
        } else {
            Ok(None)
        }
    }

    /// Whether the first attempt under that key is still to be written.
    pub(super) fn opens_the_key(self, item: &Item<'_>) -> bool {
        self.keys == Keys::TakenForNew && item.comes_first
    }

    /// Writes what was judged, and carries out what was left.
    fn keep(self, db: &mut Db, judged: Judged<'_, 'a>, answers: &mut Answers) -> Result<(), Stopped> {
        for (at, answer) in judged.answers {
            answers[at] = Some(answer);
        }
        self.write(db, judged.waiting)?;
        let left = judged.left.iter().flat_map(|(_, asked)| asked.iter());
        let recalled = Recalled::read(db, left.map(|asked| asked.item))?;
        let mut waiting = Waiting::default();
        for (mut working, asked) in judged.left {
            for Asked { account, at, item } in asked {
                let outcome = self.carry_out(db, (*account, &mut working), item, &recalled)?;
                answers[*at] = Some(Ok(item.answer(outcome)));
            }
            working.hand_over(&mut waiting);
        }
        waiting.sort();
        self.write(db, waiting)
    }

    fn carry_out(
        self,
        db: &mut Db,
        (id, working): (AccountId, &mut Working<'a>),
        item: &Item<'a>,
        recalled: &Recalled,
    ) -> Result<Outcome, Stopped> {
        let operation = &item.prepared.request.operation;
        if let Some(intent) = &item.applied {
            let attempt = item.attempt(self.keys.lost());
            if let Some(conflict) = attempt.conflict(intent) {
                return Ok(Outcome::Refused(conflict));
            }
            if let Some(posted) = recalled.posted(db, working, intent, operation.subject())? {
                return Ok(attempt.applied_before(posted));
            }
        }
        working.records.look_up(db, id, operation.subject())?;
        match self.judge(working, item)? {
            Some(outcome) => Ok(outcome),
            None => self.on_the_database(db, (id, working), item),
        }
    }

    fn on_the_database(
        self,
        db: &mut Db,
        (id, working): (AccountId, &mut Working<'a>),
        item: &Item<'a>,
    ) -> Result<Outcome, Stopped> {
        let mut waiting = Waiting::default();
        working.hand_over(&mut waiting);
        self.write(db, waiting)?;
        let is_recorded = match self.keys {
            Keys::TakenForNew => item.comes_first,
            Keys::Recorded { .. } | Keys::RecordedEarlier { .. } => item.is_ours,
        };
        let (attempt, new) = (item.attempt(self.keys.lost()), item.intent(self.actor, self.now));
        if self.opens_the_key(item) && !intent_insert(db, id, &new, 1)? {
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
        let located = look(db, id)?.ok_or_else(|| gone(id))?;
        let outcome = attempt.judge_key(db, located, found, &attempt.stamp(self.actor, self.now))?;
        *working = Working::new(look(db, id)?.ok_or_else(|| gone(id))?);
        Ok(outcome)
    }

    fn write(self, db: &mut Db, waiting: Waiting<'_>) -> Result<(), Stopped> {
        let Waiting {
            appends,
            ended,
            events,
            recharges,
            holds,
        } = waiting;
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

fn no_account(item: &Item<'_>) -> Outcome {
    Outcome::Refused(Refusal::AccountNotFound {
        user_id: item.prepared.request.user_id.to_string(),
    })
}

fn about_an_account<'i, 'a>((at, item): (usize, &'i Item<'a>)) -> Option<Asked<'i, 'a>> {
    item.account.map(|account| Asked { account, at, item })
}

type Accounts<'a> = HashMap<AccountId, Result<Working<'a>, DbError>>;

/// Takes the locks, and looks up at once what the requests are about, where that is cheaper than one by one.
fn locked<'a>(db: &mut Db, asked: &[Asked<'_, 'a>]) -> Result<Accounts<'a>, DbError> {
    let mut ids: Vec<AccountId> = asked.iter().map(|asked| asked.account).collect();
    ids.dedup();
    let located = lock_many(db, &ids)?.into_iter();
    let mut accounts: Accounts<'a> = located.map(|(id, found)| (id, found.map(Working::new))).collect();
    let mut wanted = Wanted::default();
    for Asked { account, item, .. } in asked {
        let (account, subject) = (*account, item.prepared.request.operation.subject());
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
        if let Some(records) = records_of(&mut accounts, account) {
            records.next_recharge = Some(number);
        }
    }
    for (account, number) in found.next_holds {
        if let Some(records) = records_of(&mut accounts, account) {
            records.next_hold = Some(number);
        }
    }
    for recharge in found.recharges {
        if let Some(records) = records_of(&mut accounts, recharge.id.account) {
            records.keep_recharge(recharge);
        }
    }
    for hold in found.holds {
        if let Some(records) = records_of(&mut accounts, hold.id.account) {
            records.keep_hold(hold);
        }
    }
    Ok(accounts)
}

fn records_of<'w>(accounts: &'w mut Accounts<'_>, id: AccountId) -> Option<&'w mut Records> {
    accounts.get_mut(&id)?.as_mut().ok().map(|working| &mut working.records)
}

/// What is asked of each account, cut into parts.
fn parts<'i, 'a>(mut accounts: Accounts<'a>, asked: &'i [Asked<'i, 'a>]) -> Vec<Vec<Share<'i, 'a>>> {
    let (mut parts, mut part, mut requests) = (Vec::new(), Vec::new(), 0);
    for asked in asked.chunk_by(|one, next| one.account == next.account) {
        let Some(working) = accounts.remove(&asked[0].account) else {
            continue;
        };
        part.push(Share { working, asked });
        requests += asked.len();
        if requests >= PART {
            parts.push(std::mem::take(&mut part));
            requests = 0;
        }
    }
    parts.push(part);
    parts
}
