//! Charges per second of 32 connections on one account, against pgbench with the same statements on one row.
//!
//! Everybody waits for one lock, and whoever has it waits for the disk: what counts is how much is done meanwhile.
//! The floor records an attempt, takes the lock, reads, writes entry, balance and outcome, and commits, in the same
//! tables; it computes no hash and knows no rule.
//! `LEDGER_BENCH_SECONDS` (per side and round), `LEDGER_BENCH_THREADS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;
#[path = "common/pgbench.rs"]
mod pgbench;
#[path = "common/server.rs"]
mod server;

use common::{ROUNDS, Target, median, size};
use server::Server;

/// Under the lock everything is read anew.
const LOCK: &str = r"BEGIN;
UPDATE balances SET last_seq = last_seq WHERE account_id = :account;
SELECT b.balance AS balance, b.total_spent AS spent, b.last_seq AS seq FROM accounts a
    JOIN balances b ON b.account_id = a.id
    LEFT JOIN LATERAL (SELECT e.hash FROM entries e WHERE e.account_id = b.account_id AND e.seq = b.last_seq LIMIT 1) l
        ON TRUE
    LEFT JOIN LATERAL (SELECT * FROM intents i WHERE i.account_id = :account AND i.idempotency_key = CAST(:key AS TEXT)) i
        ON TRUE
    WHERE a.id = :account
\gset
";

fn main() {
    let server = Server::start();
    let threads = size("LEDGER_BENCH_THREADS", 32);
    let seconds = size("LEDGER_BENCH_SECONDS", 8);
    for database in ["ours", "floor"] {
        server.create_database(database);
        let url = server.url(database);
        server::migrate(&url);
        common::accounts_with_money(&mut common::open(&url), 1);
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("charge.sql");
    let (open, post) = (pgbench::OPEN, pgbench::POST);
    std::fs::write(&script, format!("\\set account 1\n{open};\n{LOCK}{post}COMMIT;\n")).unwrap();
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        server.psql("postgres", "CHECKPOINT");
        floors.push(pgbench::rate(&server, "floor", &script, threads, seconds));
        server.psql("postgres", "CHECKPOINT");
        ours.push(pgbench::ours(&server.url("ours"), threads, seconds, |thread, turn| {
            common::charge(1, &format!("VpsUsage:{round}-{thread}-{turn}"))
        }));
    }
    common::title(format_args!(
        "PostgreSQL, {threads} connections on one account, {ROUNDS} rounds of {seconds} s each, medians"
    ));
    common::row(
        "charges",
        "per second",
        median(ours),
        median(floors),
        Target::AtLeast(0.5),
    );
}
