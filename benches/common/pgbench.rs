//! pgbench as a floor, and as many connections of ours beside it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use ledger::ledger::post::{Request, post};

use crate::common;
use crate::server::{self, Server};

/// What a charge sends first, on the ledger's own tables: the attempt is recorded, without waiting for the disk, and the
/// account read. For an `account` that the script has set; ends without a semicolon.
pub const OPEN: &str = r#"\set key random(1, 1000000000000000)
\set at random(1700000000000000, 1800000000000000)
WITH found AS (SELECT a.id, a.locked, b.balance, b.held, b.total_spent AS spent, b.last_seq AS seq, l.hash FROM accounts a
    JOIN balances b ON b.account_id = a.id
    LEFT JOIN LATERAL (SELECT e.hash FROM entries e WHERE e.account_id = b.account_id AND e.seq = b.last_seq LIMIT 1) l
        ON TRUE
    WHERE a.user_id = CAST(:account AS TEXT) AND a.currency = 'USD'),
recorded AS (INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at)
    SELECT id, CAST(:key AS TEXT), 1, 'charge', '{"op":"charge","amount":"0.05","service":"vps"}', 'bench',
        CAST(:at AS BIGINT) FROM found
    WHERE set_config('synchronous_commit', 'off', true) = 'off' ON CONFLICT DO NOTHING RETURNING account_id)
SELECT EXISTS (SELECT 1 FROM recorded) AS is_new, found.* FROM found"#;

/// What it sends then: balance, entry and outcome together, if the account is still as it was read into `balance`,
/// `spent` and `seq`. No hash is computed.
pub const POST: &str = r"\set balance :balance - 5
\set spent :spent + 5
\set next :seq + 1
WITH moved AS (UPDATE balances SET balance = :balance, total_spent = :spent, last_seq = :next,
        chain_head = decode(repeat('00', 32), 'hex')
    WHERE account_id = :account AND last_seq = :seq AND settings_revision = 0 RETURNING account_id),
written AS (INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after,
        debt_after, at, hash, counter_account, actor, idempotency_key, reference)
    SELECT account_id, CAST(:next AS BIGINT), -5, 0, 0, 'service_fee', CAST(:balance AS BIGINT), 0, 0,
        CAST(:at AS BIGINT), decode(repeat('00', 32), 'hex'), 'revenue.vps', 'bench', CAST(:key AS TEXT), 'VpsUsage'
    FROM moved RETURNING seq),
settled AS (UPDATE intents SET state = 'applied', first_seq = :next, last_seq = :next, duration_us = 1 FROM moved
    WHERE intents.account_id = moved.account_id AND idempotency_key = CAST(:key AS TEXT) AND attempt = 1
    RETURNING attempt)
SELECT (SELECT COUNT(*) FROM moved), (SELECT COUNT(*) FROM written), (SELECT COUNT(*) FROM settled);
";

/// Transactions per second of a script.
pub fn rate(server: &Server, database: &str, script: &Path, clients: usize, seconds: u64) -> f64 {
    let output = Command::new(server::program("pgbench"))
        .args(["-n", "-M", "prepared", "-j", "2"])
        .args(["-c", &clients.to_string(), "-T", &seconds.to_string()])
        .arg("-f")
        .arg(script)
        .arg(server.url(database))
        .output()
        .expect("pgbench can be run");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "pgbench: {complaint}");
    let said = String::from_utf8(output.stdout).unwrap();
    let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = tps.and_then(|rest| rest.split(' ').next());
    tps.expect("pgbench says its tps").parse().unwrap()
}

/// Requests per second of so many connections; `next` makes the request of a connection's turn.
pub fn ours(url: &str, connections: usize, seconds: u64, next: impl Fn(usize, usize) -> Request + Sync) -> f64 {
    let barrier = Barrier::new(connections);
    let run = |connection: usize| {
        let mut ledger = common::open(url);
        barrier.wait();
        let (started, span) = (Instant::now(), Duration::from_secs(seconds));
        let mut done = 0_u32;
        while started.elapsed() < span {
            let request = next(connection, done as usize);
            common::applied(&post(&mut ledger, &request).unwrap());
            done += 1;
        }
        f64::from(done) / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || run(connection)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
