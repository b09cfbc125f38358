//! The whole ledger for other programs; docs/export.md describes the shapes.

mod beancount;
mod hledger;
mod journal;
mod names;
mod ndjson;
mod records;

use serde_json::json;

pub use self::beancount::Beancount;
pub use self::hledger::Hledger;
pub use self::journal::Journal;
pub use self::ndjson::Ndjson;
use super::document::{Block, Document};
use crate::domain::time::Timestamp;
use crate::ledger::export::{Exported, Step};

/// Why a step cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of user {user_id}: its time {at} is beyond the calendar of the format")]
pub struct Unwritable {
    user_id: String,
    seq: i64,
    at: Timestamp,
}

/// A format: each part of an export, one after the other, as text at the end of `out`.
pub trait Shape {
    fn beginning(&mut self, out: &mut String);
    fn step(&mut self, step: Step<'_>, out: &mut String) -> Result<(), Unwritable>;
    fn ending(&mut self, exported: &Exported, out: &mut String);
}

/// How an export went, for those who gave it a file.
pub fn exported(to: &'static str, file: &str, done: &Exported) -> Document {
    let data = json!({
        "to": to,
        "file": file,
        "accounts": done.accounts,
        "entries": done.entries,
        "digest": done.digest.to_string(),
    });
    let human = vec![Block::Pairs(vec![
        ("File", file.to_owned()),
        ("Accounts", done.accounts.to_string()),
        ("Entries", done.entries.to_string()),
        ("Digest", done.digest.to_string()),
    ])];
    Document::single("export", data, human)
}
