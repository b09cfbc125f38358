//! The long way of a posting: everything is looked at again under the account's lock, and written with all that
//! belongs to it.

use std::sync::Arc;

use super::{Attempt, Outcome, Posted, beyond_the_row, sealed};
use crate::db::intents::{self, Made};
use crate::db::intents_list::{Settlement, intent_settle_pending};
use crate::db::posting::{Plain, append, lock_with_intent, post_plain, settle};
use crate::db::snapshot::{Located, gone};
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError, entries};
use crate::domain::account::{Account, AccountId};
use crate::domain::effects::{Effects, Verdict};
use crate::domain::entry::Stamp;
use crate::domain::event::Event;
use crate::domain::intent::{Intent, IntentState, STRANDED};
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{RATE_SPAN, Snapshot, Usage};
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::record::{self, Record};
use crate::ledger::{Ledger, outbox, suspension};

impl Attempt<'_> {
    /// The long way: everything is looked at again under the account's lock.
    pub(super) fn under_lock(
        &self,
        ledger: &mut Ledger,
        id: AccountId,
        now: Timestamp,
    ) -> Result<Outcome, LedgerError> {
        let stamp = self.stamp(&ledger.actor, now);
        write(&mut ledger.db, self.request.operation.kind().name(), |db| {
            self.writes.set(false);
            let (located, intent) = lock_with_intent(db, id, self.key)?.ok_or_else(|| gone(id))?;
            self.judge_key(db, located, intent, &stamp)
        })
    }

    /// Judges under the account's lock, unless the key says that it has been done.
    pub(in crate::ledger) fn judge_key(
        &self,
        db: &mut Db,
        located: Located,
        intent: Option<Intent>,
        stamp: &Stamp,
    ) -> Result<Outcome, LedgerError> {
        let intent = intent.ok_or_else(|| DbError::Integrity("the intent of this operation has disappeared".into()))?;
        if let Some(conflict) = self.conflict(&intent) {
            return Ok(Outcome::Refused(conflict));
        }
        if intent.state == IntentState::Applied {
            intents::intents_superseded(db, located.account.id, self.key)?;
            return Ok(self.applied_before(self.recall(db, located, &intent)?));
        }
        let attempt = self.own_attempt(db, &intent, stamp)?;
        self.judge(db, located, attempt, stamp)
    }

    /// Under the account's lock: the attempt to go on with. Whoever began it is who has made it, so what another has left
    /// without an end, or ended meanwhile, is not gone on with.
    fn own_attempt(&self, db: &mut Db, latest: &Intent, stamp: &Stamp) -> Result<i32, DbError> {
        if latest.actor == stamp.actor {
            return Ok(latest.attempt);
        }
        intent_settle_pending(db, latest, Settlement::Failed(STRANDED))?;
        let attempt = latest.attempt + 1;
        if intents::intent_insert(db, latest.account, &self.intent(&stamp.actor, stamp.at), attempt)? {
            Ok(attempt)
        } else {
            Err(DbError::Retry("somebody else is trying the same key".into()))
        }
    }

    /// The key was used for something else.
    pub(in crate::ledger) fn conflict(&self, intent: &Intent) -> Option<Refusal> {
        let differs_in = intent.payload.differences(self.payload());
        (!differs_in.is_empty()).then(|| Refusal::IdempotencyConflict {
            key: self.key.to_string(),
            differs_in,
        })
    }

    pub(in crate::ledger) fn applied_before(&self, posted: Posted) -> Outcome {
        let posted = Box::new(posted);
        if self.may_be_ours {
            Outcome::Applied(posted)
        } else {
            Outcome::AlreadyApplied(posted)
        }
    }

    pub(in crate::ledger) fn judge(
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
                let posted = Posted {
                    account: snapshot.account,
                    entries: Arc::default(),
                    standing: snapshot.state.figures.standing(),
                    record: Record::of(snapshot.found).map(Box::new),
                    resumed: None,
                };
                self.settle(db, id, attempt, &posted)?;
                Ok(Outcome::AlreadyApplied(Box::new(posted)))
            }
            Verdict::Apply(effects) => {
                self.writes.set(true);
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
                return Err(DbError::moved("the balance row", "its lock").into());
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
            standing: posting.state.figures.standing(),
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
        let standing = entries.last().map(|last| last.after);
        let record = record::recall(db, account.id, self.request.operation.subject(), intent.subject)?.map(Box::new);
        Ok(Posted {
            account,
            entries: entries.into(),
            standing: standing.unwrap_or_else(|| located.state.figures.standing()),
            record,
            resumed: None,
        })
    }
}

pub(in crate::ledger) fn usage(db: &mut Db, account: &Account, now: Timestamp) -> Result<Usage, LedgerError> {
    if !account.limits.any() {
        return Ok(Usage::default());
    }
    let (charges, spent_today) = entries::entries_usage(db, account.id, now.after(-RATE_SPAN), now.start_of_day())?;
    Ok(Usage {
        charges_last_minute: charges.unsigned_abs(),
        spent_today,
    })
}
