//! The private PostgreSQL server of the tests, for the benches that need one.
#![allow(dead_code, clippy::pedantic)]

#[path = "../../tests/common/pooler.rs"]
mod pooler;
#[path = "../../tests/common/postgres.rs"]
mod postgres;

use std::path::PathBuf;
use std::process::Command;

pub use postgres::Server;

/// A program of PostgreSQL, of the version that the server has.
pub fn program(name: &str) -> PathBuf {
    postgres::find_binaries().join(name)
}

/// A server with one migrated database, `ledger`, and its address.
pub fn with_ledger() -> (Server, String) {
    let server = Server::start();
    server.create_database("ledger");
    let url = server.url("ledger");
    migrate(&url);
    (server, url)
}

pub fn migrate(url: &str) {
    let done = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(["migrate", "up", "--quiet", "--database-url", url])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "migrate: {complaint}");
}
