//! What a seeded ledger is made of.

use serde_json::{Map, Value, json};

use super::document::{Block, Document};
use crate::ledger::seed::Seeded;

pub fn seeded(seeded: &Seeded) -> Document {
    let by_kind: Map<String, Value> = seeded
        .by_kind
        .iter()
        .map(|(kind, entries)| (kind.name().into(), (*entries).into()))
        .collect();
    let mut data = json!({
        "accounts": seeded.accounts,
        "entries": seeded.entries,
        "start": seeded.start.to_string(),
        "end": seeded.end.to_string(),
        "digest": seeded.digest.to_string(),
    });
    // In a row, each kind is a column of its own.
    let mut row = data.clone();
    for (kind, entries) in &by_kind {
        row[kind] = entries.clone();
    }
    data["by_kind"] = by_kind.into();
    Document {
        command: "seed",
        data,
        rows: vec![row],
        human: told(seeded),
    }
}

fn told(seeded: &Seeded) -> Vec<Block> {
    let rows = seeded
        .by_kind
        .iter()
        .map(|(kind, entries)| vec![kind.name().into(), entries.to_string()]);
    vec![
        Block::Table {
            headers: vec!["Kind", "Entries"],
            rows: rows.collect(),
        },
        Block::Pairs(vec![
            ("Accounts", seeded.accounts.to_string()),
            ("Entries", seeded.entries.to_string()),
            ("Start", seeded.start.to_string()),
            ("End", seeded.end.to_string()),
            ("Digest", seeded.digest.to_string()),
        ]),
    ]
}
