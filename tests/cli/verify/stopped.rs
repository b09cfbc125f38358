//! A repair that cannot be made to its end: what was found is shown and told all the same, and other accounts mended.

use diesel::PgConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};
use serde_json::Value;

use super::{all_rows, three_accounts};
use crate::cli::json;
use crate::common::{Engine, Output, TestDatabase, on_both_engines};

fn open_alerts(db: &TestDatabase) -> String {
    db.sql("SELECT account_id, cause FROM alerts WHERE closed_at IS NULL ORDER BY account_id, cause")
}

/// Whoever writes the balance row of that account finds it locked by somebody else.
fn lock_for_good(db: &TestDatabase, account: i64) {
    db.sql(&match db.engine {
        Engine::Sqlite => format!(
            "CREATE TRIGGER busy BEFORE UPDATE ON balances WHEN OLD.account_id = {account} \
             BEGIN SELECT RAISE(ABORT, 'database is locked'); END"
        ),
        Engine::Postgres => format!(
            "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'canceling statement due to lock timeout' USING ERRCODE = '55P03'; END $$; \
             CREATE TRIGGER busy BEFORE UPDATE ON balances FOR EACH ROW WHEN (OLD.account_id = {account}) \
             EXECUTE FUNCTION busy()"
        ),
    });
}

/// The users with differences.
fn users(output: &Output) -> Vec<String> {
    let data = output.data();
    let rows = data["differences"].as_array().unwrap().iter();
    rows.map(|row| row["user_id"].as_str().unwrap().to_owned()).collect()
}

on_both_engines! {
    fn what_is_too_much_to_repair_is_shown_and_told(db: TestDatabase) {
        three_accounts(&db);
        db.sql("UPDATE balances SET balance = balance - 1500 WHERE account_id IN (2, 3)");
        let wrong = all_rows(&db);
        let stopped = json(&db, "verify-sync --fix --max-fixes 1").expect_code(1);
        assert_eq!((stopped.error_code(), users(&stopped)), ("repair_limit".into(), vec!["6".into(), "7".into()]));
        assert_eq!((&stopped.json()["ok"], &stopped.data()["stopped"]["code"]), (&false.into(), &"repair_limit".into()));
        assert_eq!((all_rows(&db), open_alerts(&db)), (wrong, "2|verify:drift\n3|verify:drift".into()));
        let counts = db.sql("SELECT counts FROM job_runs WHERE exit_code = 1");
        assert!(counts.contains("\"needs_attention\":2") && counts.contains("--max-fixes allows 1"), "{counts}");
        let told = db.ledger().run_words("verify-sync --fix -q --max-delta 1").expect_code(1);
        assert!(told.stdout.contains("Needs attention: 2") && told.stderr.contains("repair_limit"), "{}", told.transcript());
        // What nobody can repair is the graver.
        db.unguarded("UPDATE entries SET balance_after = 1 WHERE account_id = 1 AND seq = 2");
        let worse = json(&db, "verify-sync --fix --max-fixes 1").expect_code(6);
        assert_eq!((worse.error_code(), open_alerts(&db)), ("repair_limit".into(), "1|verify:broken\n2|verify:drift\n3|verify:drift".into()));
    }

    fn an_account_that_is_busy_keeps_no_other_from_its_repair(db: TestDatabase) {
        for (line, code) in [("verify-sync --fix", 1), ("rebuild", 1), ("health --fix", 1)] {
            let db = TestDatabase::fresh(db.engine);
            three_accounts(&db);
            db.sql("UPDATE balances SET held = held + 100 WHERE account_id IN (1, 2)");
            lock_for_good(&db, 1);
            let done = json(&db, &format!("{line} --no-backup --lock-timeout 100ms")).expect_code(code);
            assert_eq!(db.sql("SELECT account_id FROM balances WHERE held > 0"), "1", "{line}");
            assert_eq!(done.data()["fixed"], 1, "{line}");
            let alerts = open_alerts(&db);
            assert!(alerts.starts_with("1|") && !alerts.contains('\n'), "{line}: {alerts}");
            if line != "health --fix" {
                assert_eq!(done.data()["differences"][0]["obstacle"]["code"], "busy", "{line}");
            }
        }
    }

    fn an_account_that_cannot_be_read_keeps_no_other_from_its_repair(db: TestDatabase) {
        three_accounts(&db);
        db.sql("UPDATE balances SET held = held + 100 WHERE account_id IN (1, 2)");
        db.unguarded("UPDATE entries SET actor = ' ' WHERE account_id = 1 AND seq = 2");
        for fixed in [1, 0] {
            let done = json(&db, "verify-sync --fix --no-backup").expect_code(6).data();
            assert_eq!((&done["fixed"], &done["differences"][0]["obstacle"]["code"]), (&fixed.into(), &"integrity".into()));
            assert_eq!(open_alerts(&db), "1|verify:broken");
        }
        assert_eq!(json(&db, "audit").expect_code(6).data()["findings"][1]["finding"], "broken_chain");
        assert_eq!(open_alerts(&db).lines().last(), Some("1|verify:broken"));
    }
}

