//! The one test binary: every promise on SQLite and on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::pedantic
)]

mod common;

mod architecture;
mod audit;
mod cli;
mod concurrency;
mod faults;
mod fuzzed;
mod notify;
mod operating;
mod oracles;
mod properties;
mod schema;
mod sweep;
