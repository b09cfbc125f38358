//! `health` and `alerts`: figures that cannot be are told, repaired where that is safe, and left to a person where not.

use std::thread;

use serde_json::Value;

use super::alert::alerts;
use super::{behind_its_back, digest, figures, json, json_at, refused, with_balance};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// Users 5 and 6, of whom 5 has 7 USD and 3 held of 10.
fn with_hold(db: &TestDatabase) {
    with_balance(db, "10");
    json(db, "freeze --user-id 5 --amount 3").expect_code(0);
    json(db, "account create --user-id 6").expect_code(0);
    json(db, "recharge --user-id 6 --amount 50 --method momo").expect_code(0);
}

const FINDINGS: &str =
    "SELECT severity, finding, user_id, stored, expected FROM health_findings ORDER BY account_id, finding";
const FIGURES: (&str, &str) = ("balances", "balances_figures");

/// Exit code and report.
fn health(db: &TestDatabase, more: &str) -> (i32, Value) {
    let output = json(db, &format!("health {more}"));
    (output.code, output.data())
}

fn open_alerts(db: &TestDatabase) -> Vec<Value> {
    alerts(db, "")
}

on_both_engines! {
    fn where_nothing_is_wrong_it_says_so(db: TestDatabase) {
        with_hold(&db);
        let (code, report) = health(&db, "");
        assert_eq!((code, &report["checked"], &report["findings"]), (0, &2.into(), &Value::Array(vec![])));
        let quiet = db.ledger().run_words("health -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        assert_eq!((db.sql(FINDINGS), open_alerts(&db).len()), (String::new(), 0));
    }

    fn a_scrambled_held_figure_is_a_warning_and_healed(db: TestDatabase) {
        with_hold(&db);
        let good = db.sql("SELECT * FROM balances ORDER BY account_id");
        db.sql("UPDATE balances SET held = 77 WHERE account_id = 1");
        assert_eq!(db.sql(FINDINGS), "WARNING|held_differs|5|77|300");
        let (code, report) = health(&db, "");
        let finding = &report["findings"][0];
        assert_eq!((code, &report["warning"], &finding["finding"]), (1, &1.into(), &"held_differs".into()));
        assert_eq!((&finding["user_id"], &finding["stored"], &finding["expected"]), (&"5".into(), &"0.77".into(), &"3.00".into()));
        assert_eq!(open_alerts(&db)[0]["severity"], "WARNING");
        let (code, report) = health(&db, "--fix --no-backup");
        assert_eq!((code, &report["fixed"], &report["warning"]), (0, &1.into(), &0.into()));
        assert_eq!(db.sql("SELECT * FROM balances ORDER BY account_id"), good);
        assert_eq!(db.sql("SELECT command, actor FROM operations WHERE run_id IS NOT NULL"), "health --fix|tester");
        let (code, report) = health(&db, "");
        assert_eq!((code, &report["findings"]), (0, &Value::Array(vec![])));
        assert_eq!((db.sql(FINDINGS), open_alerts(&db).len()), (String::new(), 0));
        json(&db, "commit --hold h1-1").expect_code(0);
        digest(&db);
    }

    fn a_negative_balance_is_critical_and_left_to_a_person(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -250 WHERE account_id = 1");
        let wrong = db.sql("SELECT * FROM balances ORDER BY account_id");
        assert_eq!(db.sql(FINDINGS), "CRITICAL|negative_balance|5|-250|0");
        for more in ["", "--fix --no-backup"] {
            let (code, report) = health(&db, more);
            let finding = &report["findings"][0];
            assert_eq!((code, &report["critical"], &report["fixed"]), (6, &1.into(), &0.into()));
            assert_eq!((&finding["severity"], &finding["finding"], &finding["stored"]), (&"CRITICAL".into(), &"negative_balance".into(), &"-2.50".into()));
            assert_eq!(db.sql("SELECT * FROM balances ORDER BY account_id"), wrong);
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM operations WHERE run_id IS NOT NULL"), "0");
        // Nothing is built upon it either.
        assert_eq!(json(&db, "charge --user-id 5 --amount 1 --service vps").expect_code(6).error_code(), "integrity");
        assert!(db.ledger().run_words("health -q").expect_code(6).stdout.contains("CRITICAL"));
    }

    fn every_figure_may_be_found_negative(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -1, held = -2, debt = -3 WHERE account_id = 2");
        assert_eq!(db.sql(FINDINGS), "CRITICAL|negative_balance|6|-1|0\nCRITICAL|negative_debt|6|-3|0\nCRITICAL|negative_held|6|-2|0");
        assert_eq!(health(&db, "--fix --no-backup").1["critical"], 3);
        assert_eq!(open_alerts(&db).len(), 3);
    }

    fn an_alert_is_opened_once_acknowledged_and_closed_with_its_cause(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -250 WHERE account_id = 1");
        json_at(&db, "2026-03-01T12:00:00Z", "health").expect_code(6);
        let [first] = open_alerts(&db).try_into().unwrap();
        assert_eq!((&first["cause"], &first["account"]), (&"health:negative_balance".into(), &1.into()));
        json_at(&db, "2026-03-01T13:00:00Z", "health").expect_code(6);
        let [again] = open_alerts(&db).try_into().unwrap();
        assert_eq!((&again["id"], &again["first_seen"]), (&first["id"], &first["first_seen"]));
        assert_eq!((&first["last_seen"], &again["last_seen"]), (&"2026-03-01T12:00:00.000000Z".into(), &"2026-03-01T13:00:00.000000Z".into()));

        let id = first["id"].as_str().unwrap();
        for changed in [true, false] {
            let data = json(&db, &format!("alerts ack {id}")).expect_code(0).data();
            assert_eq!((&data["changed"], &data["acknowledged_by"]), (&changed.into(), &"tester".into()));
        }
        assert_eq!(open_alerts(&db).len(), 1, "it stays open until its cause is gone");
        refused(json(&db, "alerts ack nobody"), "not_found");

        db.sql("UPDATE balances SET balance = 700 WHERE account_id = 1");
        json_at(&db, "2026-03-01T14:00:00Z", "health").expect_code(0);
        assert_eq!(open_alerts(&db).len(), 0);
        let [closed] = alerts(&db, "--all").try_into().unwrap();
        assert_eq!((&closed["id"], &closed["closed_at"]), (&first["id"], &"2026-03-01T14:00:00.000000Z".into()));

        // Come again, it is another alert.
        db.sql(match db.engine {
            Engine::Sqlite => "PRAGMA ignore_check_constraints = ON; UPDATE balances SET balance = -1 WHERE account_id = 1",
            Engine::Postgres => "UPDATE balances SET balance = -1 WHERE account_id = 1",
        });
        json(&db, "health").expect_code(6);
        assert_ne!(open_alerts(&db)[0]["id"], first["id"]);
        assert_eq!(alerts(&db, "--all").len(), 2);
    }

    fn a_row_that_is_missing_is_made_again_from_the_entries(db: TestDatabase) {
        with_hold(&db);
        let before = figures(&db);
        db.sql("DELETE FROM balances WHERE account_id = 1");
        assert_eq!(db.sql(FINDINGS), "WARNING|row_missing|5|0|700");
        let (code, report) = health(&db, "");
        let finding = &report["findings"][0];
        assert_eq!((code, &finding["finding"], &finding["stored"], &finding["expected"]), (1, &"row_missing".into(), &"0.00".into(), &"7.00".into()));
        assert_eq!((health(&db, "--fix --no-backup").0, health(&db, "").0, figures(&db)), (0, 0, before));
    }

    fn a_missing_row_of_entries_that_cannot_be_trusted_stays_missing(db: TestDatabase) {
        with_hold(&db);
        db.unguarded("UPDATE entries SET description = 'x' WHERE account_id = 1 AND seq = 1");
        db.sql("DELETE FROM balances WHERE account_id = 1");
        for _ in 0..2 {
            assert_eq!(health(&db, "--fix --no-backup").0, 6);
        }
        json(&db, "rebuild --no-backup").expect_code(6);
        json(&db, "verify-sync --fix --no-backup").expect_code(6);
        assert_eq!(db.sql("SELECT COUNT(*) FROM balances WHERE account_id = 1"), "0");
        assert_eq!(db.sql(FINDINGS), "WARNING|row_missing|5|0|700");
    }

    fn holds_that_the_entries_do_not_cover_are_critical(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, ("holds", "holds_parts"), "UPDATE holds SET remaining = 200 WHERE account_id = 1");
        assert_eq!(db.sql(FINDINGS), "CRITICAL|holds_not_covered|5|300|200");
        for more in ["", "--fix --no-backup"] {
            let (code, report) = health(&db, more);
            let finding = &report["findings"][0];
            assert_eq!((code, &finding["finding"]), (6, &"holds_not_covered".into()));
            assert_eq!((&finding["stored"], &finding["expected"]), (&"3.00".into(), &"2.00".into()));
        }
        assert_eq!(db.sql("SELECT remaining FROM holds"), "200");
        db.sql("DELETE FROM holds");
        assert_eq!(db.sql(FINDINGS), "CRITICAL|holds_not_covered|5|300|0");
        assert_eq!(figures(&db), ("7.00".into(), "3.00".into()));
    }

    fn warnings_are_healed_beside_what_is_critical(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -1, held = 5 WHERE account_id = 1; UPDATE balances SET held = 5 WHERE account_id = 2");
        let (code, report) = health(&db, "--fix --no-backup");
        assert_eq!((code, &report["critical"], &report["warning"], &report["fixed"]), (6, &1.into(), &1.into(), &1.into()));
        assert_eq!(db.sql("SELECT account_id, balance, held FROM balances ORDER BY 1"), "1|-1|5\n2|5000|0");
        assert_eq!(open_alerts(&db).len(), 2);
    }

    fn what_cannot_be_folded_is_not_healed(db: TestDatabase) {
        with_hold(&db);
        db.unguarded("UPDATE entries SET description = 'edited' WHERE account_id = 1 AND seq = 1; UPDATE balances SET held = 5 WHERE account_id = 1");
        let (code, report) = health(&db, "--fix --no-backup");
        assert_eq!((code, &report["warning"], &report["fixed"]), (6, &1.into(), &0.into()));
        assert_eq!(db.sql("SELECT held FROM balances WHERE account_id = 1"), "5");
    }

    fn two_runs_at_once_leave_one_alert(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -250 WHERE account_id = 1");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| json(&db, "health --lock-timeout 20s").expect_code(6));
            }
        });
        assert_eq!(alerts(&db, "--all").len(), 1);
    }
}

