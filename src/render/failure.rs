//! Failures: a refusal or an error, as an object for programs and a sentence for people.

use serde_json::{Value, json};

use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::refusal::Refusal;
use crate::domain::text::IdempotencyKey;

/// What the command has to say about why it did not do what was asked.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub details: Value,
}

impl Failure {
    pub fn new(code: Code, message: impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
            details: json!({}),
        }
    }

    /// A rule's "no", with the key under which it may be asked again.
    pub fn refused(refusal: &Refusal, currency: &Currency, key: Option<&IdempotencyKey>) -> Self {
        let mut details = refusal.details(currency);
        if let (Some(fields), Some(key)) = (details.as_object_mut(), key) {
            fields.insert("idempotency_key".into(), key.as_str().into());
        }
        Self {
            code: refusal.code(),
            message: refusal.message(currency),
            details,
        }
    }

    /// Of what was done under that key, and could not be told.
    pub fn unshown(code: Code, why: impl ToString, key: &IdempotencyKey) -> Self {
        let (why, key) = (why.to_string(), key.as_str());
        Self {
            code,
            message: format!(
                "it was applied under the key {key}, but {why}; the same command with --idempotency-key {key} shows it again"
            ),
            details: json!({"outcome": "applied", "idempotency_key": key}),
        }
    }

    /// The `error` of the envelope.
    pub fn object(&self) -> Value {
        json!({
            "code": self.code.name(),
            "status": self.code.status(),
            "message": self.message,
            "details": self.details,
        })
    }

    pub fn sentence(&self) -> String {
        format!("{} ({} {})", self.message, self.code.status(), self.code.name())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
