//! Charges per second on one SQLite connection, against the least that keeps a journal and a balance.
//!
//! The floor is one durable transaction per charge with two prepared statements: no idempotency key, no
//! record of the attempt, no hash chain, no rules beyond `balance >= amount`.
//! `LEDGER_BENCH_SECONDS` (per side and round), `LEDGER_BENCH_ACCOUNTS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use common::{ROUNDS, Target, median, size};
use ledger::ledger::Ledger;
use ledger::ledger::post::post;
use rusqlite::{Connection, params};

const FLOOR_SCHEMA: &str = "
    CREATE TABLE balances (account_id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
    CREATE TABLE entries (
        account_id INTEGER NOT NULL, seq INTEGER NOT NULL, amount INTEGER NOT NULL, balance_after INTEGER NOT NULL,
        kind TEXT NOT NULL, reference TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (account_id, seq)
    ) STRICT, WITHOUT ROWID;";
const AMOUNT: i64 = 5;
const OPENING: i64 = 1_000_000_000_000;

/// Visits the accounts in an order that is neither sorted nor the same as that of their rows.
fn account(turn: usize, accounts: usize) -> usize {
    1 + turn.wrapping_mul(7919) % accounts
}

/// What the floor knows of an account without asking: the best case.
#[derive(Clone, Copy)]
struct Known {
    seq: i64,
    balance: i64,
}

struct Floor {
    connection: Connection,
    known: Vec<Known>,
    turn: usize,
}

impl Floor {
    fn open(path: &Path, accounts: usize) -> Self {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .unwrap();
        connection.execute_batch(FLOOR_SCHEMA).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for id in 1..=accounts {
            connection
                .execute(
                    "INSERT INTO balances VALUES (?, ?)",
                    params![i64::try_from(id).unwrap(), OPENING],
                )
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        let known = vec![
            Known {
                seq: 0,
                balance: OPENING
            };
            accounts + 1
        ];
        Self {
            connection,
            known,
            turn: 0,
        }
    }

    fn charge(&mut self) {
        let number = account(self.turn, self.known.len() - 1);
        let reference = format!("VpsUsage:{}", self.turn);
        self.turn += 1;
        let id = i64::try_from(number).unwrap();
        let known = &mut self.known[number];
        known.seq += 1;
        known.balance -= AMOUNT;
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let at = i64::try_from(at.as_micros()).unwrap();
        let run = |text: &str, values: &[&dyn rusqlite::ToSql]| {
            self.connection.prepare_cached(text).unwrap().execute(values).unwrap()
        };
        run("BEGIN IMMEDIATE", &[]);
        run(
            "INSERT INTO entries (account_id, seq, amount, balance_after, kind, reference, at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![id, known.seq, -AMOUNT, known.balance, "service_fee", reference, at],
        );
        let moved = run(
            "UPDATE balances SET balance = balance - ? WHERE account_id = ? AND balance >= ?",
            params![AMOUNT, id, AMOUNT],
        );
        assert!(moved == 1, "the balance was too small");
        run("COMMIT", &[]);
    }
}

struct Ours {
    ledger: Ledger,
    accounts: usize,
    turn: usize,
}

impl Ours {
    fn open(path: &Path, accounts: usize) -> Self {
        let mut ledger = common::open(&path.display().to_string());
        common::accounts_with_money(&mut ledger, accounts);
        Self {
            ledger,
            accounts,
            turn: 0,
        }
    }

    fn charge(&mut self) {
        let request = common::charge(account(self.turn, self.accounts), &format!("VpsUsage:{}", self.turn));
        self.turn += 1;
        common::applied(&post(&mut self.ledger, &request).unwrap());
    }
}

fn per_second(span: Duration, mut charge: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut done = 0_u32;
    while started.elapsed() < span {
        charge();
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

fn main() {
    let span = Duration::from_secs_f64(size("LEDGER_BENCH_SECONDS", 6.0));
    let accounts = size("LEDGER_BENCH_ACCOUNTS", 1_000);
    let directory = tempfile::tempdir().unwrap();
    let mut floor = Floor::open(&directory.path().join("floor.db"), accounts);
    let mut ours = Ours::open(&directory.path().join("ours.db"), accounts);
    let (mut floors, mut our) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(per_second(span, || floor.charge()));
        our.push(per_second(span, || ours.charge()));
    }
    common::title(format_args!(
        "SQLite, one connection, {accounts} accounts, {ROUNDS} rounds of {span:?} each, medians"
    ));
    common::row(
        "charges",
        "per second",
        median(our),
        median(floors),
        Target::AtLeast(0.7),
    );
}
