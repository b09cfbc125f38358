//! `recharge`: money in, once.

use super::{balance, with_balance};
use crate::common::on_both_engines;

on_both_engines! {
    fn completes_at_once_by_itself(db: TestDatabase) {
        with_balance(&db, "500000");
        assert_eq!(balance(&db), "500000.00");
        let list = db.ledger().run_words("recharge list --user-id 5 --format json").data();
        let recharge = &list["recharges"][0];
        assert_eq!(recharge["status"], "completed");
        assert_eq!(recharge["entry"], 1);
        assert_eq!(recharge["method"], "momo");
    }

    fn a_pending_one_completes_once_and_keeps_the_gateways_answer(db: TestDatabase) {
        with_balance(&db, "1");
        let open = ["recharge", "--user-id", "5", "--amount", "20", "--method", "zalo_pay", "--pending",
            "--reference", "Invoice:9", "--format", "json"];
        let opened = db.ledger().run(&open).expect_code(0).data();
        let id = opened["recharge"]["id"].as_str().unwrap();
        assert_eq!(opened["recharge"]["status"], "pending");
        assert_eq!(balance(&db), "1.00");
        let complete = ["recharge", "complete", id, "--gateway-response", r#"{"txn":"A1"}"#, "--format", "json"];
        let completed = db.ledger().run(&complete).expect_code(0).data();
        assert_eq!((completed["outcome"].as_str(), completed["balance"].as_str()), (Some("applied"), Some("21.00")));
        assert_eq!(completed["entries"][0]["reference"], "Invoice:9");
        assert_eq!(completed["recharge"]["gateway_response"]["txn"], "A1");
        let again = db.ledger().run(&complete).expect_code(0).data();
        assert_eq!(again["outcome"], "already_applied");
        assert_eq!(balance(&db), "21.00");
        let history = db.ledger().run_words("history --user-id 5 --kind recharge --format json").data();
        assert_eq!(history["entries"].as_array().unwrap().len(), 2);
    }

    fn one_that_ended_otherwise_never_completes(db: TestDatabase) {
        with_balance(&db, "1");
        for (number, step, became) in [(2, "fail", "failed"), (3, "cancel", "cancelled")] {
            db.ledger().run_words("recharge --user-id 5 --amount 20 --method momo --pending").expect_code(0);
            let id = format!("r1-{number}");
            db.ledger().run(&["recharge", step, &id]).expect_code(0);
            let refused = db.ledger().run(&["recharge", "complete", &id, "--format", "json"]).expect_code(1);
            assert_eq!(refused.error_code(), "already_final");
            assert_eq!(refused.error()["error"]["details"]["became"], became);
            db.ledger().run(&["recharge", step, &id]).expect_code(0);
        }
        let completed = db.ledger().run_words("recharge fail r1-1 --format json").expect_code(1);
        assert_eq!(completed.error()["error"]["details"]["became"], "completed");
        assert_eq!(balance(&db), "1.00");
    }

    fn an_overdue_one_expires_by_the_clock_and_by_the_job(db: TestDatabase) {
        with_balance(&db, "1");
        db.ledger().run_words("recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --amount 30 --method momo --pending --expires-in 30m").expect_code(0);
        db.ledger().run_words("recharge process r1-3").expect_code(0);
        let last_moment = db.ledger().at("2026-03-01T12:29:59.999999Z").run_words("expire-recharges --format json");
        assert_eq!(last_moment.expect_code(0).data()["expired"], 0);
        let overdue = db.ledger().at("2026-03-01T12:30:00Z");
        assert_eq!(overdue.run_words("recharge complete r1-2 --format json").expect_code(1).error_code(), "already_final");
        let job = db.ledger().at("2026-03-01T12:30:00Z").run_words("expire-recharges --format json").expect_code(0);
        assert_eq!(job.data()["expired"], 1);
        assert_eq!(db.sql("SELECT status FROM recharges ORDER BY number"), "completed\nexpired\nprocessing");
        // The gateway has taken up the third, so it may still complete.
        db.ledger().at("2026-03-01T13:00:00Z").run_words("recharge complete r1-3").expect_code(0);
        assert_eq!(balance(&db), "31.00");
        let quiet = db.ledger().at("2026-03-01T13:00:00Z").run_words("expire-recharges -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }

    /// A run of the job listed it and was held up before it came to it.
    fn one_that_was_taken_up_before_its_time_ran_out_is_not_expired_late(db: TestDatabase) {
        with_balance(&db, "1");
        db.ledger().run_words("recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m").expect_code(0);
        let listed = r#"{"op":"recharge-expire","recharge":2}"#;
        let at = chrono::DateTime::parse_from_rfc3339("2026-03-01T12:30:00Z").unwrap().timestamp_micros();
        db.sql(&format!(
            "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
             VALUES (1, 'listed', 1, 'recharge-expire', '{listed}', 'tester', {at})"
        ));
        db.ledger().at("2026-03-01T12:29:59Z").run_words("recharge process r1-2").expect_code(0);
        let later = db.ledger().at("2026-03-01T13:00:00Z");
        let refused = later.run_words("intents replay listed --user-id 5 --format json").expect_code(1);
        assert_eq!(refused.error_code(), "not_due");
        assert_eq!(db.sql("SELECT status FROM recharges WHERE number = 2"), "processing");
        later.run_words("recharge complete r1-2").expect_code(0);
        assert_eq!(balance(&db), "21.00");
    }

    fn those_of_a_closed_account_end_without_their_money(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        for _ in 0..3 {
            db.ledger().run_words("recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m").expect_code(0);
        }
        db.ledger().run_words("account close --user-id 5").expect_code(0);
        let refused = db.ledger().run_words("recharge complete r1-1 --format json").expect_code(1);
        assert_eq!(refused.error_code(), "account_closed");
        db.ledger().run_words("recharge cancel r1-1").expect_code(0);
        db.ledger().run_words("recharge fail r1-2").expect_code(0);
        let later = db.ledger().at("2026-03-01T12:30:00Z");
        assert_eq!(later.run_words("expire-recharges --format json").expect_code(0).data()["expired"], 1);
        assert_eq!(later.run_words("expire-recharges --format json").expect_code(0).data()["expired"], 0);
        assert_eq!(db.sql("SELECT status FROM recharges ORDER BY number"), "cancelled\nfailed\nexpired");
        later.run_words("verify-sync --deep").expect_code(0);
    }

    fn a_retry_of_a_pending_recharge_at_another_time_is_the_same_request(db: TestDatabase) {
        with_balance(&db, "1");
        let open = "recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m --idempotency-key k --format json";
        db.ledger().run_words(open).expect_code(0);
        let again = db.ledger().at("2026-03-01T12:05:00Z").run_words(open).expect_code(0).data();
        assert_eq!(again["outcome"], "already_applied");
        assert_eq!(db.sql("SELECT COUNT(*) FROM recharges"), "2");
    }

    fn an_unknown_one_is_not_found(db: TestDatabase) {
        with_balance(&db, "1");
        for id in ["r1-9", "r9-1"] {
            let output = db.ledger().run(&["recharge", "complete", id, "--format", "json"]).expect_code(1);
            assert_eq!(output.error_code(), "not_found");
        }
        db.ledger().run_words("recharge complete 7").expect_code(2);
    }
}
