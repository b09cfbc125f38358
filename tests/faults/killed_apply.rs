//! `apply` of a long file, killed, interrupted, and left by its server: the same file again completes it, as if it had
//! run once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::gate::{Gate, await_until};
use crate::common::postgres::Server;
use crate::common::{Engine, KILLED, Ledger, Output, TestDatabase, on_both_engines};

const INTERRUPTED: i32 = 130;
const NOT_REACHABLE: i32 = 4;
const ACCOUNTS: usize = 7;
/// Two chunks: the first has a thousand.
const LINES: usize = 2_000;
const CRASHES: usize = 3;

/// Two charges, a recharge, and now and then a hold, over all accounts in turn; some charges are too much.
fn line(number: usize) -> String {
    let (op, rest) = match number % 50 {
        49 => ("freeze", r#""amount":"1""#),
        48 => ("charge", r#""amount":"1000000","service":"vps""#),
        turn if turn % 3 == 2 => ("recharge", r#""amount":"1","method":"momo""#),
        _ => ("charge", r#""amount":"1","service":"vps""#),
    };
    let user = number % ACCOUNTS + 1;
    format!("{{\"op\":\"{op}\",\"user_id\":\"{user}\",{rest},\"idempotency_key\":\"line-{number:06}\"}}\n")
}

/// Lines `0..lines`, of which every fiftieth is refused.
fn file(directory: &Path, lines: usize) -> PathBuf {
    let path = directory.join("lines.ndjson");
    let content: String = (0..lines).map(line).collect();
    std::fs::write(&path, content).unwrap();
    path
}

const ENTRIES: &str =
    "SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM entries WHERE idempotency_key LIKE 'line-%'";

/// Each line has its entry and its intent once, nothing else is there, and all stands as after an undisturbed run:
/// time stands still and each account's lines go in their order, so even the hashes are the same.
#[track_caller]
fn assert_as_if_run_once(ledger: &Ledger, undisturbed: &Ledger, sql: impl Fn(&str) -> String, lines: usize) {
    let applied = lines - lines / 50;
    assert_eq!(sql(ENTRIES), format!("{applied}|{applied}"));
    let intents = |state: &str| {
        sql(&format!(
            "SELECT COUNT(DISTINCT idempotency_key) FROM intents WHERE idempotency_key LIKE 'line-%' AND state = '{state}'"
        ))
    };
    assert_eq!(
        [intents("applied"), intents("refused")],
        [applied.to_string(), (lines / 50).to_string()]
    );
    let records = "SELECT COUNT(*) FROM holds; SELECT COUNT(*) FROM recharges";
    let (holds, recharges) = (0..lines).fold((0, 0), |(holds, recharges), number| {
        let line = line(number);
        let is = |op: &str| usize::from(line.contains(op));
        (holds + is("freeze"), recharges + is("recharge"))
    });
    assert_eq!(sql(records), format!("{holds}\n{recharges}"));

    assert_eq!(ledger.proven_digest(), undisturbed.proven_digest());
    let all = ledger.run_words("apply lines.ndjson").expect_code(7).json_lines();
    let told = |outcome: &str| all.iter().filter(|row| row["data"]["outcome"] == outcome).count();
    assert_eq!((told("applied"), told("already_applied")), (0, applied));
    assert_eq!(
        ledger.proven_digest(),
        undisturbed.proven_digest(),
        "the same file again wrote something"
    );
}

/// The same accounts and lines, never disturbed, and how long that took.
fn undisturbed(database: &TestDatabase, lines: usize) -> (Ledger, Duration) {
    let ledger = database.ledger();
    ledger.import_funded_users(ACCOUNTS, 9_000);
    file(database.directory(), lines);
    let started = Instant::now();
    ledger.run_words("apply lines.ndjson").expect_code(7);
    (ledger, started.elapsed())
}

/// Kills as many runs as that; a file that is done before begins again in a fresh database.
pub fn killed(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let beside = TestDatabase::fresh(engine);
    let (undisturbed, life) = undisturbed(&beside, LINES);
    let (mut killed, mut in_the_middle) = (0, 0);

    while effort.wants_more(killed) {
        let database = TestDatabase::fresh(engine);
        let ledger = database.ledger();
        ledger.import_funded_users(ACCOUNTS, 9_000);
        file(database.directory(), LINES);
        let mut before = database.sql(ENTRIES);
        while effort.wants_more(killed) {
            let mut child = ledger.spawn(&["apply", "-q", "lines.ndjson"]);
            if random.bool() {
                std::thread::sleep(life.mul_f64(1.1 * random.f64()));
            } else {
                // As soon as a chunk is there: whatever the machine does beside, this is in the middle.
                while child.try_wait().unwrap().is_none() && database.sql(ENTRIES) == before {
                    std::thread::sleep(life / 50);
                }
            }
            child.kill().unwrap();
            let code = Output::of(child).code;
            assert!(code == KILLED || code == 7, "exit {code}");
            killed += usize::from(code == KILLED);
            let after = database.sql(ENTRIES);
            let (all, distinct) = after.split_once('|').unwrap();
            assert_eq!(all, distinct, "a key was applied twice");
            in_the_middle += usize::from(code == KILLED && after != before);
            before = after;
            if code == 7 || before.starts_with(&format!("{}|", LINES - LINES / 50)) {
                break;
            }
        }
        ledger.proven_digest();
        ledger.run_words("apply -q lines.ndjson").expect_code(7);
        assert_as_if_run_once(&ledger, &undisturbed, |text| database.sql(text), LINES);
    }

    assert!(in_the_middle > 0, "no run was killed in the middle");
    Tally::rounds(killed)
}

on_both_engines! {
    fn a_file_whose_run_is_killed_again_and_again_is_completed_once(database: TestDatabase) {
        killed(database.engine, smoke_seed(), Effort::Rounds(25));
    }

    fn an_interrupted_run_stops_between_two_chunks_and_the_next_goes_on(database: TestDatabase) {
        let lines = 2 * LINES;
        let beside = TestDatabase::fresh(database.engine);
        let (undisturbed, _) = undisturbed(&beside, lines);
        let ledger = database.ledger();
        ledger.import_funded_users(ACCOUNTS, 9_000);
        file(database.directory(), lines);
        let applied = || database.sql(ENTRIES).split_once('|').unwrap().0.parse::<usize>().unwrap();

        // Of the second chunk, with some more behind it.
        let gate = Gate::before(&database, "NEW.idempotency_key = 'line-001200'");
        let child = ledger.spawn(&["apply", "lines.ndjson", "--format", "json", "--lock-timeout", "60s"]);
        await_until("a chunk is written", || applied() > 0);
        child.signal("INT");
        gate.open();
        let output = Output::of(child).expect_code(INTERRUPTED);

        assert_eq!(output.error_code(), "interrupted");
        // All that it has done it has said, and the other way round.
        let told = output.json_lines().iter().filter(|row| row["ok"] == true).count();
        assert_eq!(applied(), told);
        assert!(told < lines - lines / 50, "it went on to the end");
        ledger.proven_digest();

        ledger.run_words("apply -q lines.ndjson").expect_code(7);
        assert_as_if_run_once(&ledger, &undisturbed, |text| database.sql(text), lines);
    }
}

#[test]
fn a_file_whose_server_crashes_in_the_middle_is_completed_once() {
    let beside = TestDatabase::fresh(Engine::Postgres);
    let (undisturbed, life) = undisturbed(&beside, LINES);
    let server = Server::start();
    server.create_database("ledger");
    let ledger = Ledger::new(&server.url("ledger"));
    ledger.run(&["migrate", "up"]).expect_code(0);
    ledger.import_funded_users(ACCOUNTS, 9_000);
    file(ledger.directory(), LINES);
    let sql = |text: &str| server.psql("ledger", text);
    let mut acknowledged = std::collections::BTreeSet::new();

    for _ in 0..CRASHES {
        let child = ledger.spawn(&["apply", "lines.ndjson", "--format", "json"]);
        std::thread::sleep(life.mul_f64(0.1 + fastrand::f64() * 0.5));
        server.crash();
        server.start_again();
        let output = Output::of(child);
        // Either it came back before it gave up, or it says that the server is not reachable.
        assert!(
            output.code == NOT_REACHABLE || output.code == 7,
            "{}",
            output.transcript()
        );
        for row in output.json_lines().iter().filter(|row| row["ok"] == true) {
            acknowledged.insert(row["data"]["idempotency_key"].as_str().unwrap().to_owned());
        }
        let written = sql("SELECT idempotency_key FROM entries WHERE idempotency_key LIKE 'line-%'");
        let written: std::collections::BTreeSet<String> = written.lines().map(str::to_owned).collect();
        let lost: Vec<_> = acknowledged.difference(&written).collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    }

    ledger.run_words("apply -q lines.ndjson").expect_code(7);
    assert_as_if_run_once(&ledger, &undisturbed, sql, LINES);
}
