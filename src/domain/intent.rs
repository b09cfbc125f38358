//! Intents: the record of every attempt, written before the work and surviving its rollback.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::account::AccountId;
use super::code::Code;
use super::named::named;
use super::text::{Actor, IdempotencyKey};
use super::time::Timestamp;

/// What was asked, as an object whose fields are compared when a key comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Box<str>);

impl Payload {
    pub fn new(fields: &Map<String, Value>) -> Self {
        Self(serde_json::to_string(fields).unwrap_or_default().into())
    }

    /// An object that is written already.
    pub fn written(text: Vec<u8>) -> Self {
        Self(String::from_utf8(text).unwrap_or_default().into())
    }

    /// A payload that the ledger itself stored earlier.
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the fields in which two payloads differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        if self.0 == other.0 {
            return Vec::new();
        }
        let fields = |payload: &Self| serde_json::from_str::<Map<String, Value>>(&payload.0).ok();
        let (ours, theirs) = (fields(self), fields(other));
        // The same JSON may be written in another order.
        if ours.is_some() && ours == theirs {
            return Vec::new();
        }
        let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
        let mut names: Vec<String> = ours
            .keys()
            .chain(theirs.keys().filter(|name| !ours.contains_key(*name)))
            .filter(|name| ours.get(*name) != theirs.get(*name))
            .cloned()
            .collect();
        if names.is_empty() {
            names.push("payload".into());
        }
        names
    }
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum IntentState {
        /// Written, its outcome not yet known: in work, or left behind by a crash.
        Pending = "pending",
        Applied = "applied",
        Refused = "refused",
        Failed = "failed",
    }
}

/// One that has been pending for so long is not in work any more.
pub const STRANDED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The reason of an attempt that was left pending and turned out to have had no effect.
pub const STRANDED: &str = "stranded";

/// The reason of one that was left pending while another attempt under its key was applied.
pub const APPLIED_BEFORE: &str = "applied_before";

/// Whether an attempt can have ended for that reason: an error's code, or what a settlement found.
pub fn is_reason(text: &str) -> bool {
    [STRANDED, APPLIED_BEFORE].contains(&text) || Code::ALL.iter().any(|code| code.name() == text)
}

/// One attempt: `(account, key, attempt)` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub account: AccountId,
    pub key: IdempotencyKey,
    /// 1 for the first; a refused or failed key may be tried again, each try its own record.
    pub attempt: i32,
    pub operation: String,
    pub payload: Payload,
    pub actor: Actor,
    pub created_at: Timestamp,
    pub state: IntentState,
    /// The first and last entry it made, when applied; `None` for an operation that makes none.
    pub entries: Option<(i64, i64)>,
    /// The record it made or moved; of a charge that gave access, its entry.
    pub subject: Option<i64>,
    /// Why it was refused or failed: an error code.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::stored(text.into())
    }

    #[test]
    fn names_the_fields_that_differ() {
        let first = payload(r#"{"op":"charge","amount":"5.00","service":"vps"}"#);
        assert!(first.differences(&first.clone()).is_empty());
        let other = payload(r#"{"op":"charge","amount":"6.00","reference":"A:1"}"#);
        assert_eq!(first.differences(&other), ["amount", "service", "reference"]);
        let (one, another) = (r#"{"metadata":{"a":1,"b":2}}"#, r#"{"metadata":{"b":2,"a":1}}"#);
        assert!(payload(one).differences(&payload(another)).is_empty());
        assert_eq!(payload(one).differences(&payload("{")), ["metadata"]);
        assert_eq!(payload("[").differences(&payload("{")), ["payload"]);
    }
}