/// What people read; both engines must tell it alike, to the byte.
#[test]
fn people_are_told_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_hold(&db);
        let mut told = String::new();
        let mut tell = |time: &str, line: &str| {
            let output = db.ledger().at(&format!("2026-03-01T{time}Z")).run_words(line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        };
        tell("12:00:00", "health");
        db.sql("UPDATE balances SET held = 77 WHERE account_id = 1");
        tell("12:10:00", "health");
        tell("12:20:00", "health --fix --no-backup");
        behind_its_back(&db, FIGURES, "UPDATE balances SET balance = -250 WHERE account_id = 2");
        tell("12:30:00", "health");
        tell("12:40:00", "health --fix --no-backup");
        tell("12:50:00", "alerts list");
        let id = db.sql("SELECT id FROM alerts WHERE closed_at IS NULL");
        tell("12:51:00", &format!("alerts ack {id}"));
        tell("12:52:00", &format!("alerts ack {id}"));
        tell("12:53:00", "alerts list");
        db.sql("UPDATE balances SET balance = 5000 WHERE account_id = 2");
        tell("13:00:00", "health");
        tell("13:01:00", "alerts list");
        // The id of an alert is made up.
        told.replace(&id, "01234567-89ab-7cde-8f01-23456789abcd")
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("health_for_people", sqlite);
}
