//! `ledger verify-sync` over many entries, against the plain sum of the entries by the same database; with `--deep`
//! against the same rows, entries and intents, only read, on two connections at once (on SQLite with the hashes).
//!
//! The entries are written directly, with figures and hashes as the ledger would have made them; for
//! PostgreSQL in turn over all accounts, so that no account's entries lie together.
//! `LEDGER_BENCH_ENTRIES`, `LEDGER_BENCH_ACCOUNTS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss
)]

mod common;
#[path = "common/process.rs"]
mod process;
#[path = "common/server.rs"]
mod server;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use common::{ROUNDS, Target, median, size};
use ledger::domain::balance::{State, append};
use ledger::domain::entry::{CounterAccount, Deltas, Entry, EntryKind, Movement, Note, Stamp};
use ledger::domain::money::Minor;
use ledger::domain::text::{Actor, IdempotencyKey, PaymentMethod, Reference, Service};
use ledger::domain::time::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use server::Server;
use sha2::{Digest, Sha256};

const FLOOR: &str = "SELECT account_id, SUM(balance_delta) FROM entries GROUP BY account_id";
const NEW: &str = "SELECT q.account_id, (SELECT SUM(e.balance_delta) FROM entries e \
     WHERE e.account_id = q.account_id AND e.seq > q.seq) FROM proofs q";
const COLUMNS: &str = "account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, \
     debt_after, at, hash, counter_account, actor, idempotency_key, reference";

/// A journal in which every fiftieth entry of an account is a recharge and the others are charges.
struct Maker {
    states: Vec<State>,
    entries: usize,
    actor: Actor,
    gateway: CounterAccount,
    service: CounterAccount,
}

impl Maker {
    fn new(accounts: usize, entries: usize) -> Self {
        Self {
            states: vec![State::default(); accounts],
            entries,
            actor: Actor::parse("billing").unwrap(),
            gateway: CounterAccount::gateway(&PaymentMethod::parse("momo").unwrap()),
            service: CounterAccount::service(&Service::parse("vps").unwrap()),
        }
    }

    /// How many entries an account gets.
    fn share(&self, index: usize) -> usize {
        let accounts = self.states.len();
        self.entries / accounts + usize::from(index < self.entries % accounts)
    }

    fn next(&mut self, index: usize, turn: usize) -> Entry {
        let before = self.states[index];
        let (kind, delta, counter_account) = if before.last_seq % 50 == 0 {
            (EntryKind::Recharge, 1_000_000, self.gateway.clone())
        } else {
            let amount = 100 + i64::try_from(turn % 900).unwrap();
            (EntryKind::ServiceFee, -amount, self.service.clone())
        };
        let movement = Movement {
            kind,
            deltas: Deltas::of_balance(Minor::new(delta)),
            counter_account,
            reverses: None,
        };
        let stamp = Stamp {
            note: Note {
                reference: Some(Reference::parse(&format!("Usage:{turn}")).unwrap()),
                ..Note::default()
            },
            actor: self.actor.clone(),
            key: Some(IdempotencyKey::parse(&format!("usage-{turn}")).unwrap()),
            at: Timestamp::from_micros(1_772_366_400_000_000 + i64::try_from(turn).unwrap() * 1_000),
        };
        let user = (index + 1).to_string();
        let (entry, after) = append(&before, (&user, "USD"), movement, &stamp).unwrap();
        self.states[index] = after;
        entry
    }
}

fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap() + 1
}

fn fill_sqlite(path: &Path, maker: &mut Maker) {
    drop(common::open(&path.display().to_string()));
    let accounts = maker.states.len();
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN")
        .unwrap();
    for index in 0..accounts {
        insert_sqlite(&connection, maker, index, 0..maker.share(index));
        if index % 100 == 99 {
            connection.execute_batch("COMMIT; BEGIN").unwrap();
        }
    }
    for index in 0..accounts {
        connection.execute(
            "INSERT INTO accounts (id, user_id, currency, exponent, created_at) VALUES (?, ?, 'USD', 2, 1772366400000000)",
            params![number(index), number(index).to_string()],
        )
        .unwrap();
        put_balance(&connection, maker, index);
    }
    connection.execute_batch("COMMIT; PRAGMA synchronous = FULL;").unwrap();
    checkpoint(&connection);
}

/// A day's work: so many more entries of every account.
fn grow_sqlite(path: &Path, maker: &mut Maker, each: usize) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; BEGIN").unwrap();
    for index in 0..maker.states.len() {
        let made = usize::try_from(maker.states[index].last_seq).unwrap();
        insert_sqlite(&connection, maker, index, made..made + each);
        put_balance(&connection, maker, index);
    }
    connection.execute_batch("COMMIT").unwrap();
    checkpoint(&connection);
}

