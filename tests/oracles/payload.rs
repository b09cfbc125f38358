//! Payloads as they stand in a database that somebody else may have written to: what is read is exactly what is there.

use ledger::domain::intent::Payload;
use ledger::ledger::payload::{payload, read};

use super::draw::Draw;

/// A byte for the currency's digits, then the payload.
pub fn check(bytes: &[u8]) {
    let mut draw = Draw::of(bytes);
    let currency = draw.currency();
    let Some(text) = draw.rest() else { return };
    let stored = Payload::stored(text.to_owned());
    assert!(stored.differences(&stored).is_empty());
    match read(&stored, &currency) {
        Ok((operation, note)) => {
            assert_eq!(payload(&operation, &note, &currency).as_str(), text);
        }
        Err(unreadable) => assert!(!unreadable.to_string().is_empty()),
    }
}
