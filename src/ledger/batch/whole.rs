//! The intent of a batch as a whole.

use std::borrow::Cow;

use crate::db::intents::{Made, NewIntent, intent_applied, intent_ended, intent_find, intent_insert};
use crate::db::unit_of_work::write_relaxed;
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::intent::{IntentState, Payload};
use crate::domain::text::IdempotencyKey;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::clock::Stopwatch;
use crate::ledger::error::LedgerError;
use crate::ledger::post::made_up_key;

/// The intent of a batch as a whole, under no account: what is left of it when the process dies on the way.
pub(super) struct Whole {
    key: IdempotencyKey,
    payload: Payload,
}

impl Whole {
    const OPERATION: &'static str = "apply";

    pub(super) fn new(requests: usize) -> Result<Self, LedgerError> {
        let fields = [("op", Self::OPERATION.into()), ("requests", requests.into())];
        let fields = fields.map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value));
        Ok(Self {
            key: made_up_key()?,
            payload: Payload::new(&fields.into_iter().collect()),
        })
    }

    /// Committed before the work; its own commit need not wait for the disk.
    pub(super) fn record(&self, ledger: &mut Ledger, now: Timestamp) -> Result<(), DbError> {
        let actor = ledger.actor.clone();
        let intent = NewIntent {
            key: &self.key,
            operation: Self::OPERATION,
            payload: Cow::Borrowed(&self.payload),
            actor: &actor,
            created_at: now,
        };
        write_relaxed(&mut ledger.db, "batch intent", |db| {
            intent_insert(db, AccountId::NONE, &intent, 1).map(|_| ())
        })
    }

    /// In the transaction of the work.
    pub(super) fn carried_out(&self, db: &mut Db, started: Stopwatch) -> Result<(), DbError> {
        intent_applied(db, AccountId::NONE, &self.key, 1, Made::default(), started.elapsed()).map(|_| ())
    }

    /// Best effort: what became of the requests is in their own intents.
    pub(super) fn given_up(&self, ledger: &mut Ledger, (state, reason): (IntentState, &str), started: Stopwatch) {
        let given_up: Result<(), DbError> = write_relaxed(&mut ledger.db, "batch intent", |db| {
            intent_ended(db, AccountId::NONE, &self.key, 1, state, reason, started.elapsed()).map(|_| ())
        });
        if let Err(error) = given_up {
            log::warn!("the end of a batch could not be recorded: {error}");
        }
    }

    /// The answer to "did it commit?" after a lost connection.
    pub(super) fn was_carried_out(&self, db: &mut Db) -> Result<bool, DbError> {
        let found = intent_find(db, AccountId::NONE, &self.key)?;
        Ok(found.is_some_and(|intent| intent.state == IntentState::Applied))
    }
}
