//! `balance --require` and `explain`: could it pay, and what stands in the way?

use super::{charge, digest, json, json_at, refused, with_balance};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// Everything that a question must leave as it is.
fn everything(db: &TestDatabase) -> String {
    let tables = [
        "accounts",
        "balances",
        "entries",
        "holds",
        "intents",
        "operations",
        "suspensions",
    ];
    tables
        .map(|table| db.sql(&format!("SELECT * FROM {table} ORDER BY 1, 2")))
        .join("\n--\n")
}

fn overdue(db: &TestDatabase, line: &str) -> crate::common::Output {
    json_at(db, "2026-03-01T12:20:00Z", line)
}

on_both_engines! {
    fn says_whether_the_account_could_pay_and_writes_nothing(db: TestDatabase) {
        with_balance(&db, "1500");
        let before = everything(&db);
        let yes = json(&db, "balance --user-id 5 --require 1500").expect_code(0).data();
        assert_eq!((&yes["required"], &yes["short_of"], &yes["balance"]), (&"1500.00".into(), &"0.00".into(), &"1500.00".into()));
        let no = refused(json(&db, "balance --user-id 5 --require 1500.01"), "insufficient_balance");
        assert_eq!((&no["balance"], &no["required"], &no["short_of"]), (&"1500.00".into(), &"1500.01".into(), &"0.01".into()));
        let quiet = db.ledger().run_words("balance --user-id 5 --require 1500 -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        refused(json(&db, "balance --user-id 404 --require 1"), "not_found");
        assert_eq!(everything(&db), before);
    }

    fn says_what_else_stands_in_the_way(db: TestDatabase) {
        with_balance(&db, "1500");
        let asked = |code: &str| refused(json(&db, "balance --user-id 5 --require 100"), code);
        json(&db, "account lock --user-id 5").expect_code(0);
        asked("account_locked");
        json(&db, "account unlock --user-id 5").expect_code(0);
        json(&db, "suspend --user-id 5 --reason x").expect_code(0);
        asked("account_suspended");
        json(&db, "resume --user-id 5").expect_code(0);
        json(&db, "account set --user-id 5 --spend-per-day 120 --charges-per-minute 1").expect_code(0);
        json(&db, "balance --user-id 5 --require 120").expect_code(0);
        refused(json(&db, "balance --user-id 5 --require 120.01"), "limit_exceeded");
        charge(&db, "1", "k").expect_code(0);
        assert_eq!(asked("limit_exceeded")["allowed"], "1");
    }

    fn counts_held_money_only_when_its_time_has_run_out(db: TestDatabase) {
        with_balance(&db, "1500");
        json(&db, "freeze --user-id 5 --amount 1000 --expires-in 20m").expect_code(0);
        let before = everything(&db);
        let no = refused(json(&db, "balance --user-id 5 --require 501"), "insufficient_balance");
        assert_eq!(no["short_of"], "1.00");
        let yes = overdue(&db, "balance --user-id 5 --require 1500").expect_code(0).data();
        assert_eq!((&yes["balance"], &yes["held"], &yes["last_seq"]), (&"1500.00".into(), &"0.00".into(), &2.into()));
        let no = refused(overdue(&db, "balance --user-id 5 --require 1501"), "insufficient_balance");
        assert_eq!((&no["balance"], &no["short_of"]), (&"1500.00".into(), &"1.00".into()));
        assert_eq!(everything(&db), before);
        // And so it is: the charge goes through.
        overdue(&db, "charge --user-id 5 --amount 1500 --service vps").expect_code(0);
    }

    fn answers_as_a_charge_would_be_answered_where_overdue_money_pays_a_debt(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
        charge(&db, "5", "k").expect_code(0);
        json(&db, "reverse --user-id 5 --entry 1 --amount 3 --if-spent debt").expect_code(0);
        let no = refused(overdue(&db, "balance --user-id 5 --require 2.01"), "insufficient_balance");
        assert_eq!(no["balance"], "2.00");
        let yes = overdue(&db, "balance --user-id 5 --require 2").expect_code(0).data();
        assert_eq!((&yes["balance"], &yes["held"], &yes["debt"]), (&"2.00".into(), &"0.00".into(), &"0.00".into()));
        refused(overdue(&db, "charge --user-id 5 --amount 2.01 --service vps"), "insufficient_balance");
        overdue(&db, "charge --user-id 5 --amount 2 --service vps").expect_code(0);
        digest(&db);
    }

    fn an_amount_of_the_wrong_shape_is_no_question(db: TestDatabase) {
        with_balance(&db, "10");
        for amount in ["0", "-1", "1.005", "", "1e3", "NaN", "99999999999999999999"] {
            let line = ["balance", "--user-id", "5", "--require", amount, "--format", "json"];
            assert_eq!(db.ledger().run(&line).expect_code(2).error_code(), "invalid_amount", "{amount:?}");
        }
        json(&db, "balance --user-id 5 --require 1 --at 2026-03-01T12:00:00Z").expect_code(2);
    }
}

/// Everything that an explanation can have to say; both engines must tell it alike, to the byte.
#[test]
fn explain_names_all_that_stands_in_the_way() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "1000");
        for line in [
            "account set --user-id 5 --low-balance-threshold 10000 --charges-per-minute 9 --spend-per-day 5000",
            "charge --user-id 5 --amount 300 --service vps",
            "freeze --user-id 5 --amount 5 --reference activation:77 --expires-in 20m",
            "freeze --user-id 5 --amount 7 --expires-in 2h",
            "freeze --user-id 5 --amount 9",
            "refund --user-id 5 --entry 2 --amount 100",
            "penalty --user-id 5 --amount 1 --reason spam",
        ] {
            json(&db, line).expect_code(0);
        }
        json(&db, "charge --user-id 5 --amount 1500 --service vps --suspend").expect_code(1);
        json(&db, "account lock --user-id 5").expect_code(0);
        let mut told = String::new();
        for format in ["table", "json"] {
            let line = format!("explain --user-id 5 --format {format}");
            let output = db.ledger().at("2026-03-01T12:20:00Z").run_words(&line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("explain_all", sqlite);
}
