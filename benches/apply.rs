//! `ledger apply` from an NDJSON file to a file of results, against the same rows written by hand.
//!
//! The floors write every column of the same entries, intents and balance rows into a copy of the same database, with
//! the same constraints, from values that are ready: on SQLite by prepared statements, sorted by account, in
//! transactions of the same size; on PostgreSQL by COPY and one UPDATE. They read no input, judge nothing, hash
//! nothing, look no key up and show no result. After that, in the same ledger, the same file once more, and one in which
//! every fifth line is a recharge or a hold, each against the charges.
//! `LEDGER_BENCH_CHARGES`, `LEDGER_BENCH_ACCOUNTS`, `LEDGER_BENCH_ENTRIES` (in the ledger beforehand).
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

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{Target, size};
use rusqlite::{Connection, params};
use server::Server;

/// Lines to a transaction of the floor on SQLite: as many as `apply` takes at most.
const CHUNK: usize = 131_072;

const OPENING: i64 = 1_000_000_000;

#[derive(Clone, Copy)]
struct Sizes {
    charges: usize,
    accounts: usize,
    /// Of every account, beforehand.
    each: usize,
}

impl Sizes {
    /// Neither sorted nor in the order of the rows.
    fn account(self, charge: usize) -> usize {
        1 + charge.wrapping_mul(7919) % self.accounts
    }

    /// Statements that fill the ledger; `numbers` makes the rows `n(i)` of 1 to the number given.
    fn filling(self, numbers: impl Fn(usize) -> String, hash: &str) -> String {
        let (people, entries) = (numbers(self.accounts), numbers(self.accounts * self.each));
        let each = self.each;
        format!(
            "INSERT INTO accounts (id, user_id, currency, exponent, created_at)
                 SELECT i, CAST(i AS TEXT), 'USD', 2, 0 FROM {people};
             INSERT INTO balances (account_id, balance, total_recharged, last_seq, chain_head)
                 SELECT i, {each} * {OPENING}, {each} * {OPENING}, {each}, {hash} FROM {people};
             INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after,
                 held_after, debt_after, at, hash, counter_account, actor, idempotency_key)
                 SELECT (i - 1) / {each} + 1, (i - 1) % {each} + 1, {OPENING}, 0, 0, 'recharge',
                 ((i - 1) % {each} + 1) * {OPENING}, 0, 0, 1, {hash}, 'gateway:momo', 'bench', 'r-' || i
                 FROM {entries};
             INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at, state,
                 first_seq, last_seq, duration_us)
                 SELECT (i - 1) / {each} + 1, 'r-' || i, 1, 'recharge', '{{}}', 'bench', 1, 'applied',
                 (i - 1) % {each} + 1, (i - 1) % {each} + 1, 1 FROM {entries};"
        )
    }

    fn input(self, directory: &Path) -> Input {
        let charge = |number| {
            format!(
                "\"op\":\"charge\",\"service\":\"vps\",\"reference\":\"VpsUsage:{number}\",\
                 \"idempotency_key\":\"u-{number}\""
            )
        };
        let mixed = |number| {
            let operation = match number % 10 {
                3 => "\"op\":\"recharge\",\"method\":\"momo\"",
                7 => "\"op\":\"freeze\"",
                _ => "\"op\":\"charge\",\"service\":\"vps\"",
            };
            format!("{operation},\"idempotency_key\":\"m-{number}\"")
        };
        Input {
            charges: self.file(&directory.join("charges.ndjson"), charge),
            mixed: self.file(&directory.join("mixed.ndjson"), mixed),
        }
    }

    fn file(self, path: &Path, line: impl Fn(usize) -> String) -> PathBuf {
        let mut file = BufWriter::new(File::create(path).unwrap());
        for number in 0..self.charges {
            let (user, rest) = (self.account(number), line(number));
            writeln!(file, "{{\"user_id\":\"{user}\",\"amount\":\"0.05\",{rest}}}").unwrap();
        }
        file.into_inner().unwrap().sync_all().unwrap();
        path.to_owned()
    }
}

struct Input {
    charges: PathBuf,
    mixed: PathBuf,
}

/// A charge of 5 as the floors write it.
struct Row {
    account: usize,
    seq: i64,
    balance: i64,
    charge: usize,
}

