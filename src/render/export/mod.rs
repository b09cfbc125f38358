//! The whole ledger for other programs; docs/export.md describes the shapes.

mod beancount;
mod hledger;
mod names;
mod ndjson;
mod records;

use std::collections::HashSet;

use serde_json::json;

pub use self::beancount::Beancount;
pub use self::hledger::Hledger;
pub use self::ndjson::Ndjson;
use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::book::{BookAccount, Figure, Posting};
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

/// What has to be said once of the whole book, and what the account in hand needs at its end.
#[derive(Debug, Default)]
struct Seen {
    currencies: HashSet<String>,
    counter_accounts: HashSet<Box<str>>,
    /// The figures that entries of this account have moved.
    figures: Vec<Figure>,
    /// The latest entry of this account: sequence number and time.
    latest: Option<(i64, Timestamp)>,
}

impl Seen {
    /// Another account begins; whether its currency is new.
    fn account(&mut self, account: &Account) -> bool {
        self.figures.clear();
        self.latest = None;
        self.currencies.insert(account.currency.code().to_string())
    }

    /// Whether the account of that line is a counter-account that has not been seen before.
    fn line(&mut self, line: &Posting<'_>) -> bool {
        match &line.account {
            BookAccount::Own(figure) => {
                if !self.figures.contains(figure) {
                    self.figures.push(*figure);
                }
                false
            }
            BookAccount::Counter(counter) => {
                let new = !self.counter_accounts.contains(counter.as_str());
                if new {
                    self.counter_accounts.insert(counter.as_str().into());
                }
                new
            }
        }
    }

    fn at(&mut self, seq: i64, at: Timestamp) {
        if self.latest.is_none_or(|(_, latest)| latest <= at) {
            self.latest = Some((seq, at));
        }
    }
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