on_both_engines! {
    fn an_account_of_which_nothing_can_be_read_is_named_and_hides_no_other(db: TestDatabase) {
        three_accounts(&db);
        let right = all_rows(&db);
        for line in ["verify-sync --fix", "verify-sync --fix --deep", "rebuild"] {
            db.sql("UPDATE balances SET held = held + 100 WHERE account_id IN (1, 3)");
            db.unguarded("UPDATE accounts SET currency = 'usd' WHERE id = 2");
            for (line, code) in [("verify-sync", 6), ("verify-sync --since-last", 6), (line, 6)] {
                let told = json(&db, &format!("{line} --no-backup")).expect_code(code).data();
                let differences = told["differences"].as_array().unwrap();
                let accounts: Vec<i64> = differences.iter().filter_map(|row| row["account"].as_i64()).collect();
                assert_eq!(accounts, [1, 2, 3], "{line}: {told}");
                let why = differences[1]["obstacle"]["message"].as_str().unwrap_or_default();
                assert!(why.contains("account 2: "), "{line}: {told}");
            }
            assert_eq!(open_alerts(&db), "2|verify:broken", "{line}");
            db.unguarded("UPDATE accounts SET currency = 'USD' WHERE id = 2");
            assert_eq!(all_rows(&db), right, "{line}");
            json(&db, "verify-sync --deep").expect_code(0);
        }
    }
}

/// A ledger whose name is so long that a copy of it cannot have one.
#[test]
fn what_cannot_be_copied_before_its_repair_is_shown_and_told() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    three_accounts(&db);
    db.sql("UPDATE balances SET held = held + 100 WHERE account_id = 2");
    let wrong = all_rows(&db);
    let long = "l".repeat(230);
    for (line, cause) in [
        ("verify-sync --fix", "verify:drift"),
        ("rebuild", "verify:drift"),
        ("health --fix", "health:held_differs"),
    ] {
        let path = db.directory().join(&long);
        let _ = std::fs::remove_file(&path);
        db.sql(&format!("VACUUM INTO '{}'", path.display()));
        let words: Vec<&str> = line
            .split(' ')
            .chain(["--format", "json", "--database-url", &long])
            .collect();
        let stopped = db.ledger().run(&words).expect_code(3);
        assert_eq!(stopped.error_code(), "configuration", "{line}");
        assert_eq!(stopped.data()["stopped"]["code"], "configuration", "{line}");
        assert_eq!(stopped.data()["fixed"], 0, "{line}");
        let words = ["alerts", "list", "--format", "json", "--database-url", &long];
        let alerts = db.ledger().run(&words).expect_code(0).data()["alerts"].take();
        let causes: Vec<&Value> = alerts.as_array().unwrap().iter().map(|alert| &alert["cause"]).collect();
        assert_eq!(causes, [cause], "{line}");
        assert_eq!(all_rows(&db), wrong);
    }
}

/// On SQLite whoever holds one account holds them all.
#[test]
fn an_account_that_could_not_be_looked_at_is_named_and_no_difference() {
    let db = TestDatabase::fresh(Engine::Postgres);
    three_accounts(&db);
    db.sql("UPDATE balances SET held = held + 100 WHERE account_id = 2");
    let mut other = PgConnection::establish(&db.url).unwrap();
    other
        .batch_execute("BEGIN; SELECT 1 FROM balances WHERE account_id = 1 FOR UPDATE")
        .unwrap();
    let done = json(&db, "rebuild --lock-timeout 100ms").expect_code(7).data();
    assert_eq!(
        (&done["fixed"], &done["needs_attention"], &done["in_sync"]),
        (&1.into(), &1.into(), &1.into())
    );
    let rows = done["differences"].as_array().unwrap();
    let busy = rows.iter().find(|row| row["user_id"] == "5").unwrap();
    assert_eq!(
        (&busy["field"], &busy["obstacle"]["code"]),
        (&"account".into(), &"busy".into())
    );
    assert_eq!(open_alerts(&db), "");
    other.batch_execute("ROLLBACK").unwrap();
    json(&db, "rebuild").expect_code(0);
}