fn checkpoint(connection: &Connection) {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
}

fn insert_sqlite(connection: &Connection, maker: &mut Maker, index: usize, rounds: Range<usize>) {
    let mut insert = connection
        .prepare_cached(&format!(
            "INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))
        .unwrap();
    let accounts = maker.states.len();
    for round in rounds {
        let entry = maker.next(index, round * accounts + index);
        let Entry {
            movement, after, stamp, ..
        } = &entry;
        insert
            .execute(params![
                number(index),
                entry.seq,
                movement.deltas.balance.get(),
                movement.deltas.held.get(),
                movement.deltas.debt.get(),
                movement.kind.name(),
                after.balance.get(),
                after.held.get(),
                after.debt.get(),
                stamp.at.micros(),
                entry.hash.as_bytes(),
                movement.counter_account.as_str(),
                stamp.actor.as_str(),
                stamp.key.as_ref().map(IdempotencyKey::as_str),
                stamp.note.reference.as_ref().map(Reference::as_str),
            ])
            .unwrap();
    }
}

fn put_balance(connection: &Connection, maker: &Maker, index: usize) {
    let state = &maker.states[index];
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO balances (account_id, balance, held, debt, total_recharged, total_spent, last_seq, \
             chain_head) VALUES (?, ?, 0, 0, ?, ?, ?, ?)",
        )
        .unwrap()
        .execute(params![
            number(index),
            state.figures.balance.get(),
            state.figures.total_recharged.get(),
            state.figures.total_spent.get(),
            state.last_seq,
            state.chain_head.as_bytes(),
        ])
        .unwrap();
}

/// Feeds `write` to psql as the data of a COPY, without the look-ups and triggers that are for single rows.
fn copy(server: &Server, table: &str, write: impl FnOnce(&mut dyn std::io::Write)) {
    let mut psql = Command::new(server::program("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &server.url("ledger")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = BufWriter::with_capacity(1 << 20, psql.stdin.take().unwrap());
    write!(
        input,
        "SET session_replication_role = replica;\nSET synchronous_commit = off;\nCOPY {table} FROM STDIN;\n"
    )
    .unwrap();
    write(&mut input);
    input.write_all(b"\\.\n").unwrap();
    input.flush().unwrap();
    drop(input);
    assert!(psql.wait().unwrap().success(), "COPY {table} failed");
}

fn fill_postgres(server: &Server, maker: &mut Maker) {
    let accounts = maker.states.len();
    copy(
        server,
        "accounts (id, user_id, currency, exponent, created_at)",
        |out| {
            for id in 1..=accounts {
                writeln!(out, "{id}\t{id}\tUSD\t2\t1772366400000000").unwrap();
            }
        },
    );
    copy_entries(server, maker, 0..maker.entries);
    copy_balances(server, maker);
    server.psql("ledger", "VACUUM ANALYZE");
    server.psql("ledger", "CHECKPOINT");
}

/// A day's work: so many more entries of every account, made in turn.
fn grow_postgres(server: &Server, maker: &mut Maker, each: usize) {
    let made = maker.entries;
    maker.entries += each * maker.states.len();
    copy_entries(server, maker, made..maker.entries);
    server.psql("ledger", "TRUNCATE balances");
    copy_balances(server, maker);
    server.psql("ledger", "ANALYZE balances");
}

fn copy_entries(server: &Server, maker: &mut Maker, turns: Range<usize>) {
    let accounts = maker.states.len();
    copy(server, &format!("entries ({COLUMNS})"), |out| {
        for turn in turns {
            let entry = maker.next(turn % accounts, turn);
            let line = copy_line(number(turn % accounts), &entry);
            out.write_all(line.as_bytes()).unwrap();
        }
    });
}

fn copy_balances(server: &Server, maker: &Maker) {
    let columns = "balances (account_id, balance, held, debt, total_recharged, total_spent, last_seq, chain_head)";
    copy(server, columns, |out| {
        for (index, state) in maker.states.iter().enumerate() {
            let figures = &state.figures;
            writeln!(
                out,
                "{}\t{}\t0\t0\t{}\t{}\t{}\t\\\\x{}",
                number(index),
                figures.balance.get(),
                figures.total_recharged.get(),
                figures.total_spent.get(),
                state.last_seq,
                state.chain_head,
            )
            .unwrap();
        }
    });
}

fn copy_line(account: i64, entry: &Entry) -> String {
    let Entry {
        seq,
        movement,
        after,
        stamp,
        hash,
    } = entry;
    let mut line = format!("{account}\t{seq}");
    for figure in [movement.deltas.balance, movement.deltas.held, movement.deltas.debt] {
        write!(line, "\t{}", figure.get()).unwrap();
    }
    write!(line, "\t{}", movement.kind.name()).unwrap();
    for figure in [after.balance, after.held, after.debt] {
        write!(line, "\t{}", figure.get()).unwrap();
    }
    let (counter, actor) = (movement.counter_account.as_str(), stamp.actor.as_str());
    write!(line, "\t{}\t\\\\x{hash}\t{counter}\t{actor}", stamp.at.micros()).unwrap();
    let key = stamp.key.as_ref().map_or("\\N", IdempotencyKey::as_str);
    let reference = stamp.note.reference.as_ref().map_or("\\N", Reference::as_str);
    writeln!(line, "\t{key}\t{reference}").unwrap();
    line
}

/// Runs `ledger verify-sync`; its seconds and its peak memory in MB.
fn verify(url: &str, options: &[&str], expected: [(&str, usize); 4]) -> (f64, f64) {
    let run = process::run(&[&["verify-sync", "--format", "json"], options].concat(), url);
    let said: serde_json::Value = serde_json::from_str(&run.output).unwrap();
    for (name, expected) in expected {
        let found = find(&said, name).and_then(serde_json::Value::as_u64);
        assert!(found == Some(expected as u64), "{name} should be {expected}: {said}");
    }
    (run.seconds, run.peak_megabytes)
}

/// The member of that name, wherever the document has it.
fn find<'v>(value: &'v serde_json::Value, name: &str) -> Option<&'v serde_json::Value> {
    let members = value.as_object()?;
    members
        .get(name)
        .or_else(|| members.values().find_map(|inner| find(inner, name)))
}

/// The full pass against the floor, in milliseconds.
fn compare(what: &str, mut floor: impl FnMut() -> usize, url: &str, accounts: usize, entries: usize) -> f64 {
    let (mut floors, mut ours, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        assert!(floor() == accounts, "the floor sums every account");
        floors.push(started.elapsed().as_secs_f64() * 1_000.0);
        let expected = [
            ("checked", accounts),
            ("in_sync", accounts),
            ("entries", entries),
            ("summed", entries),
        ];
        let (took, memory) = verify(url, &[], expected);
        ours.push(took * 1_000.0);
        peak = peak.max(memory);
    }
    let full = median(ours);
    common::row(what, "ms", full, median(floors), Target::AtMost(3.0));
    println!(
        "  {:<44} {peak:>12.1} {:>12} {:>8}  < 100 {}",
        format!("{what}, peak memory in MB"),
        "",
        "",
        if peak < 100.0 { "met" } else { "MISSED" }
    );
    full
}

/// `--since-last` after a day that has added a hundredth, against the full pass; and what that is alone for the sums of
/// the new entries, which somebody has to look up by account.
fn compare_since_last(
    what: &str,
    full: f64,
    url: &str,
    (accounts, entries): (usize, usize),
    mut grow: impl FnMut(usize),
    new: impl Fn() -> usize,
) {
    let each = entries / accounts / 100;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        grow(each);
        let started = Instant::now();
        assert!(new() == accounts, "the floor sums every account");
        floors.push(started.elapsed().as_secs_f64() * 1_000.0);
        let (summed, all) = (each * accounts, entries + round * each * accounts);
        let expected = [
            ("checked", accounts),
            ("in_sync", accounts),
            ("entries", all),
            ("summed", summed),
        ];
        ours.push(verify(url, &["--since-last"], expected).0 * 1_000.0);
    }
    let of_full = format!("{what} --since-last, floor the full pass");
    common::row(&of_full, "ms", median(ours), full, Target::AtMost(0.03));
    let by_hand = format!("{what}, sums of new entries by hand, the same");
    common::row(&by_hand, "ms", median(floors), full, Target::None);
}

