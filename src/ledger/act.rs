//! The record of an act: what somebody, or a repair, changed by hand, told in the transaction of the change itself.

use serde_json::Value;

use super::clock::unique_name;
use super::error::LedgerError;
use crate::db::Db;
use crate::db::operations::{Act, operation_insert};
use crate::domain::account::AccountId;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

/// An act that is not recorded yet.
#[must_use = "an act is remembered by `record`"]
pub struct NewAct(Act);

/// What was done to an account, or with [`AccountId::NONE`] to the ledger as a whole.
pub fn act(account: AccountId, command: &str, (actor, at): (&Actor, Timestamp)) -> NewAct {
    NewAct(Act {
        account,
        id: unique_name(),
        run_id: None,
        command: command.to_owned(),
        actor: actor.clone(),
        at,
        before: None,
        after: None,
        // Known to the connection.
        origin: None,
    })
}

impl NewAct {
    /// The run of a job that did it.
    pub fn in_run(mut self, run_id: &str) -> Self {
        self.0.run_id = Some(run_id.to_owned());
        self
    }

    /// What was there; nothing where it is new.
    pub fn before(mut self, state: impl Into<Option<Value>>) -> Self {
        self.0.before = state.into().map(|state| state.to_string());
        self
    }

    /// What is there now; nothing where it was removed.
    pub fn after(mut self, state: impl Into<Option<Value>>) -> Self {
        self.0.after = state.into().map(|state| state.to_string());
        self
    }

    pub fn record(self, db: &mut Db) -> Result<(), LedgerError> {
        Ok(operation_insert(db, self.0)?)
    }
}
