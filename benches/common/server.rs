//! The private PostgreSQL server of the tests, for the benches that need one.
#![allow(dead_code, clippy::pedantic)]

#[path = "../../tests/common/pooler.rs"]
mod pooler;
#[path = "../../tests/common/postgres.rs"]
mod postgres;

use std::path::PathBuf;

pub use postgres::Server;

/// A program of PostgreSQL, of the version that the server has.
pub fn program(name: &str) -> PathBuf {
    postgres::find_binaries().join(name)
}
