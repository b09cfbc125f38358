//! `ledger process-pending-credits` over many due credits, against the same effect by hand-written SQL.
//!
//! The floor is one transaction of three statements over whole tables, on a copy of the same database with the same
//! constraints: entries with running figures but without hashes, credits marked, balances raised.
//! `LEDGER_BENCH_CREDITS`, `LEDGER_BENCH_ACCOUNTS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;
#[path = "common/process.rs"]
mod process;
#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::time::Instant;

use common::{Target, size};
use rusqlite::Connection;

/// Statements that fill accounts and due credits; `numbers` makes the rows `n(i)` of 1 to the number given.
fn filling(credits: usize, accounts: usize, numbers: impl Fn(usize) -> String, hash: &str) -> String {
    let each = credits / accounts;
    let (people, purchases) = (numbers(accounts), numbers(credits));
    let place = format!("(i - 1) / {each} + 1, (i - 1) % {each} + 1");
    format!(
        "INSERT INTO currencies (code, exponent) VALUES ('POINTS', 0);
         INSERT INTO accounts (id, user_id, currency, exponent, created_at)
             SELECT i, CAST(i AS TEXT), 'POINTS', 0, 0 FROM {people};
         INSERT INTO balances (account_id, chain_head) SELECT i, {hash} FROM {people};
         INSERT INTO purchases (account_id, number, paid, paid_currency, paid_exponent, credits, created_at, created_by,
             reference) SELECT {place}, 300000, 'VND', 0, 3, 0, 'shop', 'INV-' || CAST(i AS TEXT) FROM {purchases};
         INSERT INTO pending_credits (account_id, number, credits, due_at) SELECT {place}, 3, 1 FROM {purchases};"
    )
}

/// The same effect by hand.
fn floor(hash: &str) -> String {
    format!(
        "BEGIN;
         INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after,
             debt_after, at, hash, counter_account, actor, reference)
         SELECT c.account_id, b.last_seq + ROW_NUMBER() OVER w, c.credits, 0, 0, 'credit',
             b.balance + CAST(SUM(c.credits) OVER w AS BIGINT), b.held, b.debt, 2, {hash}, 'promotions:credit', 'floor',
             p.reference
         FROM pending_credits c JOIN balances b ON b.account_id = c.account_id
         JOIN purchases p ON p.account_id = c.account_id AND p.number = c.number
         WHERE c.state = 'pending' AND c.due_at <= 2
         WINDOW w AS (PARTITION BY c.account_id ORDER BY c.number)
         ORDER BY c.account_id, c.number;
         UPDATE balances SET balance = balance + d.credits, last_seq = last_seq + d.entries
         FROM (SELECT account_id, CAST(SUM(credits) AS BIGINT) AS credits, COUNT(*) AS entries FROM pending_credits
             WHERE state = 'pending' AND due_at <= 2 GROUP BY account_id) d
         WHERE balances.account_id = d.account_id;
         UPDATE pending_credits SET state = 'transferred', settled_at = 2, entry_seq = number
         WHERE state = 'pending' AND due_at <= 2;
         COMMIT;"
    )
}

fn ours(url: &str, credits: usize) -> (f64, f64) {
    let run = process::run(&["process-pending-credits", "--format", "json"], url);
    let said: serde_json::Value = serde_json::from_str(&run.output).unwrap();
    assert!(said["data"]["transferred"] == credits, "{said}");
    (run.seconds, run.peak_megabytes)
}

fn report(what: &str, credits: usize, (seconds, memory): (f64, f64), floor: f64) {
    #[allow(clippy::cast_precision_loss)]
    let rate = |seconds: f64| credits as f64 / seconds;
    common::row(
        &format!("{what}, credits per second"),
        "1/s",
        rate(seconds),
        rate(floor),
        Target::AtLeast(0.3),
    );
    println!("  {what}, peak memory in MB {memory:.1}");
}

fn sqlite(credits: usize, accounts: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    drop(common::open(&path.display().to_string()));
    let numbers = |count: usize| {
        format!("(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)")
    };
    let fill = filling(credits, accounts, numbers, "zeroblob(32)");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&format!("BEGIN; {fill} COMMIT;")).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let copy = directory.path().join("floor.db");
    std::fs::copy(&path, &copy).unwrap();
    let by_hand = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256000;")
            .unwrap();
        let started = Instant::now();
        connection.execute_batch(&floor("zeroblob(32)")).unwrap();
        started.elapsed().as_secs_f64()
    };
    let floor = by_hand(&copy);
    report("SQLite", credits, ours(&path.display().to_string(), credits), floor);
}

fn postgres(credits: usize, accounts: usize) {
    let (server, url) = server::with_ledger();
    let numbers = |count: usize| format!("generate_series(1, {count}) n (i)");
    let hash = "decode(repeat('00', 32), 'hex')";
    server.psql("ledger", &filling(credits, accounts, numbers, hash));
    server.psql("ledger", "VACUUM ANALYZE");
    server.psql("postgres", "CREATE DATABASE by_hand TEMPLATE ledger");
    server.psql("postgres", "CHECKPOINT");
    let started = Instant::now();
    server.psql("by_hand", &floor(hash));
    let floor = started.elapsed().as_secs_f64();
    report("PostgreSQL", credits, ours(&url, credits), floor);
}

fn main() {
    let credits = size("LEDGER_BENCH_CREDITS", 1_000_000);
    let accounts = size("LEDGER_BENCH_ACCOUNTS", 10_000);
    common::title(format_args!(
        "process-pending-credits of {credits} credits of {accounts} accounts"
    ));
    sqlite(credits, accounts);
    postgres(credits, accounts);
}
