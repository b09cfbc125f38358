//! A request of a batch.

use std::sync::Arc;

use crate::db::intents::NewIntent;
use crate::domain::account::AccountId;
use crate::domain::intent::Intent;
use crate::domain::text::{Actor, IdempotencyKey};
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::post::{Answer, Attempt, Outcome, Request, made_up_key};

/// What became of one request of many.
pub type Done = Result<Answer, LedgerError>;

/// A request and its key, which is made up where the caller has none.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) request: Request,
    pub(super) key: IdempotencyKey,
}

impl Prepared {
    pub fn new(request: Request) -> Result<Self, LedgerError> {
        Ok(Self {
            key: request.key.clone().map_or_else(made_up_key, Ok)?,
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
        self.attempt(0).into_intent(actor, now)
    }

    pub(super) fn answer(&self, outcome: Outcome) -> Answer {
        let Prepared { request, key } = self.prepared;
        Answer {
            operation: request.operation.kind(),
            key: key.clone(),
            currency: request.currency.clone(),
            outcome,
        }
    }

    /// After so many lost connections.
    pub(super) fn attempt(&self, lost: u32) -> Attempt<'a> {
        Attempt::new(&self.prepared.request, &self.prepared.key, self.is_ours && lost > 0)
    }
}
