//! An account of a batch: judged on what the requests before have left, written together with all others at the end.

use std::sync::Arc;

use super::item::Item;
use super::records::{self, Records};
use crate::db::bulk::Append;
use crate::db::intents::Made;
use crate::db::intents_bulk::{End, Ended};
use crate::db::outbox::NewEvent;
use crate::db::records_bulk::{HoldChange, RechargeChange};
use crate::db::snapshot::Located;
use crate::domain::balance::State;
use crate::domain::effects::Verdict;
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::operation::{Operation, Subject};
use crate::domain::posting::decide;
use crate::domain::snapshot::{Snapshot, Usage};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::outbox::sealed_event;
use crate::ledger::post::{Outcome, Posted, sealed};
use crate::ledger::record::{Record, after, with_note_of};

/// What waits to be written.
#[derive(Default)]
pub(super) struct Waiting<'a> {
    pub(super) appends: Vec<Append>,
    pub(super) ended: Vec<Ended<'a>>,
    pub(super) events: Vec<NewEvent>,
    pub(super) recharges: Vec<RechargeChange>,
    pub(super) holds: Vec<HoldChange>,
}

impl Waiting<'_> {
    /// In the order of the keys: neighbours share their pages.
    pub(super) fn sort(&mut self) {
        self.appends.sort_unstable_by_key(|append| append.account);
        self.ended.sort_unstable_by_key(|ended| (ended.account, ended.new.key));
        self.events.sort_by_key(|event| event.account);
        self.recharges.sort_by_key(|change| change.after.id.account);
        self.holds.sort_by_key(|change| change.after.id.account);
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

impl<'a> Working<'a> {
    pub(super) fn new(located: Located) -> Self {
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

    pub(super) fn hand_over(&mut self, to: &mut Waiting<'a>) {
        to.appends.extend(self.append());
        to.ended.append(&mut self.ended);
        to.events.append(&mut self.events);
        self.records.drain(&mut to.recharges, &mut to.holds);
    }

    /// Whether such an operation needs nothing but what is kept here.
    pub(super) fn suffices(&self, operation: &Operation) -> bool {
        let account = &self.located.account;
        let known = match operation.subject() {
            Subject::None => true,
            // Money that comes in may end a suspension.
            subject => records::are_about(subject) && account.suspension.is_none(),
        };
        known && !account.limits.any()
    }

    /// Judges on what the requests before have left, and lets everything wait; `None` for what needs the database.
    pub(super) fn judge(
        &mut self,
        item: &Item<'a>,
        (actor, now): (&'a Actor, Timestamp),
    ) -> Result<Option<Outcome>, LedgerError> {
        let attempt = item.attempt(0);
        let Located { account, state } = &self.located;
        let (id, before) = (account.id, state.figures);
        let operation = &item.prepared.request.operation;
        let Some(found) = self.records.kept(operation.subject()) else {
            return Ok(None);
        };
        let snapshot = Snapshot {
            account: account.clone(),
            state: *state,
            suspension: None,
            usage: Usage::default(),
            found,
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
                    self.postings.push(Arc::clone(&posting.entries));
                }
                self.located.state = posting.state;
                if let Some(record) = &record {
                    self.records.put(record);
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
        self.events.extend(kept);
        self.ended.push(Ended {
            account: id,
            end,
            took: attempt.started.elapsed(),
            new: attempt.into_intent(actor, now),
        });
        Ok(Some(outcome))
    }
}
