//! Charges per second of 8 connections on a private PostgreSQL server, against pgbench with one statement, and with the
//! same two.
//!
//! The floor is a single prepared statement per charge, which moves a guarded balance and inserts an entry
//! in tables of its own: no idempotency key, no record of the attempt, no hash chain, no account rules.
//! What it costs to record the attempt first, in a transaction of its own, is shown by pgbench with the two statements of
//! a charge, in the same tables; it computes no hash and knows no rule.
//! `LEDGER_BENCH_SECONDS` (per side and round), `LEDGER_BENCH_ACCOUNTS`, `LEDGER_BENCH_THREADS`.
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

const FLOOR_SCHEMA: &str = "
    CREATE TABLE balances (account_id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, last_seq BIGINT NOT NULL)
        WITH (fillfactor = 70);
    CREATE TABLE entries (
        account_id BIGINT NOT NULL, seq BIGINT NOT NULL, amount BIGINT NOT NULL, balance_after BIGINT NOT NULL,
        kind TEXT NOT NULL, reference TEXT NOT NULL, at BIGINT NOT NULL,
        PRIMARY KEY (account_id, seq)
    );";

/// The time and the reference are given as numbers of the client, as a program would send them.
const FLOOR_CHARGE: &str = "\
WITH moved AS (
    UPDATE balances SET balance = balance - 5, last_seq = last_seq + 1
    WHERE account_id = :account AND balance >= 5 RETURNING account_id, last_seq, balance
)
INSERT INTO entries (account_id, seq, amount, balance_after, kind, reference, at)
SELECT account_id, last_seq, -5, balance, 'service_fee', 'VpsUsage:' || :reference::bigint, :at FROM moved;
";

fn main() {
    let server = Server::start();
    for database in ["ours", "floor", "same"] {
        server.create_database(database);
    }
    let accounts = size("LEDGER_BENCH_ACCOUNTS", 1_000);
    let threads = size("LEDGER_BENCH_THREADS", 8);
    let seconds = size("LEDGER_BENCH_SECONDS", 8);
    server.psql("floor", FLOOR_SCHEMA);
    server.psql(
        "floor",
        &format!("INSERT INTO balances SELECT n, 1000000000000, 0 FROM generate_series(1, {accounts}) n"),
    );
    for database in ["ours", "same"] {
        let url = server.url(database);
        server::migrate(&url);
        common::accounts_with_money(&mut common::open(&url), accounts);
    }
    let url = server.url("ours");
    let directory = tempfile::tempdir().unwrap();
    let (floor, same) = (directory.path().join("floor.sql"), directory.path().join("same.sql"));
    let text = format!(
        "\\set account random(1, {accounts})\n\\set reference random(1, 1000000000)\n\
         \\set at random(1700000000000000, 1800000000000000)\n{FLOOR_CHARGE}"
    );
    std::fs::write(&floor, text).unwrap();
    let (open, post) = (pgbench::OPEN, pgbench::POST);
    let text = format!("\\set account random(1, {accounts})\n{open}\n\\gset\n{post}");
    std::fs::write(&same, text).unwrap();
    let (mut floors, mut sames, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        server.psql("postgres", "CHECKPOINT");
        floors.push(pgbench::rate(&server, "floor", &floor, threads, seconds));
        server.psql("postgres", "CHECKPOINT");
        sames.push(pgbench::rate(&server, "same", &same, threads, seconds));
        server.psql("postgres", "CHECKPOINT");
        ours.push(pgbench::ours(&url, threads, seconds, |thread, turn| {
            let mut random = fastrand::Rng::with_seed(((round * threads + thread) << 32 | turn) as u64);
            common::charge(random.usize(1..=accounts), &format!("VpsUsage:{round}-{thread}-{turn}"))
        }));
    }
    common::title(format_args!(
        "PostgreSQL, {threads} connections, {accounts} accounts, {ROUNDS} rounds of {seconds} s each, medians"
    ));
    let (ours, floor, same) = (median(ours), median(floors), median(sames));
    common::row("charges", "per second", ours, floor, Target::AtLeast(0.6));
    common::row("the same statements", "per second", ours, same, Target::None);
    common::row("the same statements by hand", "per second", same, floor, Target::None);
}