/// The rows of these charges, sorted by account; `last` is how far each account is.
fn rows(sizes: Sizes, charges: std::ops::Range<usize>, last: &mut [(i64, i64)]) -> Vec<Row> {
    let mut rows: Vec<Row> = charges
        .map(|charge| {
            let account = sizes.account(charge);
            let (seq, balance) = &mut last[account];
            *seq += 1;
            *balance -= 5;
            Row {
                account,
                seq: *seq,
                balance: *balance,
                charge,
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.account, row.seq));
    rows
}

fn opening(sizes: Sizes) -> Vec<(i64, i64)> {
    let each = i64::try_from(sizes.each).unwrap();
    vec![(each, each * OPENING); sizes.accounts + 1]
}

fn payload(charge: usize) -> String {
    format!("{{\"op\":\"charge\",\"amount\":\"0.05\",\"service\":\"vps\",\"reference\":\"VpsUsage:{charge}\"}}")
}

fn sqlite_floor(path: &Path, sizes: Sizes) -> f64 {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -64000; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 131072;",
        )
        .unwrap();
    let mut entry = connection
        .prepare(
            "INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, \
             held_after, debt_after, at, hash, counter_account, actor, idempotency_key, reference) \
             VALUES (?, ?, -5, 0, 0, 'service_fee', ?, 0, 0, 2, ?, 'revenue:vps', 'bench', ?, ?)",
        )
        .unwrap();
    let mut intent = connection
        .prepare(
            "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at, state, \
             first_seq, last_seq, duration_us) VALUES (?, ?, 1, 'charge', ?, 'bench', 2, 'applied', ?, ?, 1)",
        )
        .unwrap();
    let mut balance = connection
        .prepare("UPDATE balances SET balance = ?, total_spent = ?, last_seq = ?, chain_head = ? WHERE account_id = ?")
        .unwrap();
    let (mut last, hash, each) = (opening(sizes), [7_u8; 32], i64::try_from(sizes.each).unwrap());
    let started = Instant::now();
    for first in (0..sizes.charges).step_by(CHUNK) {
        let rows = rows(sizes, first..sizes.charges.min(first + CHUNK), &mut last);
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (at, row) in rows.iter().enumerate() {
            let (key, reference) = (format!("u-{}", row.charge), format!("VpsUsage:{}", row.charge));
            let account = i64::try_from(row.account).unwrap();
            entry
                .execute(params![account, row.seq, row.balance, hash, key, reference])
                .unwrap();
            intent
                .execute(params![account, key, payload(row.charge), row.seq, row.seq])
                .unwrap();
            if rows.get(at + 1).is_none_or(|next| next.account != row.account) {
                let spent = each * OPENING - row.balance;
                balance
                    .execute(params![row.balance, spent, row.seq, hash, account])
                    .unwrap();
            }
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    started.elapsed().as_secs_f64()
}

fn postgres_floor(server: &Server, database: &str, sizes: Sizes, directory: &Path) -> f64 {
    let (entries, intents) = (directory.join("entries.copy"), directory.join("intents.copy"));
    let hash = format!("\\\\x{}", "07".repeat(32));
    let mut entry = BufWriter::new(File::create(&entries).unwrap());
    let mut intent = BufWriter::new(File::create(&intents).unwrap());
    for row in rows(sizes, 0..sizes.charges, &mut opening(sizes)) {
        let Row {
            account,
            seq,
            balance,
            charge,
        } = row;
        writeln!(
            entry,
            "{account}\t{seq}\t-5\t0\t0\tservice_fee\t{balance}\t0\t0\t2\t{hash}\trevenue:vps\tbench\tu-{charge}\tVpsUsage:{charge}"
        )
        .unwrap();
        let payload = payload(charge);
        writeln!(
            intent,
            "{account}\tu-{charge}\t1\tcharge\t{payload}\tbench\t2\tapplied\t{seq}\t{seq}\t1"
        )
        .unwrap();
    }
    drop((entry, intent));
    let script = format!(
        "BEGIN;
         \\copy entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, debt_after, at, hash, counter_account, actor, idempotency_key, reference) FROM '{}'
         \\copy intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at, state, first_seq, last_seq, duration_us) FROM '{}'
         UPDATE balances b SET balance = n.balance, last_seq = n.seq FROM (
             SELECT account_id, MIN(balance_after) AS balance, MAX(seq) AS seq FROM entries WHERE at = 2 GROUP BY 1) n
         WHERE b.account_id = n.account_id;
         COMMIT;\n",
        entries.display(),
        intents.display()
    );
    let started = Instant::now();
    server.psql(database, &script);
    started.elapsed().as_secs_f64()
}

