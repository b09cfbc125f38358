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

const SAME_STATEMENTS: &str = r#"\set key random(1, 1000000000000000)
\set at random(1700000000000000, 1800000000000000)
WITH found AS (SELECT a.*, b.balance, b.held, b.last_seq, l.hash FROM accounts a
    JOIN balances b ON b.account_id = a.id
    LEFT JOIN LATERAL (SELECT e.hash FROM entries e WHERE e.account_id = b.account_id AND e.seq = b.last_seq LIMIT 1) l
        ON TRUE
    WHERE a.user_id = '1' AND a.currency = 'USD'),
recorded AS (INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at)
    SELECT id, CAST(:key AS TEXT), 1, 'charge', '{"op":"charge","amount":"0.05","service":"vps"}', 'bench',
        CAST(:at AS BIGINT) FROM found
    WHERE set_config('synchronous_commit', 'off', true) = 'off' ON CONFLICT DO NOTHING RETURNING account_id)
SELECT EXISTS (SELECT 1 FROM recorded), found.* FROM found;
BEGIN;
UPDATE balances SET last_seq = last_seq WHERE account_id = 1;
SELECT b.balance AS balance, b.total_spent AS spent, b.last_seq AS seq FROM accounts a
    JOIN balances b ON b.account_id = a.id
    LEFT JOIN LATERAL (SELECT e.hash FROM entries e WHERE e.account_id = b.account_id AND e.seq = b.last_seq LIMIT 1) l
        ON TRUE
    LEFT JOIN LATERAL (SELECT * FROM intents i WHERE i.account_id = 1 AND i.idempotency_key = CAST(:key AS TEXT)) i
        ON TRUE
    WHERE a.id = 1
\gset
\set balance :balance - 5
\set spent :spent + 5
\set next :seq + 1
WITH moved AS (UPDATE balances SET balance = :balance, total_spent = :spent, last_seq = :next,
        chain_head = decode(repeat('00', 32), 'hex')
    WHERE account_id = 1 AND last_seq = :seq AND settings_revision = 0 RETURNING account_id),
written AS (INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after,
        debt_after, at, hash, counter_account, actor, idempotency_key, reference)
    SELECT account_id, CAST(:next AS BIGINT), -5, 0, 0, 'service_fee', CAST(:balance AS BIGINT), 0, 0,
        CAST(:at AS BIGINT), decode(repeat('00', 32), 'hex'), 'revenue.vps', 'bench', CAST(:key AS TEXT), 'VpsUsage'
    FROM moved RETURNING seq),
settled AS (UPDATE intents SET state = 'applied', first_seq = :next, last_seq = :next, duration_us = 1 FROM moved
    WHERE intents.account_id = moved.account_id AND idempotency_key = CAST(:key AS TEXT) AND attempt = 1
    RETURNING attempt)
SELECT (SELECT COUNT(*) FROM moved), (SELECT COUNT(*) FROM written), (SELECT COUNT(*) FROM settled);
COMMIT;
"#;

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
    std::fs::write(&script, SAME_STATEMENTS).unwrap();
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
