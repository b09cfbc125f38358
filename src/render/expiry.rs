//! What the jobs did that end what has run out of time.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::ledger::expiry::Expired;

/// What an expiry job did to its `records`: recharges, holds.
pub fn expired(command: &'static str, records: &str, done: &Expired) -> Document {
    let refused: Vec<Value> = done
        .refused
        .iter()
        .map(|(id, reason)| json!({"id": id, "reason": reason}))
        .collect();
    let mut human = vec![Block::Line(format!("Expired: {} {records}", done.expired))];
    human.extend(
        done.refused
            .iter()
            .map(|(id, reason)| Block::Line(format!("Not expired: {id}: {reason}"))),
    );
    let data = json!({"expired": done.expired, "refused": refused});
    Document::single(command, data, human)
}
