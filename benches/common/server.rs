//! The private PostgreSQL server of the tests, for the benches that need one.
#![allow(dead_code, clippy::pedantic)]

#[path = "../../tests/common/postgres.rs"]
mod postgres;

use std::path::{Path, PathBuf};

pub use postgres::Server;

/// A program of PostgreSQL: in `LEDGER_TEST_PG_BIN`, else where the newest server is installed, else in `PATH`.
pub fn program(name: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os("LEDGER_TEST_PG_BIN") {
        let path = Path::new(&directory).join(name);
        if path.is_file() {
            return path;
        }
    }
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = packaged
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.is_file())
        .collect();
    packaged.sort();
    packaged.pop().unwrap_or_else(|| name.into())
}