/// What asked for the entries, and the recharges, made from them by the database; both engines know the same texts.
fn intents_and_recharges(postgres: bool) -> String {
    let amount = "ABS(balance_delta)";
    let shown = if postgres {
        format!("{amount} / 100 || '.' || LPAD(({amount} % 100)::text, 2, '0')")
    } else {
        format!("printf('%d.%02d', {amount} / 100, {amount} % 100)")
    };
    format!(
        "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at, state, \
         first_seq, last_seq, subject, duration_us) \
         SELECT account_id, idempotency_key, 1, CASE kind WHEN 'recharge' THEN 'recharge' ELSE 'charge' END, \
         CASE kind WHEN 'recharge' THEN '{{\"op\":\"recharge\"' ELSE '{{\"op\":\"charge\"' END || ',\"amount\":\"' || \
         {shown} || CASE kind WHEN 'recharge' THEN '\",\"method\":\"momo' ELSE '\",\"service\":\"vps' END || \
         '\",\"reference\":\"' || reference || '\"}}', actor, at, 'applied', seq, seq, CASE kind WHEN 'recharge' THEN (seq + 49) / 50 END, 9 \
         FROM entries; \
         INSERT INTO recharges (account_id, number, amount, method, status, created_at, finished_at, entry_seq, reference) \
         SELECT account_id, (seq + 49) / 50, balance_delta, 'momo', 'completed', at, at, seq, reference FROM entries \
         WHERE kind = 'recharge'"
    )
}

