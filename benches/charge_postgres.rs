//! Charges per second of 8 connections on a private PostgreSQL server, against pgbench with one statement.
//!
//! The floor is a single prepared statement per charge, which moves a guarded balance and inserts an entry
//! in tables of its own: no idempotency key, no record of the attempt, no hash chain, no account rules.
//! `LEDGER_BENCH_SECONDS` (per side and round), `LEDGER_BENCH_ACCOUNTS`, `LEDGER_BENCH_THREADS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use common::{ROUNDS, Target, median, size};
use ledger::ledger::post::post;
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

struct Setting {
    server: Server,
    url: String,
    accounts: usize,
    threads: usize,
    seconds: u64,
}

impl Setting {
    fn floor(&self, script: &Path) -> f64 {
        let output = Command::new(server::program("pgbench"))
            .args(["-n", "-M", "prepared", "-j", "2"])
            .args(["-c", &self.threads.to_string(), "-T", &self.seconds.to_string()])
            .arg("-f")
            .arg(script)
            .arg(self.server.url("floor"))
            .output()
            .expect("pgbench can be run");
        assert!(
            output.status.success(),
            "pgbench: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8(output.stdout).unwrap();
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next());
        tps.expect("pgbench says its tps").parse().unwrap()
    }

    fn ours(&self, round: usize) -> f64 {
        let barrier = Barrier::new(self.threads);
        let run = |thread: usize| {
            let mut ledger = common::open(&self.url);
            let mut random = fastrand::Rng::with_seed((round * 1_000 + thread) as u64);
            barrier.wait();
            let (started, span) = (Instant::now(), Duration::from_secs(self.seconds));
            let mut done = 0_u32;
            while started.elapsed() < span {
                let request = common::charge(
                    random.usize(1..=self.accounts),
                    &format!("VpsUsage:{round}-{thread}-{done}"),
                );
                common::applied(&post(&mut ledger, &request).unwrap());
                done += 1;
            }
            f64::from(done) / started.elapsed().as_secs_f64()
        };
        std::thread::scope(|scope| {
            let run = &run;
            let running: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || run(thread)))
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    }
}

fn main() {
    let server = Server::start();
    for database in ["ours", "floor"] {
        server.create_database(database);
    }
    let setting = Setting {
        url: server.url("ours"),
        accounts: size("LEDGER_BENCH_ACCOUNTS", 1_000),
        threads: size("LEDGER_BENCH_THREADS", 8),
        seconds: size("LEDGER_BENCH_SECONDS", 8),
        server,
    };
    let Setting {
        server, accounts, url, ..
    } = &setting;
    server.psql("floor", FLOOR_SCHEMA);
    server.psql(
        "floor",
        &format!("INSERT INTO balances SELECT n, 1000000000000, 0 FROM generate_series(1, {accounts}) n"),
    );
    migrate(url);
    common::accounts_with_money(&mut common::open(url), *accounts);
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("charge.sql");
    let text = format!(
        "\\set account random(1, {accounts})\n\\set reference random(1, 1000000000)\n\
         \\set at random(1700000000000000, 1800000000000000)\n{FLOOR_CHARGE}"
    );
    std::fs::write(&script, text).unwrap();
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        server.psql("postgres", "CHECKPOINT");
        floors.push(setting.floor(&script));
        server.psql("postgres", "CHECKPOINT");
        ours.push(setting.ours(round));
    }
    common::title(format_args!(
        "PostgreSQL, {} connections, {accounts} accounts, {ROUNDS} rounds of {} s each, medians",
        setting.threads, setting.seconds
    ));
    common::row(
        "charges",
        "per second",
        median(ours),
        median(floors),
        Target::AtLeast(0.6),
    );
}

fn migrate(url: &str) {
    let done = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(["migrate", "up", "--database-url", url])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "migrate: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