fn report(what: &str, sizes: Sizes, run: &process::Run, floor: f64, target: f64) {
    #[allow(clippy::cast_precision_loss)]
    let rate = |seconds: f64| sizes.charges as f64 / seconds;
    common::row(
        &format!("{what}, charges"),
        "1/s",
        rate(run.seconds),
        rate(floor),
        Target::None,
    );
    let met = if rate(run.seconds) >= target { "met" } else { "MISSED" };
    println!("  {what}: {target} 1/s {met}; peak memory {:.0} MB", run.peak_megabytes);
}

/// What is slower than charges that nobody has seen, by how much.
fn others(what: &str, (url, input, directory): (&str, &Input, &Path), sizes: Sizes, charges: &process::Run) {
    for (name, path, outcome) in [
        ("once more", &input.charges, "already_applied"),
        ("mixed", &input.mixed, "applied"),
    ] {
        let run = ours(url, (path, outcome), directory, sizes);
        common::row(
            &format!("{what}, {name}, against the charges"),
            "s",
            run.seconds,
            charges.seconds,
            Target::None,
        );
        println!("  {what}, {name}: peak memory {:.0} MB", run.peak_megabytes);
    }
}

/// Results go to a file, as they do for whoever keeps them.
fn ours(url: &str, (input, outcome): (&Path, &str), directory: &Path, sizes: Sizes) -> process::Run {
    let results = directory.join("results.ndjson");
    let run = process::run_into(&["apply", &input.display().to_string()], url, &results);
    let applied = std::fs::read_to_string(&results).unwrap();
    let outcome = format!("\"outcome\":\"{outcome}\"");
    assert_eq!(applied.matches(&outcome).count(), sizes.charges);
    run
}

fn sqlite(sizes: Sizes, input: &Input, directory: &Path) {
    let path = directory.join("ledger.db");
    drop(common::open(&path.display().to_string()));
    let numbers = |count: usize| {
        format!("(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)")
    };
    let connection = Connection::open(&path).unwrap();
    let fill = sizes.filling(numbers, "zeroblob(32)");
    connection.execute_batch(&format!("BEGIN; {fill} COMMIT;")).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let copy = directory.join("floor.db");
    std::fs::copy(&path, &copy).unwrap();
    let floor = sqlite_floor(&copy, sizes);
    std::fs::remove_file(&copy).unwrap();
    let url = path.display().to_string();
    let run = ours(&url, (&input.charges, "applied"), directory, sizes);
    report("SQLite", sizes, &run, floor, 150_000.0);
    others("SQLite", (&url, input, directory), sizes, &run);
}

fn postgres(sizes: Sizes, input: &Input, directory: &Path) {
    let (server, url) = server::with_ledger();
    let numbers = |count: usize| format!("generate_series(1, {count}) n (i)");
    server.psql("ledger", &sizes.filling(numbers, "decode(repeat('00', 32), 'hex')"));
    server.psql("ledger", "VACUUM ANALYZE");
    server.psql("postgres", "CREATE DATABASE by_hand TEMPLATE ledger");
    server.psql("postgres", "CHECKPOINT");
    let floor = postgres_floor(&server, "by_hand", sizes, directory);
    server.psql("postgres", "CHECKPOINT");
    let run = ours(&url, (&input.charges, "applied"), directory, sizes);
    report("PostgreSQL", sizes, &run, floor, 60_000.0);
    others("PostgreSQL", (&url, input, directory), sizes, &run);
}

fn main() {
    let accounts = size("LEDGER_BENCH_ACCOUNTS", 10_000);
    let sizes = Sizes {
        charges: size("LEDGER_BENCH_CHARGES", 1_000_000),
        accounts,
        each: size("LEDGER_BENCH_ENTRIES", accounts).div_ceil(accounts),
    };
    common::title(format_args!(
        "apply of {} charges on {accounts} accounts, with {} entries beforehand",
        sizes.charges,
        accounts * sizes.each
    ));
    let directory = tempfile::tempdir().unwrap();
    let input = sizes.input(directory.path());
    sqlite(sizes, &input, directory.path());
    postgres(sizes, &input, directory.path());
}
