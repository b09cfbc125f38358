//! What is left of attempts that came to nothing: each is a record, and its key may be tried again.

use super::Attempt;
use crate::db::intents::{self, NewIntent};
use crate::db::unit_of_work::write_relaxed;
use crate::db::{Db, DbError};
use crate::domain::account::{Account, AccountId};
use crate::domain::event::Event;
use crate::domain::intent::{Intent, IntentState};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::{Ledger, outbox};

impl Attempt<'_> {
    /// A key that was only refused or failed may be tried again: each try is a record of its own.
    pub(super) fn record_again(
        &self,
        ledger: &mut Ledger,
        id: AccountId,
        intent: &NewIntent<'_>,
    ) -> Result<(), LedgerError> {
        let recorded: Result<(), DbError> = write_relaxed(&mut ledger.db, "intent again", |db| {
            self.record_again_in(db, id, intent)
        });
        Ok(recorded?)
    }

    pub(in crate::ledger) fn record_again_in(
        &self,
        db: &mut Db,
        id: AccountId,
        intent: &NewIntent<'_>,
    ) -> Result<(), DbError> {
        if let Some(prior) = intents::intent_find(db, id, self.key)?
            && self.follows(&prior)
        {
            intents::intent_insert(db, id, intent, prior.attempt + 1)?;
        }
        Ok(())
    }

    /// Whether this is a further try of what came to nothing.
    pub(in crate::ledger) fn follows(&self, prior: &Intent) -> bool {
        matches!(prior.state, IntentState::Refused | IntentState::Failed) && prior.payload == *self.payload()
    }

    /// Of a first attempt, in a transaction of its own.
    pub(super) fn record_refusal(
        &self,
        db: &mut Db,
        account: &Account,
        refusal: &Refusal,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        write_relaxed(db, "refusal", |db| self.record_refusal_in(db, account, 1, refusal, at))
    }

    pub(super) fn record_refusal_in(
        &self,
        db: &mut Db,
        account: &Account,
        attempt: i32,
        refusal: &Refusal,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let (state, reason) = (IntentState::Refused, refusal.code().name());
        let took = self.started.elapsed();
        // Where somebody else has ended the attempt meanwhile, there is nothing more to tell.
        if intents::intent_ended(db, account.id, self.key, attempt, state, reason, took)? {
            let asked = (&self.request.operation, &self.request.note);
            let event = Event::of_refusal(&account.currency, asked, self.key, refusal);
            outbox::tell(db, account.id, event.as_slice(), at)?;
        }
        Ok(())
    }

    /// Best effort: the error itself is what the caller must hear.
    pub(in crate::ledger) fn record_failure(&self, ledger: &mut Ledger, id: AccountId, error: &LedgerError) {
        if error.leaves_open() {
            return;
        }
        let recorded: Result<(), DbError> = write_relaxed(&mut ledger.db, "failure", |db| {
            let Some(intent) = intents::intent_find(db, id, self.key)? else {
                return Ok(());
            };
            let (state, reason) = (IntentState::Failed, error.code().name());
            intents::intent_ended(db, id, self.key, intent.attempt, state, reason, self.started.elapsed()).map(|_| ())
        });
        if let Err(error) = recorded {
            log::warn!("the failure could not be recorded: {error}");
        }
    }
}
