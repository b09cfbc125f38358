//! An outcome ready to be shown in any format.
//!
//! What programs read is only ever added to; what people read may change.

use serde::Serialize;
use serde_json::Value;

/// One outcome: the same content for programs and for people.
#[derive(Clone, Debug)]
pub struct Document {
    /// The command, as in `ledger.<command>/1`.
    pub command: &'static str,
    /// The whole outcome, the `data` of the JSON envelope.
    pub data: Value,
    /// Its rows, one a line in NDJSON and CSV.
    pub rows: Vec<Value>,
    pub human: Vec<Block>,
}

/// A piece of what a person sees.
#[derive(Clone, Debug)]
pub enum Block {
    Line(String),
    /// Names and values, one pair a line.
    Pairs(Vec<(&'static str, String)>),
    Table {
        headers: Vec<&'static str>,
        rows: Vec<Vec<String>>,
    },
}

/// What a program reads, as a value to be put into a document.
pub fn value(fields: &impl Serialize) -> Value {
    // Fails only for maps whose keys are no texts, which none of ours has.
    serde_json::to_value(fields).unwrap_or_default()
}

impl Document {
    /// An outcome that is one row.
    pub fn single(command: &'static str, data: Value, human: Vec<Block>) -> Self {
        Self {
            command,
            rows: vec![data.clone()],
            data,
            human,
        }
    }

    /// An outcome that is a list.
    pub fn list(command: &'static str, name: &str, rows: Vec<Value>, human: Vec<Block>) -> Self {
        Self {
            command,
            data: serde_json::json!({ name: rows }),
            rows,
            human,
        }
    }
}
