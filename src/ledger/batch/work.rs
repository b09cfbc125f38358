//! The transaction of a batch: every request judged on what the ones before it have left.
//!
//! Entries, recharges and holds wait in memory and are written together ([`Working`]); what is about anything else is
//! carried out on the database, after what its account has waiting.

use std::collections::{BTreeSet, HashMap};

use super::item::{Came, Item};
use super::recalled::{Recalled, made_or_moved};
use super::records::Records;
use super::transaction::Stopped;
use super::working::{Waiting, Working};
use crate::db::bulk::{append_many, lock_many};
use crate::db::intents::{intent_find, intent_insert};
use crate::db::intents_bulk::{End, Ended, intents_end, intents_insert_ended};
use crate::db::outbox::events_insert;
use crate::db::records_bulk::{Wanted, holds_write, recharges_write, subjects};
use crate::db::snapshot::look;
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
    const fn lost(self) -> u32 {
        match self {
            Self::TakenForNew => 0,
            Self::Recorded { lost } | Self::RecordedEarlier { lost } => lost,
        }
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
                if is_new
                    && working.suffices(&request.operation)
                    && let Some(outcome) = working.judge(db, item, (self.actor, self.now))?
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
        let mut waiting = Waiting::default();
        if let Some(id) = only {
            if let Some(Ok(working)) = self.accounts.get_mut(&id) {
                working.hand_over(&mut waiting);
            }
        } else {
            for working in self.accounts.values_mut().flatten() {
                working.hand_over(&mut waiting);
            }
            waiting.ended.append(&mut self.failed);
        }
        waiting.sort();
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