/// `--deep` against the floor, in entries a second.
fn compare_deep(what: &str, floor: impl Fn() -> usize, url: &str, accounts: usize, entries: usize) {
    const TARGET: f64 = 1_000_000.0;
    let (mut floors, mut ours, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    let expected = [
        ("checked", accounts),
        ("in_sync", accounts),
        ("entries", entries),
        ("needs_attention", 0),
    ];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        assert!(floor() == entries, "the floor reads every entry");
        floors.push(entries as f64 / started.elapsed().as_secs_f64());
        let (took, memory) = verify(url, &["--deep"], expected);
        ours.push(entries as f64 / took);
        peak = peak.max(memory);
    }
    let ours = median(ours);
    common::row(
        &format!("{what} --deep"),
        "entries/s",
        ours,
        median(floors),
        Target::None,
    );
    let met = if ours >= TARGET { "met" } else { "MISSED" };
    println!("  {what} --deep: {TARGET} 1/s {met}; peak memory {peak:.0} MB");
}

fn read_by_rusqlite(path: &Path) -> usize {
    let read = |table: &str| {
        let connection = Connection::open(path).unwrap();
        let mut select = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        let (mut count, mut hash, mut form) = (0, [0; 32], Vec::new());
        while let Some(row) = rows.next().unwrap() {
            form.clear();
            form.extend_from_slice(&hash);
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Integer(value) => form.extend_from_slice(&value.to_be_bytes()),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => form.extend_from_slice(bytes),
                    ValueRef::Null | ValueRef::Real(_) => {}
                }
            }
            if table == "entries" {
                hash = Sha256::digest(&form).into();
            }
            count += 1;
        }
        black_box((hash, form));
        count
    };
    thread::scope(|scope| {
        scope.spawn(|| read("intents"));
        read("entries")
    })
}

fn read_by_psql(server: &Server) -> usize {
    let read = |table: &str| server.psql("ledger", &format!("\\copy {table} TO '/dev/null'"));
    thread::scope(|scope| {
        scope.spawn(|| read("intents"));
        read("entries");
    });
    server
        .psql("ledger", "SELECT COUNT(*) FROM entries")
        .trim()
        .parse()
        .unwrap()
}

fn sum_by_rusqlite(path: &Path, sums: &str) -> usize {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare(sums).unwrap();
    let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    rows.unwrap().map(Result::unwrap).count()
}

fn sum_by_psql(server: &Server, sums: &str) -> usize {
    server.psql("ledger", sums).lines().count()
}

fn main() {
    let entries = size("LEDGER_BENCH_ENTRIES", 2_000_000);
    let accounts = size("LEDGER_BENCH_ACCOUNTS", 10_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let mut maker = Maker::new(accounts, entries);
    fill_sqlite(&path, &mut maker);
    common::title(format_args!(
        "verify-sync of {entries} entries of {accounts} accounts, {ROUNDS} runs of each, medians"
    ));
    let url = path.display().to_string();
    let full = compare("SQLite", || sum_by_rusqlite(&path, FLOOR), &url, accounts, entries);
    let grow = |each| grow_sqlite(&path, &mut maker, each);
    compare_since_last("SQLite", full, &url, (accounts, entries), grow, || {
        sum_by_rusqlite(&path, NEW)
    });
    let made = entries + ROUNDS * (entries / accounts / 100) * accounts;
    Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("PRAGMA foreign_keys = OFF; {}", intents_and_recharges(false)))
        .unwrap();
    compare_deep("SQLite", || read_by_rusqlite(&path), &url, accounts, made);
    drop(directory);
    let (server, url) = server::with_ledger();
    let mut maker = Maker::new(accounts, entries);
    fill_postgres(&server, &mut maker);
    let full = compare("PostgreSQL", || sum_by_psql(&server, FLOOR), &url, accounts, entries);
    let grow = |each| grow_postgres(&server, &mut maker, each);
    compare_since_last("PostgreSQL", full, &url, (accounts, entries), grow, || {
        sum_by_psql(&server, NEW)
    });
    server.psql(
        "ledger",
        &format!(
            "SET session_replication_role = replica; {}",
            intents_and_recharges(true)
        ),
    );
    server.psql("ledger", "ANALYZE");
    compare_deep("PostgreSQL", || read_by_psql(&server), &url, accounts, made);
}
