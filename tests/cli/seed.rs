//! `seed`: the same arguments make the same ledger, on either engine; it is sound, full of everything, and never
//! made over another one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{digest, json};
use crate::common::{Engine, KILLED, NOW, Output, TestDatabase, on_both_engines};

const SMALL: &str = "seed --accounts 40 --entries 1500";

fn seeded(db: &TestDatabase, line: &str) -> Value {
    json(db, line).expect_code(0).data()
}

/// The values of a column, each once.
fn distinct(db: &TestDatabase, column: &str, table: &str) -> BTreeSet<String> {
    let rows = db.sql(&format!("SELECT DISTINCT {column} FROM {table}"));
    rows.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(db: &TestDatabase, column: &str, table: &str, wanted: &[&str]) {
    let found = distinct(db, column, table);
    for name in wanted {
        assert!(found.contains(*name), "no {name} in {table}: {found:?}");
    }
}

fn number(db: &TestDatabase, select: &str) -> i64 {
    db.sql(select).parse().unwrap()
}

#[test]
fn the_same_seed_makes_the_same_ledger_on_both_engines_and_another_seed_another() {
    let seven = format!("{SMALL} --rng-seed 7");
    let [sqlite, postgres] = Engine::BOTH.map(|engine| seeded(&TestDatabase::fresh(engine), &seven));
    assert_eq!(sqlite, postgres);
    let again = TestDatabase::fresh(Engine::Sqlite);
    let by_somebody_else = again.ledger().env("LEDGER_ACTOR", "somebody else");
    let again = by_somebody_else.run_words(&format!("{seven} --format json"));
    assert_eq!(again.expect_code(0).data(), sqlite);
    for other in [
        format!("{SMALL} --rng-seed 8"),
        format!("{seven} --days 89"),
        format!("{seven} --currency VND"),
    ] {
        let other = seeded(&TestDatabase::fresh(Engine::Sqlite), &other);
        assert_ne!(other["digest"], sqlite["digest"]);
    }
}

/// What is made today is made tomorrow: another stream of numbers, or another plan, is noticed here.
#[test]
fn a_seed_means_the_same_in_every_version() {
    let outputs = ["json", "ndjson", "csv", "table"].map(|format| {
        let db = TestDatabase::fresh(Engine::Sqlite);
        let line = format!("seed --accounts 20 --entries 300 --format {format}");
        db.ledger().real_clock().run_words(&line).expect_code(0).transcript()
    });
    insta::assert_snapshot!("seed_in_every_format", outputs.join("\n"));
}

on_both_engines! {
    fn a_seeded_ledger_is_sound_and_has_what_was_asked(db: TestDatabase) {
        let told = seeded(&db, SMALL);
        assert_eq!((&told["accounts"], &told["entries"]), (&40.into(), &1500.into()));
        assert_eq!(number(&db, "SELECT COUNT(*) FROM accounts"), 40);
        assert_eq!(number(&db, "SELECT COUNT(*) FROM entries"), 1500);
        for (kind, entries) in told["by_kind"].as_object().unwrap() {
            let counted = number(&db, &format!("SELECT COUNT(*) FROM entries WHERE kind = '{kind}'"));
            assert_eq!(entries.as_i64(), Some(counted), "{kind}");
        }
        assert_eq!(told["digest"], digest(&db));
        let health = json(&db, "health").expect_code(0).data();
        assert_eq!((&health["findings"], &health["due_credits"]), (&Value::Array(vec![]), &Value::Array(vec![])));
        // What it leaves open is not overdue.
        assert_eq!(json(&db, "expire-holds").expect_code(0).data()["expired"], 0);
        assert_eq!(json(&db, "process-pending-credits").expect_code(0).data()["transferred"], 0);
        assert_eq!(digest(&db), told["digest"]);
    }

    fn a_seeded_ledger_has_everything_that_a_lived_in_one_has(db: TestDatabase) {
        let told = seeded(&db, "seed --accounts 100 --entries 12000 --days 25");
        for (kind, entries) in told["by_kind"].as_object().unwrap() {
            assert!(entries.as_i64() > Some(0), "no entry of kind {kind}: {told}");
        }
        assert_has(&db, "status", "recharges", &["pending", "completed", "failed", "cancelled", "expired"]);
        assert_has(&db, "status", "holds", &["open", "committed", "refunded", "expired"]);
        assert_has(&db, "state", "pending_credits", &["pending", "transferred", "inactive", "taken_back"]);
        assert_has(&db, "state", "intents", &["applied", "refused"]);
        assert_has(&db, "command", "operations", &["account lock", "account unlock"]);
        for select in [
            "SELECT COUNT(*) FROM holds WHERE committed > 0 AND released > 0",
            "SELECT COUNT(*) FROM gifts WHERE deactivated_at IS NOT NULL",
            "SELECT COUNT(*) FROM purchases WHERE credits = 0",
            "SELECT COUNT(*) FROM suspensions WHERE resumed_at IS NULL",
            "SELECT COUNT(*) FROM suspensions WHERE resumed_at IS NOT NULL",
            "SELECT COUNT(*) FROM entries WHERE reference IS NOT NULL AND description IS NOT NULL AND metadata IS NOT NULL",
            "SELECT COUNT(*) FROM entries WHERE debt_after > 0",
        ] {
            assert!(number(&db, select) > 0, "{select}");
        }
        let gateways = distinct(&db, "counter_account", "entries");
        assert!(gateways.iter().filter(|name| name.starts_with("gateway:")).count() >= 4, "{gateways:?}");
        assert!(gateways.iter().filter(|name| name.starts_with("revenue:")).count() >= 5, "{gateways:?}");
        // On average it is 120 entries.
        assert!(number(&db, "SELECT MAX(last_seq) FROM balances") > 600);
        assert!(number(&db, "SELECT COUNT(*) FROM balances WHERE last_seq BETWEEN 1 AND 120") > 60);
    }

    fn times_fill_the_days_before_the_end_and_no_entry_is_late(db: TestDatabase) {
        let told = seeded(&db, &format!("{SMALL} --days 30"));
        assert_eq!((told["start"].as_str(), told["end"].as_str()), (Some("2026-01-30T12:00:00.000000Z"), Some("2026-03-01T12:00:00.000000Z")));
        let day = 86_400_000_000_i64;
        let (first, last) = (number(&db, "SELECT MIN(at) FROM entries"), number(&db, "SELECT MAX(at) FROM entries"));
        let end = 1_772_366_400_000_000;
        assert_eq!(last, end);
        assert!(first >= end - 30 * day && first < end - 28 * day, "{first}");
        assert!(number(&db, &format!("SELECT COUNT(DISTINCT at / {day}) FROM entries")) >= 15);
        assert_eq!(number(&db, &format!("SELECT COUNT(*) FROM accounts WHERE created_at > {end}")), 0);
    }

    fn a_ledger_with_accounts_is_left_alone(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        let before = digest(&db);
        let refused = json(&db, SMALL).expect_code(2);
        assert_eq!(refused.error_code(), "ledger_not_empty");
        assert!(refused.stderr.contains("--into-existing"), "{}", refused.stderr);
        // One of the new users has an account already.
        assert_eq!(json(&db, &format!("{SMALL} --into-existing")).expect_code(2).error_code(), "ledger_not_empty");
        assert_eq!((digest(&db), number(&db, "SELECT COUNT(*) FROM accounts")), (before, 1));
        seeded(&db, &format!("{SMALL} --into-existing --user-prefix test-"));
        seeded(&db, &format!("{SMALL} --into-existing --currency EUR"));
        assert_eq!(number(&db, "SELECT COUNT(*) FROM accounts"), 81);
        assert_eq!(number(&db, "SELECT COUNT(*) FROM entries"), 3_000);
        digest(&db);
    }

    fn a_seed_that_was_killed_is_not_continued(db: TestDatabase) {
        let mut child = db.ledger().spawn(&["seed", "--accounts", "300", "--entries", "1000000"]);
        let tables = "SELECT COUNT(*) FROM entries";
        while number(&db, tables) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it has ended: {}", Output::of(child).transcript());
        }
        child.kill().unwrap();
        Output::of(child).expect_code(KILLED);
        digest(&db);
        assert_eq!(json(&db, SMALL).expect_code(2).error_code(), "ledger_not_empty");
    }

    fn tiny_and_odd_ledgers_have_exactly_their_entries(db: TestDatabase) {
        for (at, (accounts, entries, days)) in [(1, 0, 1), (1, 1, 1), (3, 7, 3650), (1, 333, 200), (2, 51, 1), (500, 60, 2)].iter().enumerate() {
            let line = format!("seed --accounts {accounts} --entries {entries} --days {days} --into-existing --user-prefix {at}-");
            assert_eq!(seeded(&db, &line)["entries"], *entries, "{line}");
        }
        assert_eq!(number(&db, "SELECT COUNT(*) FROM entries"), 452);
        assert_eq!(number(&db, "SELECT COUNT(*) FROM accounts"), 508);
        digest(&db);
        for wrong in ["--accounts 0 --entries 1", "--accounts 1", "--accounts 1 --entries 1 --days 0", "--accounts 1 --entries -1"] {
            db.ledger().run_words(&format!("seed {wrong}")).expect_code(2);
        }
    }
}

#[test]
fn the_end_is_the_given_time_and_otherwise_always_the_same() {
    let lines = [None, Some(NOW)].map(|now| {
        let db = TestDatabase::fresh(Engine::Sqlite);
        let ledger = db.ledger().real_clock();
        let ledger = now.map_or(ledger.clone(), |now| ledger.at(now));
        let output = ledger.run_words("seed --accounts 2 --entries 10 --format json");
        output.expect_code(0).data()["end"].as_str().unwrap().to_owned()
    });
    assert_eq!(lines, ["2026-01-01T00:00:00.000000Z", "2026-03-01T12:00:00.000000Z"]);
    let db = TestDatabase::fresh(Engine::Sqlite);
    let early = db.ledger().at("1970-01-20T00:00:00Z");
    early.run_words("seed --accounts 2 --entries 10").expect_code(2);
    early
        .run_words("seed --accounts 2 --entries 10 --days 19")
        .expect_code(0);
}
