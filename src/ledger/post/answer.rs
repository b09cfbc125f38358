//! What is asked of an account, and what is answered.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::currency::Currency;
use crate::domain::effects::Posting;
use crate::domain::entry::{Entry, Note, Standing};
use crate::domain::intent::Payload;
use crate::domain::operation::{Operation, OperationKind};
use crate::domain::refusal::Refusal;
use crate::domain::suspension::Suspension;
use crate::domain::text::{IdempotencyKey, UserId};
use crate::ledger::payload::payload;
use crate::ledger::record::Record;

/// An operation asked of an account, validated.
#[derive(Clone, Debug)]
pub struct Request {
    pub user_id: UserId,
    pub currency: Currency,
    pub operation: Operation,
    pub note: Note,
    /// Made up where the caller has none.
    pub key: Option<IdempotencyKey>,
}

impl Request {
    pub fn of(account: &Account, operation: Operation, note: Note, key: Option<IdempotencyKey>) -> Self {
        Self {
            user_id: account.user_id.clone(),
            currency: account.currency.clone(),
            operation,
            note,
            key,
        }
    }

    /// As it is recorded.
    pub(super) fn payload(&self) -> Payload {
        payload(&self.operation, &self.note, &self.currency)
    }
}

/// An operation that has been applied, now or before.
#[derive(Clone, Debug)]
pub struct Posted {
    pub account: Arc<Account>,
    pub entries: Arc<[Entry]>,
    /// How the account stands right after it; where it made no entry, as it does now.
    pub standing: Standing,
    /// What it made or moved beside the entries.
    pub record: Option<Box<Record>>,
    /// The suspension that it ended.
    pub resumed: Option<Box<Suspension>>,
}

impl Posted {
    /// Nothing but entries.
    pub(in crate::ledger) fn plain(account: Arc<Account>, posting: Posting) -> Self {
        Self {
            account,
            entries: posting.entries,
            standing: posting.state.figures.standing(),
            record: None,
            resumed: None,
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub operation: OperationKind,
    pub key: IdempotencyKey,
    pub currency: Currency,
    pub outcome: Outcome,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Applied(Box<Posted>),
    /// The same key, or a record that had come to that end before: nothing was written.
    AlreadyApplied(Box<Posted>),
    Refused(Refusal),
    /// Refused, and the account suspended for it.
    Suspended(Refusal, Box<Suspension>),
}
