//! A request of a batch.

use std::cell::Cell;
use std::sync::Arc;

use crate::db::intents::NewIntent;
use crate::domain::account::AccountId;
use crate::domain::intent::{Intent, Payload};
use crate::domain::text::{Actor, IdempotencyKey};
use crate::domain::time::Timestamp;
use crate::ledger::clock::Stopwatch;
use crate::ledger::error::LedgerError;
use crate::ledger::payload::payload;
use crate::ledger::post::{Answer, Attempt, Outcome, Request, made_up_key};

/// What became of one request of many.
pub type Done = Result<Answer, LedgerError>;

/// The same, while the batch is at work.
pub(super) type Came = Result<Outcome, LedgerError>;

/// A request with all that can be made of it before the ledger is asked.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) request: Request,
    pub(super) key: IdempotencyKey,
    pub(super) payload: Payload,
}

impl Prepared {
    pub fn new(request: Request) -> Result<Self, LedgerError> {
        Ok(Self {
            key: request.key.clone().map_or_else(made_up_key, Ok)?,
            payload: payload(&request.operation, &request.note, &request.currency),
            request,
        })
    }
}

/// One request of the batch, and what is known of it.
pub(super) struct Item<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) account: Option<AccountId>,
    /// Whether none before it in this batch has its key.
    pub(super) comes_first: bool,
    /// Whether this round was the first that was heard of the key.
    pub(super) is_new: bool,
    /// Whether this batch was: after a lost connection, what is found applied is our own work.
    pub(super) is_ours: bool,
    /// What has been applied under its key before this round.
    pub(super) applied: Option<Arc<Intent>>,
}

impl<'a> Item<'a> {
    pub(super) fn intent(&self, actor: &'a Actor, now: Timestamp) -> NewIntent<'a> {
        self.attempt(0).intent(actor, now)
    }

    /// After so many lost connections.
    pub(super) fn attempt(&self, lost: u32) -> Attempt<'a> {
        Attempt {
            request: &self.prepared.request,
            key: &self.prepared.key,
            payload: &self.prepared.payload,
            started: Stopwatch::start(),
            writes: Cell::new(false),
            may_be_ours: self.is_ours && lost > 0,
        }
    }
}
