//! `verify-sync --anchor`: a history that was rewritten or cut off as a whole is found by what was kept elsewhere.

use std::fs;

use serde_json::Value;

use crate::cli::{charge, json, with_balance};
use crate::common::{Output, TestDatabase, on_both_engines};

const FILE: &str = "ledger.anchors";

fn anchored(db: &TestDatabase) -> Output {
    json(db, &format!("verify-sync --deep --anchor {FILE}"))
}

fn anchors(db: &TestDatabase) -> String {
    fs::read_to_string(db.directory().join(FILE)).unwrap()
}

/// Users 5 and `a "b` with three entries each; the second charge of user 5 is of that amount.
fn history(db: &TestDatabase, amount: &str) {
    with_balance(db, "1000");
    db.ledger()
        .run(&["account", "create", "--user-id", "a \"b"])
        .expect_code(0);
    db.ledger()
        .run(&[
            "recharge",
            "--user-id",
            "a \"b",
            "--amount",
            "70",
            "--method",
            "momo",
            "--idempotency-key",
            "r",
        ])
        .expect_code(0);
    charge(db, "10", "first").expect_code(0);
    charge(db, amount, "second").expect_code(0);
    for n in 1..=2 {
        let key = format!("k-{n}");
        let words = [
            "charge",
            "--user-id",
            "a \"b",
            "--amount",
            "7",
            "--service",
            "vps",
            "--idempotency-key",
            &key,
        ];
        db.ledger().run(&words).expect_code(0);
    }
}

/// Record, kind and user of every difference.
fn differences(data: &Value) -> Vec<(String, String, Value)> {
    let rows = data["differences"].as_array().unwrap().iter();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.map(|row| (text(row, "record"), text(row, "kind"), row["user_id"].clone()))
        .collect()
}

const CUT: &str = "DELETE FROM entries WHERE account_id = 1 AND seq = 3; \
     DELETE FROM intents WHERE account_id = 1 AND first_seq = 3; DELETE FROM proofs WHERE account_id = 1; \
     UPDATE balances SET last_seq = 2, balance = 99000, total_spent = 1000, \
     chain_head = (SELECT hash FROM entries WHERE account_id = 1 AND seq = 2) WHERE account_id = 1";

