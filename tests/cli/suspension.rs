//! Suspensions: an account that could not pay stops, and goes on when enough has come in.

use serde_json::Value;

use super::{balance, charge, digest, figures, json, json_at, refused, with_balance};
use crate::common::{Engine, TestDatabase, callback, on_both_engines};

/// The hourly charge of 1500 that the account cannot pay.
const HOURLY: &str = "charge --user-id 5 --amount 1500 --service vps --suspend";

/// An account with 1000 USD, suspended at noon for want of 1500.
fn unpaid(db: &TestDatabase) -> Value {
    with_balance(db, "1000");
    refused(json(db, HOURLY), "insufficient_balance")
}

fn recharge_at(db: &TestDatabase, time: &str, amount: &str) -> Value {
    let line = format!("recharge --user-id 5 --amount {amount} --method momo");
    json_at(db, time, &line).expect_code(0).data()
}

fn is_suspended(db: &TestDatabase) -> bool {
    let shown = json(db, "account show --user-id 5").expect_code(0).data();
    let logged = json(db, "suspensions --active").expect_code(0).data();
    let active = logged["suspensions"].as_array().unwrap().len();
    assert_eq!(shown["suspended"], active == 1, "{shown} {logged}");
    active == 1
}

/// The log of user 5, newest first.
fn log(db: &TestDatabase) -> Vec<Value> {
    let data = json(db, "suspensions --user-id 5").expect_code(0).data();
    data["suspensions"].as_array().unwrap().clone()
}

