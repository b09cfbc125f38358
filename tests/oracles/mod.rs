//! What must hold of every reader of foreign bytes, whatever the bytes are: one function per target of `fuzz/`.
//!
//! Each takes bytes, fails by a panic, and holds what the ledger makes of them against something that was written
//! independently of it. They stand here, and are included by the fuzz targets, so that the test command compiles and
//! runs them too: on the corpus and on mutations of it.

pub mod amounts;
pub mod anchors;
pub mod callback;
pub mod canonical_entry;
pub mod csv;
pub mod database_url;
pub mod export;
pub mod ndjson;
pub mod payload;
pub mod times;

pub mod decimal;
mod draw;
mod requests;

/// An oracle, by the name of its target and of its corpus.
pub type Oracle = fn(&[u8]);

pub const ALL: &[(&str, Oracle)] = &[
    ("amounts", amounts::check),
    ("anchors", anchors::check),
    ("callback", callback::check),
    ("canonical_entry", canonical_entry::check),
    ("csv", csv::check),
    ("database_url", database_url::check),
    ("export", export::check),
    ("ndjson", ndjson::check),
    ("payload", payload::check),
    ("times", times::check),
];
