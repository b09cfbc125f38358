//! Charges per second on one SQLite connection, against the least that keeps a journal and a balance, and against the
//! same statements by hand.
//!
//! The floor is one durable transaction per charge with two prepared statements: no idempotency key, no
//! record of the attempt, no hash chain, no rules beyond `balance >= amount`.
//! What it costs to record the attempt first is shown by the statements of a charge in the same tables, prepared, without
//! hash and rules: a transaction that need not wait for the disk, and one that does.
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

/// The statements of a charge, on a ledger's own tables.
struct SameStatements {
    connection: Connection,
    accounts: usize,
    turn: usize,
}

impl SameStatements {
    fn open(path: &Path, accounts: usize) -> Self {
        let mut ledger = common::open(&path.display().to_string());
        common::accounts_with_money(&mut ledger, accounts);
        drop(ledger);
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = -32000;")
            .unwrap();
        Self {
            connection,
            accounts,
            turn: 0,
        }
    }

    fn run(&self, text: &str, values: &[&dyn rusqlite::ToSql]) -> usize {
        self.connection.prepare_cached(text).unwrap().execute(values).unwrap()
    }

    fn charge(&mut self) {
        let user = account(self.turn, self.accounts).to_string();
        let key = format!("VpsUsage:{}", self.turn);
        self.turn += 1;
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let at = i64::try_from(at.as_micros()).unwrap();
        self.connection.execute_batch("PRAGMA synchronous = NORMAL").unwrap();
        self.run("BEGIN IMMEDIATE", &[]);
        let (id, seq, balance, spent): (i64, i64, i64, i64) = {
            let mut find = self.connection.prepare_cached(FIND).unwrap();
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            find.query_row(params![user, "USD"], row).unwrap()
        };
        let payload = r#"{"op":"charge","amount":"0.05","service":"vps"}"#;
        let recorded = self.run(RECORD, params![id, key, 1, "charge", payload, "bench", at]);
        self.run("COMMIT", &[]);
        self.connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
        self.run("BEGIN IMMEDIATE", &[]);
        let (next, hash) = (seq + 1, [0_u8; 32]);
        let moved = self.run(MOVE, params![balance - AMOUNT, spent + AMOUNT, next, hash, id, seq, 0]);
        let written = self.run(
            WRITE,
            params![
                id,
                next,
                -AMOUNT,
                "service_fee",
                balance - AMOUNT,
                at,
                hash,
                "revenue:vps",
                "bench",
                key,
                key
            ],
        );
        let settled = self.run(SETTLE, params![next, next, 100, id, key, 1]);
        assert!(
            (recorded, moved, written, settled) == (1, 1, 1, 1),
            "not written as a whole"
        );
        self.run("COMMIT", &[]);
    }
}

const FIND: &str = "SELECT a.id, b.last_seq, b.balance, b.total_spent, a.locked, a.closed, a.suspension, a.revision, \
    b.held, b.debt, b.chain_head, l.hash, l.balance_after, l.held_after, l.debt_after FROM accounts a \
    LEFT JOIN balances b ON b.account_id = a.id LEFT JOIN entries l ON l.account_id = b.account_id AND l.seq = b.last_seq \
    WHERE a.user_id = ? AND a.currency = ?";
const RECORD: &str = "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, idempotency_key, attempt) DO NOTHING";
const MOVE: &str = "UPDATE balances SET balance = ?, total_spent = ?, last_seq = ?, chain_head = ? \
    WHERE account_id = ? AND last_seq = ? AND settings_revision = ?";
const WRITE: &str = "INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, \
    held_after, debt_after, at, hash, counter_account, actor, idempotency_key, reference) \
    VALUES (?, ?, ?, 0, 0, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?)";
const SETTLE: &str = "UPDATE intents SET state = 'applied', reason = NULL, first_seq = ?, last_seq = ?, duration_us = ? \
    WHERE account_id = ? AND idempotency_key = ? AND attempt = ? AND state <> 'applied'";

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
    let mut same = SameStatements::open(&directory.path().join("same.db"), accounts);
    let mut ours = Ours::open(&directory.path().join("ours.db"), accounts);
    let (mut floors, mut sames, mut our) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(per_second(span, || floor.charge()));
        sames.push(per_second(span, || same.charge()));
        our.push(per_second(span, || ours.charge()));
    }
    common::title(format_args!(
        "SQLite, one connection, {accounts} accounts, {ROUNDS} rounds of {span:?} each, medians"
    ));
    let (ours, floor, same) = (median(our), median(floors), median(sames));
    common::row("charges", "per second", ours, floor, Target::AtLeast(0.7));
    common::row("the same statements", "per second", ours, same, Target::None);
    common::row("the same statements by hand", "per second", same, floor, Target::None);
}