on_both_engines! {
    fn an_hourly_charge_that_cannot_be_paid_suspends(db: TestDatabase) {
        let details = unpaid(&db);
        assert_eq!((&details["balance"], &details["required"], &details["short_of"]), (&"1000.00".into(), &"1500.00".into(), &"500.00".into()));
        assert_eq!(details["suspension"]["required"], "1500.00");
        let logged = &log(&db)[0];
        assert_eq!((&logged["reason"], &logged["balance"]), (&"could not pay for vps".into(), &"1000.00".into()));
        assert_eq!((&logged["suspended_by"], &logged["active"]), (&"tester".into(), &true.into()));
        assert_eq!(logged["suspended_at"], "2026-03-01T12:00:00.000000Z");
        let before = digest(&db);
        let stopped = charge(&db, "1", "k");
        assert_eq!(stopped.error()["error"]["status"], 409);
        refused(stopped, "account_suspended");
        refused(json(&db, HOURLY), "account_suspended");
        refused(json(&db, "freeze --user-id 5 --amount 1"), "account_suspended");
        assert_eq!((digest(&db), log(&db).len()), (before, 1));
        assert_eq!(balance(&db), "1000.00");
    }

    fn only_a_want_of_money_suspends_and_only_where_it_is_asked_for(db: TestDatabase) {
        with_balance(&db, "1000");
        refused(charge(&db, "1500", "k"), "insufficient_balance");
        json(&db, "account lock --user-id 5").expect_code(0);
        refused(json(&db, HOURLY), "account_locked");
        json(&db, "account unlock --user-id 5").expect_code(0);
        json(&db, "charge --user-id 5 --amount 1000 --service vps --suspend").expect_code(0);
        assert!(!is_suspended(&db));
        assert_eq!(log(&db).len(), 0);
    }

    fn money_that_is_only_overdue_is_enough_not_to_be_suspended(db: TestDatabase) {
        with_balance(&db, "1500");
        json(&db, "freeze --user-id 5 --amount 600 --expires-in 20m").expect_code(0);
        json_at(&db, "2026-03-01T12:20:00Z", HOURLY).expect_code(0);
        assert_eq!(figures(&db), ("0.00".into(), "0.00".into()));
        assert!(!is_suspended(&db));
    }

    fn a_sufficient_recharge_resumes_and_the_log_keeps_how_long_it_was(db: TestDatabase) {
        unpaid(&db);
        let little = recharge_at(&db, "2026-03-01T12:30:00Z", "499.99");
        assert_eq!((&little["balance"], &little["resumed"]), (&"1499.99".into(), &Value::Null));
        assert!(is_suspended(&db));
        refused(charge(&db, "1", "k"), "account_suspended");
        let enough = recharge_at(&db, "2026-03-01T14:05:07Z", "0.01");
        assert_eq!((&enough["resumed"]["number"], &enough["resumed"]["duration_seconds"]), (&1.into(), &7507.into()));
        assert!(!is_suspended(&db));
        let logged = &log(&db)[0];
        assert_eq!((&logged["resumed_at"], &logged["duration_seconds"]), (&"2026-03-01T14:05:07.000000Z".into(), &7507.into()));
        assert_eq!(logged["active"], false);
        // The key that was refused during the suspension may be tried again.
        charge(&db, "1", "k").expect_code(0);
        digest(&db);
    }

    fn below_its_threshold_an_account_stays_suspended(db: TestDatabase) {
        json(&db, "account create --user-id 5 --low-balance-threshold 10000").expect_code(0);
        assert_eq!(unpaid(&db)["required"], "1500.00");
        recharge_at(&db, "2026-03-01T13:00:00Z", "8999.99");
        assert_eq!(balance(&db), "9999.99");
        assert!(is_suspended(&db));
        recharge_at(&db, "2026-03-01T14:00:00Z", "0.01");
        assert!(!is_suspended(&db));
    }

    fn the_threshold_may_come_from_the_environment(db: TestDatabase) {
        let ledger = db.ledger().env("LEDGER_LOW_BALANCE_THRESHOLD", "10000");
        ledger.run_words("account create --user-id 5").expect_code(0);
        let shown = json(&db, "account show --user-id 5").expect_code(0).data();
        assert_eq!(shown["low_balance_threshold"], "10000.00");
        unpaid(&db);
        recharge_at(&db, "2026-03-01T13:00:00Z", "8999.99");
        assert!(is_suspended(&db));
        recharge_at(&db, "2026-03-01T14:00:00Z", "1");
        assert!(!is_suspended(&db));
    }

    fn a_pending_recharge_resumes_when_it_completes(db: TestDatabase) {
        unpaid(&db);
        let open = "recharge --user-id 5 --amount 600 --method momo --pending";
        assert_eq!(json(&db, open).expect_code(0).data()["recharge"]["id"], "r1-2");
        assert!(is_suspended(&db));
        let done = json_at(&db, "2026-03-01T13:00:00Z", "recharge complete r1-2").expect_code(0).data();
        assert_eq!(done["resumed"]["duration_seconds"], 3600);
        assert!(!is_suspended(&db));
    }

    fn a_gateways_callback_resumes_too(db: TestDatabase) {
        unpaid(&db);
        json(&db, "recharge --user-id 5 --amount 600 --method momo --pending").expect_code(0);
        let body = callback::body("r1-2", "completed", "600");
        let ledger = callback::knowing(db.ledger()).at("2026-03-01T13:00:00Z");
        let done = callback::send(&ledger, &body, &callback::signature(callback::SECRET, &body)).expect_code(0).data();
        assert_eq!(done["resumed"]["duration_seconds"], 3600);
        assert!(!is_suspended(&db));
    }

    fn what_pays_a_debt_first_may_leave_too_little(db: TestDatabase) {
        unpaid(&db);
        json(&db, "reverse --user-id 5 --entry 1 --if-spent debt").expect_code(0);
        json(&db, "adjust --user-id 5 --amount 10 --reason x").expect_code(0);
        json(&db, "penalty --user-id 5 --amount 10 --reason x").expect_code(0);
        json(&db, "recharge --user-id 5 --amount 100 --method momo").expect_code(0);
        json(&db, "penalty --user-id 5 --amount 100 --reason x").expect_code(0);
        json(&db, "reverse --user-id 5 --entry 5 --if-spent debt").expect_code(0);
        let paid = json(&db, "recharge --user-id 5 --amount 1599.99 --method momo").expect_code(0).data();
        assert_eq!((&paid["balance"], &paid["debt"]), (&"1499.99".into(), &"0.00".into()));
        assert!(is_suspended(&db));
        json(&db, "recharge --user-id 5 --amount 0.01 --method momo").expect_code(0);
        assert!(!is_suspended(&db));
    }

    fn whom_a_person_suspended_only_a_person_resumes(db: TestDatabase) {
        with_balance(&db, "1000");
        let done = db.ledger().run(&["suspend", "--user-id", "5", "--reason", "abuse report 17", "--format", "json"]).expect_code(0).data();
        assert_eq!((&done["changed"], &done["required"]), (&true.into(), &Value::Null));
        refused(charge(&db, "1", "k"), "account_suspended");
        let again = json_at(&db, "2026-03-01T12:10:00Z", "suspend --user-id 5 --reason again").expect_code(0).data();
        assert_eq!((&again["changed"], &again["reason"]), (&false.into(), &"abuse report 17".into()));
        recharge_at(&db, "2026-03-01T12:20:00Z", "1000000");
        assert!(is_suspended(&db));
        let resumed = json_at(&db, "2026-03-02T12:00:00Z", "resume --user-id 5").expect_code(0).data();
        assert_eq!((&resumed["duration_seconds"], &resumed["resumed_by"]), (&86400.into(), &"tester".into()));
        assert_eq!(json(&db, "resume --user-id 5").expect_code(0).data()["changed"], false);
        charge(&db, "1", "k").expect_code(0);
        assert_eq!(log(&db).len(), 1);
        assert_eq!(db.sql("SELECT command FROM operations WHERE command IN ('suspend', 'resume') ORDER BY at"), "suspend\nresume");
    }

    fn a_person_may_also_resume_who_could_not_pay(db: TestDatabase) {
        unpaid(&db);
        json(&db, "resume --user-id 5").expect_code(0);
        charge(&db, "1000", "k").expect_code(0);
        refused(json_at(&db, "2026-03-01T13:00:00Z", HOURLY), "insufficient_balance");
        let numbers: Vec<_> = log(&db).iter().map(|logged| logged["number"].as_i64().unwrap()).collect();
        assert_eq!(numbers, [2, 1]);
        assert!(is_suspended(&db));
    }

    fn a_held_amount_of_a_suspended_account_can_still_be_settled(db: TestDatabase) {
        with_balance(&db, "1000");
        json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
        refused(json(&db, HOURLY), "insufficient_balance");
        json(&db, "commit --hold h1-1").expect_code(0);
        json(&db, "refund --user-id 5 --entry 3").expect_code(0);
        assert!(is_suspended(&db), "money given back is no recharge");
    }

    fn an_unknown_account_is_not_found_and_a_reason_is_needed(db: TestDatabase) {
        with_balance(&db, "1");
        refused(json(&db, "suspend --user-id 404 --reason x"), "not_found");
        refused(json(&db, "resume --user-id 404"), "not_found");
        refused(json(&db, "suspensions --user-id 404"), "not_found");
        json(&db, "suspend --user-id 5").expect_code(2);
        db.ledger().run(&["suspend", "--user-id", "5", "--reason", ""]).expect_code(2);
        assert!(!is_suspended(&db));
    }
}

/// What people read; both engines must tell it alike, to the byte.
#[test]
fn people_are_told_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "1000");
        let mut told = String::new();
        for (time, line) in [
            (
                "12:00:00",
                "charge --user-id 5 --amount 1500 --service vps --suspend --idempotency-key c-1",
            ),
            (
                "12:01:00",
                "charge --user-id 5 --amount 1 --service vps --idempotency-key c-2",
            ),
            ("12:02:00", "balance --user-id 5"),
            ("12:02:00", "suspensions --active"),
            (
                "13:30:00",
                "recharge --user-id 5 --amount 500 --method momo --idempotency-key r-1",
            ),
            ("14:00:00", "suspend --user-id 5 --reason abuse"),
            ("14:01:00", "suspend --user-id 5 --reason abuse"),
            ("14:02:00", "suspensions"),
            ("14:03:30", "resume --user-id 5"),
            ("14:04:00", "resume --user-id 5"),
            ("14:05:00", "suspensions --user-id 5"),
            ("14:05:00", "suspensions --active"),
        ] {
            let output = db.ledger().at(&format!("2026-03-01T{time}Z")).run_words(line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("suspensions_for_people", sqlite);
}
