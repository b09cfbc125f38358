//! Records that a job has left out because what is stored of them cannot be read.

use serde_json::{Value, json};

use super::document::Block;

/// The id of each, and what is wrong with it.
pub type Unreadable = Vec<(String, String)>;

pub fn fields(unreadable: &Unreadable) -> Value {
    unreadable
        .iter()
        .map(|(id, why)| json!({"id": id, "reason": why}))
        .collect()
}

/// Nothing, where there are none.
pub fn people(unreadable: Unreadable) -> Vec<Block> {
    if unreadable.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Table {
            headers: vec!["Unreadable", "Why"],
            rows: unreadable.into_iter().map(|(id, why)| vec![id, why]).collect(),
        },
        Block::Line("These were left out: restore what is stored of them from a backup.".into()),
    ]
}
