//! Wall time of one `ledger charge`, against the same rows written by hand with `sqlite3` and with `psql`.
//!
//! The floor starts a process too, and runs one transaction on the same schema: intent, entry, balance row,
//! intent settled. It computes no hash and decides nothing. `sqlite3` checkpoints its log when it closes the
//! file, which `ledger` leaves to a later command; in the row "without checkpoint" it does not either.
//! `LEDGER_BENCH_RUNS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Target, median, size};
use server::Server;

const ACCOUNTS: usize = 100;

fn by_hand(begin: &str, hash: &str, turn: usize) -> String {
    let id = 1 + turn % ACCOUNTS;
    let name = format!("VpsUsage:{turn}");
    format!(
        "{begin};
INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at)
VALUES ({id}, '{name}', 1, 'charge', '{{\"amount\":5,\"service\":\"vps\",\"reference\":\"{name}\"}}', 'bench', 1772366400000000);
INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after,
    debt_after, at, hash, counter_account, actor, idempotency_key, reference)
SELECT account_id, last_seq + 1, -5, 0, 0, 'service_fee', balance - 5, held, debt, 1772366400000000, {hash},
    'revenue:vps', 'bench', '{name}', '{name}' FROM balances WHERE account_id = {id};
UPDATE balances SET balance = balance - 5, total_spent = total_spent + 5, last_seq = last_seq + 1, chain_head = {hash}
WHERE account_id = {id} AND balance >= 5;
UPDATE intents SET state = 'applied', first_seq = 2, last_seq = 2, duration_us = 1
WHERE account_id = {id} AND idempotency_key = '{name}' AND attempt = 1;
COMMIT;
"
    )
}

fn milliseconds(command: &mut Command) -> f64 {
    let started = Instant::now();
    let output = command.output().expect("the command can be run");
    let took = started.elapsed();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    took.as_secs_f64() * 1_000.0
}

fn charge(url: &str, turn: usize) -> f64 {
    let name = format!("VpsUsage:{turn}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command
        .args(["charge", "--amount", "0.05", "--service", "vps", "--format", "json"])
        .args(["--user-id", &(1 + turn % ACCOUNTS).to_string()])
        .args(["--reference", &name, "--idempotency-key", &name])
        .env("DATABASE_URL", url)
        .stdin(Stdio::null());
    milliseconds(&mut command)
}

/// Runs a script that was written beforehand, so that writing it is not timed.
fn script(directory: &Path, text: &str, command: &mut Command) -> f64 {
    let path: PathBuf = directory.join("script.sql");
    std::fs::write(&path, text).unwrap();
    milliseconds(command.stdin(File::open(&path).unwrap()))
}

struct Times {
    ours: Vec<f64>,
    floor: Vec<f64>,
    plain: Vec<f64>,
}

fn on_sqlite(directory: &Path, runs: usize) -> Times {
    let file = |name: &str| directory.join(name).display().to_string();
    let files = [file("ours.db"), file("floor.db"), file("plain.db")];
    for name in &files {
        common::accounts_with_money(&mut common::open(name), ACCOUNTS);
    }
    let shell = |name: &str, before: &str, turn: usize| {
        let text = by_hand("BEGIN IMMEDIATE", "zeroblob(32)", turn);
        let text = format!("{before}PRAGMA synchronous = FULL;\nPRAGMA foreign_keys = ON;\n{text}");
        script(
            directory,
            &text,
            Command::new("sqlite3").args(["-batch", "-bail", name]).env_clear(),
        )
    };
    let mut times = Times {
        ours: Vec::new(),
        floor: Vec::new(),
        plain: Vec::new(),
    };
    for turn in 0..runs {
        times.floor.push(shell(&files[1], "", turn));
        times.ours.push(charge(&files[0], turn));
        times
            .plain
            .push(shell(&files[2], ".dbconfig no_ckpt_on_close on\n", turn));
    }
    times
}

fn on_postgres(directory: &Path, runs: usize) -> Times {
    let server = Server::start();
    for database in ["ours", "floor"] {
        server.create_database(database);
        let url = server.url(database);
        server::migrate(&url);
        common::accounts_with_money(&mut common::open(&url), ACCOUNTS);
    }
    let psql = server::program("psql");
    let mut times = Times {
        ours: Vec::new(),
        floor: Vec::new(),
        plain: Vec::new(),
    };
    for turn in 0..runs {
        let text = by_hand("BEGIN", "decode(repeat('00', 32), 'hex')", turn);
        let mut command = Command::new(&psql);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &server.url("floor")]);
        times.floor.push(script(directory, &text, &mut command));
        times.ours.push(charge(&server.url("ours"), turn));
    }
    times
}

fn main() {
    let runs = size("LEDGER_BENCH_RUNS", 100);
    let directory = tempfile::tempdir().unwrap();
    let sqlite = on_sqlite(directory.path(), runs);
    let postgres = on_postgres(directory.path(), runs);
    common::title(format_args!(
        "One charge as a process of its own, {runs} runs of each interleaved, medians"
    ));
    let ours = median(sqlite.ours);
    common::row("sqlite3", "ms", ours, median(sqlite.floor), Target::AtMost(1.5));
    common::row(
        "sqlite3 without checkpoint",
        "ms",
        ours,
        median(sqlite.plain),
        Target::None,
    );
    common::row(
        "psql",
        "ms",
        median(postgres.ours),
        median(postgres.floor),
        Target::AtMost(1.5),
    );
}
