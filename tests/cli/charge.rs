//! `charge`, `adjust`, `penalty`: all or nothing, once per key.

use super::{balance, charge, digest, with_balance};
use crate::common::on_both_engines;

on_both_engines! {
    fn takes_the_amount_and_says_what_was_before_and_after(db: TestDatabase) {
        with_balance(&db, "500000");
        let args = ["charge", "--user-id", "5", "--amount", "50000", "--service", "vps", "--reference", "VpsUsage:123",
            "--description", "March", "--metadata", r#"{"cpu": 2}"#, "--idempotency-key", "u-1", "--format", "json"];
        let data = db.ledger().run(&args).expect_code(0).data();
        assert_eq!(data["outcome"], "applied");
        assert_eq!(data["balance"], "450000.00");
        let entry = &data["entries"][0];
        assert_eq!(entry["amount"], "-50000.00");
        assert_eq!(entry["balance_before"], "500000.00");
        assert_eq!(entry["balance_after"], "450000.00");
        assert_eq!(entry["service"], "vps");
        assert_eq!(entry["reference"], "VpsUsage:123");
        assert_eq!(entry["metadata"]["cpu"], 2);
        assert_eq!(entry["actor"], "tester");
        assert_eq!(entry["at"], "2026-03-01T12:00:00.000000Z");
    }

    fn refuses_what_the_balance_does_not_cover_and_writes_only_the_attempt(db: TestDatabase) {
        with_balance(&db, "100");
        let before = digest(&db);
        let refused = charge(&db, "250", "k-1").expect_code(1);
        assert_eq!(refused.stdout, "");
        let error = &refused.error()["error"];
        assert_eq!(error["code"], "insufficient_balance");
        assert_eq!(error["status"], 402);
        assert_eq!(error["details"]["balance"], "100.00");
        assert_eq!(error["details"]["required"], "250.00");
        assert_eq!(error["details"]["short_of"], "150.00");
        assert_eq!(digest(&db), before);
        assert_eq!(db.sql("SELECT state, reason FROM intents WHERE idempotency_key = 'k-1'"), "refused|insufficient_balance");
    }

    fn the_same_key_again_writes_nothing_even_when_locked_by_now(db: TestDatabase) {
        with_balance(&db, "100");
        let first = charge(&db, "30", "k").expect_code(0).data();
        db.ledger().run_words("account lock --user-id 5").expect_code(0);
        let again = charge(&db, "30", "k").expect_code(0).data();
        assert_eq!(again["outcome"], "already_applied");
        assert_eq!(again["entries"], first["entries"]);
        assert_eq!(again["balance"], first["balance"]);
        assert_eq!(balance(&db), "70.00");
    }

    fn the_same_key_with_another_payload_is_a_conflict_that_names_the_difference(db: TestDatabase) {
        with_balance(&db, "100");
        charge(&db, "30", "k").expect_code(0);
        let conflict = charge(&db, "31", "k").expect_code(1);
        assert_eq!(conflict.error_code(), "idempotency_conflict");
        assert_eq!(conflict.error()["error"]["details"]["differs_in"][0], "amount");
        assert_eq!(balance(&db), "70.00");
    }

    fn a_refused_key_may_be_tried_again_and_is_judged_anew(db: TestDatabase) {
        with_balance(&db, "10");
        charge(&db, "30", "k").expect_code(1);
        charge(&db, "30", "k").expect_code(1);
        db.ledger().run_words("recharge --user-id 5 --amount 50 --method momo").expect_code(0);
        assert_eq!(charge(&db, "30", "k").expect_code(0).data()["outcome"], "applied");
        assert_eq!(charge(&db, "30", "k").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(balance(&db), "30.00");
        let attempts = db.sql("SELECT attempt, state FROM intents WHERE idempotency_key = 'k' ORDER BY attempt");
        assert_eq!(attempts, "1|refused\n2|refused\n3|applied");
    }

    fn a_key_is_made_up_and_printed_when_none_is_given(db: TestDatabase) {
        with_balance(&db, "10");
        let data = db.ledger().run_words("charge --user-id 5 --amount 1 --service vps --format json").data();
        let key = data["idempotency_key"].as_str().unwrap();
        assert_eq!(key.len(), 36);
        assert_eq!(charge(&db, "1", key).expect_code(0).data()["outcome"], "already_applied");
    }

    fn a_stranded_intent_is_taken_up_by_the_next_try(db: TestDatabase) {
        with_balance(&db, "10");
        charge(&db, "1", "k").expect_code(0);
        // What a crash between the intent and the effect leaves: an intent that is pending.
        db.sql("INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
                SELECT account_id, 'stranded', 1, operation, payload, actor, created_at FROM intents WHERE idempotency_key = 'k'");
        assert_eq!(charge(&db, "1", "stranded").expect_code(0).data()["outcome"], "applied");
        assert_eq!(charge(&db, "1", "stranded").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(balance(&db), "8.00");
    }

    fn a_lock_refuses_charges_and_takes_money_in(db: TestDatabase) {
        with_balance(&db, "100");
        db.ledger().run_words("account lock --user-id 5").expect_code(0);
        let refused = charge(&db, "1", "k").expect_code(1);
        assert_eq!(refused.error_code(), "account_locked");
        assert_eq!(refused.error()["error"]["status"], 409);
        db.ledger().run_words("recharge --user-id 5 --amount 1 --method momo").expect_code(0);
        assert_eq!(balance(&db), "101.00");
        db.ledger().run_words("account unlock --user-id 5").expect_code(0);
        charge(&db, "1", "k").expect_code(0);
    }

    fn adjusts_either_way_with_a_reason(db: TestDatabase) {
        with_balance(&db, "500");
        db.ledger().run(&["adjust", "--user-id", "5", "--amount", "-200", "--reason", "charged twice"]).expect_code(0);
        db.ledger().run(&["adjust", "--user-id", "5", "--amount", "15.50", "--reason", "goodwill"]).expect_code(0);
        assert_eq!(balance(&db), "315.50");
        let without_reason = db.ledger().run(&["adjust", "--user-id", "5", "--amount", "1"]);
        without_reason.expect_code(2);
        let beyond = ["adjust", "--user-id", "5", "--amount", "-316", "--reason", "x", "--format", "json"];
        assert_eq!(db.ledger().run(&beyond).expect_code(1).error_code(), "insufficient_balance");
    }

    fn a_penalty_is_spent_money(db: TestDatabase) {
        with_balance(&db, "500");
        db.ledger().run(&["penalty", "--user-id", "5", "--amount", "20", "--reason", "spam"]).expect_code(0);
        let view = db.ledger().run_words("account show --user-id 5 --format json").data();
        assert_eq!((view["balance"].as_str(), view["total_spent"].as_str()), (Some("480.00"), Some("20.00")));
        let entry = &db.ledger().run_words("history --user-id 5 --format json").data()["entries"][0];
        assert_eq!((entry["kind"].as_str(), entry["description"].as_str()), (Some("penalty"), Some("spam")));
    }

    fn limits_are_kept_within_a_minute_and_a_day(db: TestDatabase) {
        with_balance(&db, "1000");
        db.ledger().run_words("account set --user-id 5 --charges-per-minute 3 --spend-per-day 100").expect_code(0);
        for key in ["a", "b", "c"] {
            charge(&db, "10", key).expect_code(0);
        }
        assert_eq!(charge(&db, "10", "d").expect_code(1).error_code(), "limit_exceeded");
        let later = |time: &str, amount: &str, key: &str| {
            let args = ["charge", "--user-id", "5", "--amount", amount, "--service", "vps", "--idempotency-key", key, "--format", "json"];
            db.ledger().at(time).run(&args)
        };
        later("2026-03-01T12:01:01Z", "70", "e").expect_code(0);
        assert_eq!(later("2026-03-01T13:00:00Z", "0.01", "f").expect_code(1).error_code(), "limit_exceeded");
        later("2026-03-02T00:00:00Z", "100", "g").expect_code(0);
    }

    fn an_attempt_that_fails_says_why_and_its_key_may_be_sent_again(db: TestDatabase) {
        with_balance(&db, "10");
        db.sql("UPDATE balances SET balance = 999");
        let failed = charge(&db, "1", "early").expect_code(6);
        assert_eq!(failed.error_code(), "integrity");
        assert!(failed.stderr.contains("ledger verify-sync --user-id 5 --currency USD --fix"), "{}", failed.stderr);
        let tried = "SELECT attempt, state, reason FROM intents WHERE idempotency_key = 'early' ORDER BY attempt";
        assert_eq!(db.sql(tried), "1|failed|integrity");
        db.ledger().run_words("verify-sync --fix --no-backup").expect_code(0);
        db.ledger().run_words("account set --user-id 5 --charges-per-minute 9").expect_code(0);
        charge(&db, "1", "k").expect_code(0);
        assert_eq!(charge(&db, "1", "early").expect_code(0).data()["outcome"], "applied");
        assert_eq!(db.sql(tried), "1|failed|integrity\n2|applied|");
        db.ledger().run_words("verify-sync --deep").expect_code(0);
    }
}