on_both_engines! {
    fn anchors_are_added_and_hold_while_the_ledger_grows(db: TestDatabase) {
        history(&db, "20");
        let first = anchored(&db).expect_code(0).data();
        assert_eq!((&first["anchor"]["checked"], &first["anchor"]["appended"]), (&0.into(), &true.into()));
        let lines: Vec<String> = anchors(&db).lines().map(str::to_owned).collect();
        let header = format!("ledger-anchor/1 2026-03-01T12:00:00.000000Z 6 {}", first["digest"].as_str().unwrap());
        assert_eq!((lines.len(), &lines[0]), (4, &header));
        let heads = db.sql("SELECT chain_head FROM balances ORDER BY account_id").replace("\\x", "");
        let heads: Vec<&str> = heads.lines().collect();
        assert_eq!(lines[1..3], [format!("USD 3 {} \"5\"", heads[0]), format!("USD 3 {} \"a \\\"b\"", heads[1])]);
        charge(&db, "1", "third").expect_code(0);
        for (checked, length) in [(1, 7), (2, 9)] {
            let report = json(&db, &format!("verify-sync --since-last --anchor {FILE}")).expect_code(0).data();
            assert_eq!((&report["anchor"]["checked"], anchors(&db).lines().count()), (&checked.into(), length));
        }
        let told = db.ledger().run_words(&format!("verify-sync --anchor {FILE}")).expect_code(0).stdout;
        assert!(told.contains("Anchors: 3 checked, today's was added\n"), "{told}");
    }

    fn a_history_that_was_rewritten_as_a_whole_is_found_by_an_anchor_and_only_by_one(db: TestDatabase) {
        history(&db, "20");
        anchored(&db).expect_code(0);
        // The ledger as somebody leaves it who makes one charge smaller and computes everything anew.
        let rewritten = TestDatabase::fresh(db.engine);
        history(&rewritten, "2");
        json(&rewritten, "verify-sync --deep").expect_code(0);
        fs::copy(db.directory().join(FILE), rewritten.directory().join(FILE)).unwrap();
        for depth in ["", "--since-last", "--deep"] {
            let report = json(&rewritten, &format!("verify-sync {depth} --anchor {FILE}")).expect_code(6).data();
            let found = ("2026-03-01T12:00:00.000000Z entry 3".to_owned(), "rewritten".to_owned(), "5".into());
            assert_eq!(differences(&report), [found], "{depth}");
            assert_eq!((&report["anchor"]["appended"], &report["in_sync"]), (&false.into(), &1.into()));
        }
        assert_eq!(anchors(&rewritten), anchors(&db));
        anchored(&db).expect_code(0);
    }

    fn a_tail_that_was_cut_with_everything_that_names_it_is_found_by_an_anchor_and_only_by_one(db: TestDatabase) {
        history(&db, "20");
        anchored(&db).expect_code(0);
        db.unguarded(CUT);
        for depth in ["", "--since-last", "--deep"] {
            json(&db, &format!("verify-sync {depth}")).expect_code(0);
        }
        let report = anchored(&db).expect_code(6).data();
        let found = ("2026-03-01T12:00:00.000000Z entry 3".to_owned(), "cut".to_owned(), "5".into());
        assert_eq!(differences(&report), [found]);
        // Nor is a row repaired from what is left.
        db.sql("UPDATE balances SET balance = 5 WHERE account_id = 1");
        let fixed = json(&db, &format!("verify-sync --fix --no-backup --anchor {FILE}")).expect_code(6).data();
        assert_eq!(fixed["fixed"], 0);
        // Other entries in their place are not those either.
        json(&db, "verify-sync --fix --no-backup").expect_code(0);
        charge(&db, "20", "other").expect_code(0);
        assert_eq!(differences(&anchored(&db).expect_code(6).data())[0].1, "rewritten");
    }

    fn an_account_that_is_gone_is_found(db: TestDatabase) {
        history(&db, "20");
        anchored(&db).expect_code(0);
        db.unguarded("DELETE FROM entries WHERE account_id = 2; DELETE FROM intents WHERE account_id = 2; \
            DELETE FROM recharges WHERE account_id = 2; DELETE FROM proofs WHERE account_id = 2; \
            DELETE FROM balances WHERE account_id = 2; DELETE FROM accounts WHERE id = 2");
        json(&db, "verify-sync --deep").expect_code(0);
        let report = anchored(&db).expect_code(6).data();
        assert_eq!(differences(&report), [("2026-03-01T12:00:00.000000Z entry 3".to_owned(), "cut".to_owned(), Value::Null)]);
        assert_eq!(report["differences"][0]["actual"], "the account of user a \"b in USD is gone");
    }

    fn what_is_no_file_is_no_file_of_anchors(db: TestDatabase) {
        history(&db, "10");
        // It has no end.
        let refused = db.ledger().run_words("verify-sync --anchor /dev/zero").expect_code(2);
        assert!(refused.stderr.contains("/dev/zero: not a file"), "{}", refused.stderr);
    }

    fn a_torn_end_is_replaced_and_any_other_change_refused(db: TestDatabase) {
        history(&db, "20");
        anchored(&db).expect_code(0);
        let whole = anchors(&db);
        charge(&db, "1", "third").expect_code(0);
        anchored(&db).expect_code(0);
        let both = anchors(&db);
        fs::write(db.directory().join(FILE), &both[..whole.len() + 90]).unwrap();
        let report = anchored(&db).expect_code(0).data();
        assert_eq!((&report["anchor"]["checked"], &report["anchor"]["torn"]), (&1.into(), &true.into()));
        assert_eq!(anchors(&db), both);
        for (bad, line) in [(both.replace("USD 3", "USD 2"), 4), (format!("hello\n{both}"), 1), (format!("{both}hello\n"), 8)] {
            fs::write(db.directory().join(FILE), &bad).unwrap();
            let refused = anchored(&db).expect_code(2);
            assert_eq!(refused.error_code(), "invalid_input");
            assert!(refused.stderr.contains(&format!("line {line}:")), "{}", refused.stderr);
            assert_eq!(anchors(&db), bad);
        }
        json(&db, &format!("verify-sync --user-id 5 --anchor {FILE}")).expect_code(2);
        let unwritten = json(&db, "verify-sync --anchor missing/folder/file").expect_code(2);
        assert_eq!((unwritten.error_code(), &unwritten.data()["anchor"]["appended"]), ("invalid_input".into(), &false.into()));
    }
}
