//! `purchase`, `process-pending-credits`, `deactivate-purchase` and `gift`: what is earned comes once, and is taken
//! back once.

use serde_json::Value;

use crate::common::{Ledger, Output, TestDatabase, on_both_engines};

const BOUGHT: &str = "2026-03-01T12:00:00Z";
const DUE: &str = "2026-03-03T12:00:00Z";

/// Everything in points, at the moment of the purchase.
fn points(db: &TestDatabase) -> Ledger {
    let ledger = db.ledger().env("LEDGER_CURRENCY", "POINTS").at(BOUGHT);
    ledger.run_words("currency add POINTS --exponent 0").expect_code(0);
    ledger
}

/// User 5 with that many points, given by hand.
fn with_points(db: &TestDatabase, count: &str) -> Ledger {
    let ledger = points(db);
    ledger.run_words("account create --user-id 5").expect_code(0);
    ledger
        .run(&["adjust", "--user-id", "5", "--amount", count, "--reason", "opening"])
        .expect_code(0);
    ledger
}

#[track_caller]
fn done(ledger: &Ledger, words: &str) -> Value {
    ledger
        .run_words(&format!("{words} --format json"))
        .expect_code(0)
        .data()
}

#[track_caller]
fn refused(ledger: &Ledger, words: &str, code: &str) -> Output {
    let output = ledger.run_words(&format!("{words} --format json")).expect_code(1);
    assert_eq!(output.error_code(), code, "{words}");
    output
}

/// Balance and debt.
#[track_caller]
fn standing(ledger: &Ledger) -> (String, String) {
    let shown = done(ledger, "balance --user-id 5");
    let text = |name: &str| shown[name].as_str().unwrap().to_owned();
    (text("balance"), text("debt"))
}

#[track_caller]
fn assert_standing(ledger: &Ledger, balance: &str, debt: &str) {
    assert_eq!(standing(ledger), (balance.to_owned(), debt.to_owned()));
}

#[track_caller]
fn transferred(ledger: &Ledger) -> u64 {
    done(ledger, "process-pending-credits")["transferred"].as_u64().unwrap()
}

on_both_engines! {
    fn credits_deactivated_before_they_are_due_never_come(db: TestDatabase) {
        let ledger = with_points(&db, "10");
        let recorded = done(&ledger, "purchase record --user-id 5 --amount 500000 --reference INV-1");
        assert_eq!((&recorded["purchase"]["id"], &recorded["purchase"]["credits"]), (&"p1-1".into(), &"5".into()));
        assert_eq!(recorded["purchase"]["due_at"], "2026-03-03T12:00:00.000000Z");
        assert_standing(&ledger, "10", "0");

        let day_later = ledger.clone().at("2026-03-02T12:00:00Z");
        let gone = done(&day_later, "deactivate-purchase p1-1 --reason cancelled");

        assert_eq!((&gone["outcome"], &gone["purchase"]["credit_state"]), (&"applied".into(), &"inactive".into()));
        assert_eq!((&gone["purchase"]["deactivated_by"], &gone["purchase"]["deactivated_why"]), (&"tester".into(), &"cancelled".into()));
        assert!(gone["entries"].as_array().unwrap().is_empty());
        assert_eq!(transferred(&ledger.clone().at("2026-04-01T00:00:00Z")), 0);
        assert_standing(&ledger, "10", "0");
    }

    fn credits_that_have_come_are_taken_back_exactly_once(db: TestDatabase) {
        let ledger = with_points(&db, "10");
        done(&ledger, "purchase record --user-id 5 --amount 300000 --reference INV-1");
        let later = ledger.clone().at(DUE);
        assert_eq!(transferred(&later), 1);
        assert_standing(&later, "13", "0");

        let gone = done(&later, "deactivate-purchase p1-1 --reason refunded");
        assert_eq!(gone["entries"][0]["kind"], "clawback");
        assert_eq!((&gone["entries"][0]["amount"], &gone["entries"][0]["reverses"]), (&"-3".into(), &2.into()));
        assert_eq!(gone["entries"][0]["reference"], "INV-1");
        assert_standing(&later, "10", "0");

        let again = done(&later, "deactivate-purchase p1-1 --reason refunded");
        assert_eq!(again["outcome"], "already_applied");
        assert_standing(&later, "10", "0");
        assert_eq!(transferred(&later), 0);
        let told = later.run_words("deactivate-purchase p1-1 --reason refunded").expect_code(0);
        assert!(told.stdout.starts_with("Already applied; nothing was written."), "{}", told.stdout);
    }

    fn a_gift_is_there_at_once_and_is_taken_back_once(db: TestDatabase) {
        let ledger = with_points(&db, "20");
        let given = done(&ledger, "gift grant --user-id 5 --amount 250000");
        assert_eq!((&given["gift"]["id"], &given["gift"]["credits"]), (&"g1-1".into(), &"50".into()));
        assert_standing(&ledger, "70", "0");
        assert_eq!(done(&ledger, "gift deactivate g1-1 --reason twice")["outcome"], "applied");
        assert_standing(&ledger, "20", "0");
        assert_eq!(done(&ledger, "gift deactivate g1-1 --reason twice")["outcome"], "already_applied");
        assert_standing(&ledger, "20", "0");
    }

    fn credits_already_spent_are_refused_or_become_a_debt_that_money_pays_first(db: TestDatabase) {
        let ledger = with_points(&db, "10");
        done(&ledger, "purchase record --user-id 5 --amount 300000");
        let later = ledger.clone().at(DUE);
        transferred(&later);
        done(&later, "charge --user-id 5 --amount 12 --service shop");

        let short = refused(&later, "deactivate-purchase p1-1 --reason fraud", "insufficient_balance");
        assert_eq!(short.error()["error"]["details"]["short_of"], "2");
        assert_standing(&later, "1", "0");
        let shown = done(&later, "purchase list");
        assert_eq!(shown["purchases"][0]["credit_state"], "transferred");

        done(&later, "deactivate-purchase p1-1 --reason fraud --if-spent debt");
        assert_standing(&later, "0", "2");
        assert_eq!(done(&later, "deactivate-purchase p1-1 --reason fraud --if-spent debt")["outcome"], "already_applied");
        refused(&later, "charge --user-id 5 --amount 1 --service shop", "insufficient_balance");
        refused(&later, "account close --user-id 5", "account_not_empty");

        let paid = done(&later, "recharge --user-id 5 --amount 5 --method momo");
        let kinds: Vec<&str> = paid["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["recharge", "debt_recovery"]);
        assert_standing(&later, "3", "0");
        let verified = done(&later, "verify-sync");
        assert_eq!(verified["in_sync"], 1);
    }

    fn a_credit_pays_debt_too_and_debt_is_shown_verified_and_rebuilt(db: TestDatabase) {
        let ledger = with_points(&db, "3");
        done(&ledger, "gift grant --user-id 5 --credits 4");
        done(&ledger, "charge --user-id 5 --amount 7 --service shop");
        done(&ledger, "gift deactivate g1-1 --reason x --if-spent debt");
        assert_standing(&ledger, "0", "4");
        let explained = done(&ledger, "explain --user-id 5");
        assert_eq!(explained["debt"], "4");
        db.sql("UPDATE balances SET debt = 1");
        let drift = ledger.run_words("verify-sync --format json").expect_code(1).data();
        assert_eq!((&drift["differences"][0]["field"], &drift["differences"][0]["actual"]), (&"debt".into(), &"4".into()));
        db.sql("DELETE FROM balances");
        done(&ledger, "rebuild --no-backup");
        assert_standing(&ledger, "0", "4");

        done(&ledger, "purchase record --user-id 5 --amount 700000");
        assert_eq!(transferred(&ledger.clone().at(DUE)), 1);
        assert_standing(&ledger, "3", "0");
    }

    fn a_purchase_whose_credits_have_lost_their_entry_is_damage_and_no_purchase_without_credits(db: TestDatabase) {
        let ledger = with_points(&db, "10");
        done(&ledger, "purchase record --user-id 5 --amount 300000");
        let later = ledger.clone().at(DUE);
        transferred(&later);
        db.sql("UPDATE pending_credits SET entry_seq = 9");

        let damaged = later.run_words("deactivate-purchase p1-1 --reason x --format json").expect_code(6);

        assert_eq!(damaged.error_code(), "integrity");
        assert!(damaged.stderr.contains("the entry of the credits of purchase p1-1 has disappeared"), "{}", damaged.stderr);
        assert_standing(&later, "13", "0");
        assert_eq!(db.sql("SELECT state FROM pending_credits"), "transferred");
    }

    fn credits_come_at_the_48th_hour_and_not_a_microsecond_before(db: TestDatabase) {
        let ledger = points(&db);
        ledger.run_words("account create --user-id 5").expect_code(0);
        // Over the end of a month, over both changes of daylight-saving time, over the leap day.
        let moments = [
            ("2026-01-31T12:00:00Z", "2026-02-02T11:59:59.999999Z", "2026-02-02T12:00:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-30T11:59:59.999999Z", "2026-03-30T12:00:00Z"),
            ("2026-03-28T13:00:00+01:00", "2026-03-30T13:59:59.999999+02:00", "2026-03-30T14:00:00+02:00"),
            ("2026-10-24T14:00:00+02:00", "2026-10-26T12:59:59.999999+01:00", "2026-10-26T13:00:00+01:00"),
            ("2028-02-28T00:00:00Z", "2028-02-29T23:59:59.999999Z", "2028-03-01T00:00:00Z"),
            ("2026-12-30T23:59:59.999999Z", "2027-01-01T23:59:59.999998Z", "2027-01-01T23:59:59.999999Z"),
        ];
        for (bought, before, due) in moments {
            let zone = |at: &str| ledger.clone().env("TZ", "Europe/Berlin").at(at);
            done(&zone(bought), "purchase record --user-id 5 --amount 100000");
            assert_eq!(transferred(&zone(before)), 0, "{before}");
            assert_eq!(transferred(&zone(due)), 1, "{due}");
        }
    }

    fn the_waiting_time_and_the_rates_are_the_deployments(db: TestDatabase) {
        let ledger = with_points(&db, "1")
            .env("LEDGER_PENDING_HOURS", "1")
            .env("LEDGER_PURCHASE_PER_CREDIT", "2500")
            .env("LEDGER_GIFT_PER_CREDIT", "1000");
        assert_eq!(done(&ledger, "purchase record --user-id 5 --amount 9999")["purchase"]["credits"], "3");
        assert_eq!(transferred(&ledger.clone().at("2026-03-01T12:59:59Z")), 0);
        assert_eq!(transferred(&ledger.clone().at("2026-03-01T13:00:00Z")), 1);
        assert_eq!(done(&ledger, "gift grant --user-id 5 --amount 2999")["gift"]["credits"], "2");
        assert_eq!(done(&ledger, "purchase record --user-id 5 --amount 19.99 --paid-in USD --credits 7")["purchase"]["credits"], "7");
        assert_standing(&ledger, "6", "0");
    }

    fn a_purchase_too_small_to_earn_is_recorded_and_brings_nothing(db: TestDatabase) {
        let ledger = with_points(&db, "1");
        let recorded = done(&ledger, "purchase record --user-id 5 --amount 99999");
        assert_eq!((&recorded["purchase"]["credits"], &recorded["purchase"]["credit_state"]), (&"0".into(), &Value::Null));
        assert_eq!(transferred(&ledger.clone().at("2027-01-01T00:00:00Z")), 0);
        assert_eq!(done(&ledger, "deactivate-purchase p1-1 --reason x")["outcome"], "applied");
        assert_standing(&ledger, "1", "0");
        let nothing = ledger.run_words("gift grant --user-id 5 --amount 4999 --format json").expect_code(2);
        assert_eq!(nothing.error_code(), "invalid_amount");
    }

    fn one_credit_that_cannot_come_stops_no_other(db: TestDatabase) {
        let ledger = points(&db);
        for user in ["1", "2", "3", "4"] {
            ledger.run(&["account", "create", "--user-id", user]).expect_code(0);
            for _ in 0..3 {
                let line = ["purchase", "record", "--user-id", user, "--amount", "200000"];
                ledger.run(&line).expect_code(0);
            }
        }
        ledger.run_words("account close --user-id 2").expect_code(0);
        db.sql("UPDATE balances SET balance = 7 WHERE account_id = 3");

        let later = ledger.clone().at(DUE);
        let run = later.run_words("process-pending-credits --format json").expect_code(7).data();

        assert_eq!(run["transferred"], 6);
        let failed: Vec<_> = run["failed"].as_array().unwrap().iter().map(|f| f["purchase"].as_str().unwrap()).collect();
        assert_eq!(failed, ["p2-1", "p2-2", "p2-3", "p3-1", "p3-2", "p3-3"]);
        assert!(run["failed"][0]["reason"].as_str().unwrap().contains("closed"));
        assert!(run["failed"][3]["reason"].as_str().unwrap().contains("verify-sync"));
        // Mended, the rest comes; what belongs to a closed account is taken back.
        done(&later, "verify-sync --fix --no-backup");
        later.run_words("process-pending-credits -q").expect_code(7);
        for number in 1..=3 {
            done(&later, &format!("deactivate-purchase p2-{number} --reason closed"));
        }
        let quiet = later.run_words("process-pending-credits -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        assert_eq!(db.sql("SELECT SUM(balance) FROM balances"), "18");
    }

    /// Each account by itself would meet the same.
    fn a_schema_that_is_not_as_expected_is_no_account_that_is_damaged(db: TestDatabase) {
        let ledger = points(&db);
        for user in ["5", "6"] {
            ledger.run(&["account", "create", "--user-id", user]).expect_code(0);
            ledger.run(&["purchase", "record", "--user-id", user, "--amount", "200000"]).expect_code(0);
        }
        let later = ledger.clone().at(DUE);
        db.sql("ALTER TABLE entries RENAME TO entries_elsewhere");
        let failed = later.run_words("process-pending-credits --format json").expect_code(3);
        assert_eq!(failed.error_code(), "schema");
        db.sql("ALTER TABLE entries_elsewhere RENAME TO entries");
        assert_eq!(transferred(&later), 2);
    }

    fn what_nobody_looks_at_is_listed_by_the_job_and_by_health(db: TestDatabase) {
        let ledger = with_points(&db, "1");
        for _ in 0..2 {
            done(&ledger, "purchase record --user-id 5 --amount 500000");
        }
        done(&ledger, "deactivate-purchase p1-1 --reason x");
        let ids = |listed: &Value| -> Vec<String> {
            listed.as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
        };
        let week = ledger.clone().at("2026-03-08T12:00:00Z");
        let health = week.run_words("health --format json").expect_code(1).data();
        assert!(ids(&health["inactive_credits"]).is_empty());
        assert_eq!(ids(&health["due_credits"]), ["p1-2"]);
        let alerts = done(&week, "alerts list");
        assert_eq!(alerts["alerts"][0]["cause"], "health:late_credits");

        let after = ledger.clone().at("2026-03-08T12:00:00.000001Z");
        let run = done(&after, "process-pending-credits");
        assert_eq!((&run["transferred"], ids(&run["inactive"])), (&1.into(), vec!["p1-1".to_owned()]));
        let health = done(&after, "health");
        assert_eq!(ids(&health["inactive_credits"]), ["p1-1"]);
        assert!(ids(&health["due_credits"]).is_empty());
        assert!(done(&after, "alerts list")["alerts"].as_array().unwrap().is_empty());
        // Due for a moment is no reason to wake anybody.
        done(&ledger, "purchase record --user-id 5 --amount 500000");
        let due = ledger.clone().at("2026-03-03T13:00:00Z").run_words("health --format json").expect_code(0).data();
        assert_eq!(ids(&due["due_credits"]), ["p1-3"]);
    }

    fn reversing_the_entry_and_deactivating_never_take_back_more_than_came(db: TestDatabase) {
        let ledger = with_points(&db, "10");
        done(&ledger, "purchase record --user-id 5 --amount 500000");
        let later = ledger.clone().at(DUE);
        transferred(&later);
        done(&later, "reverse --user-id 5 --entry 2 --amount 2");
        assert_standing(&later, "13", "0");
        let gone = done(&later, "deactivate-purchase p1-1 --reason x");
        assert_eq!(gone["entries"][0]["amount"], "-3");
        assert_standing(&later, "10", "0");
        refused(&later, "reverse --user-id 5 --entry 2", "already_final");

        done(&later, "gift grant --user-id 5 --credits 4");
        done(&later, "reverse --user-id 5 --entry 5");
        assert!(done(&later, "gift deactivate g1-1 --reason x")["entries"].as_array().unwrap().is_empty());
        assert_standing(&later, "10", "0");
    }

    fn the_same_key_records_a_purchase_once_and_says_what_differs(db: TestDatabase) {
        let ledger = with_points(&db, "1");
        let line = "purchase record --user-id 5 --amount 500000 --idempotency-key inv-1";
        assert_eq!(done(&ledger, line)["purchase"]["id"], "p1-1");
        let again = done(&ledger.clone().at(DUE), line);
        assert_eq!((&again["outcome"], &again["purchase"]["id"]), (&"already_applied".into(), &"p1-1".into()));
        let other = "purchase record --user-id 5 --amount 600000 --idempotency-key inv-1";
        let conflict = refused(&ledger, other, "idempotency_conflict");
        assert!(conflict.error()["error"]["details"]["differs_in"].as_array().unwrap().contains(&"paid".into()));
        assert_eq!(db.sql("SELECT COUNT(*) FROM purchases"), "1");
    }

    fn wrong_input_is_told_and_changes_nothing(db: TestDatabase) {
        let ledger = with_points(&db, "1");
        let before = done(&ledger, "verify-sync")["digest"].clone();
        for (words, code, exit) in [
            ("purchase record --user-id 5 --amount 0", "invalid_amount", 2),
            ("purchase record --user-id 5 --amount -5", "invalid_amount", 2),
            ("purchase record --user-id 5 --amount 1.5", "invalid_amount", 2),
            ("purchase record --user-id 5 --amount 9223372036854775808", "invalid_amount", 2),
            ("purchase record --user-id 5 --amount 5000000000000000000 --per-credit 0.000001", "invalid_amount", 2),
            ("purchase record --user-id 5 --amount 5 --credits 0", "invalid_amount", 2),
            ("purchase record --user-id 5 --credits 5", "invalid_input", 2),
            ("purchase record --user-id 5 --amount 5 --per-credit 0", "invalid_input", 2),
            ("purchase record --user-id 5 --amount 5 --per-credit x", "invalid_input", 2),
            ("purchase record --user-id 5 --amount 5 --pending-hours -1", "invalid_input", 2),
            ("purchase record --user-id 5 --amount 5 --pending-hours 1.5", "invalid_input", 2),
            ("purchase record --user-id 5 --amount 5 --paid-in XXXX", "invalid_input", 2),
            ("purchase record --user-id 6 --amount 5", "not_found", 1),
            ("gift grant --user-id 5", "invalid_input", 2),
            ("deactivate-purchase p1-1 --reason x", "not_found", 1),
            ("deactivate-purchase p9-1 --reason x", "not_found", 1),
            ("deactivate-purchase g1-1 --reason x", "invalid_input", 2),
            ("deactivate-purchase 1 --reason x", "invalid_input", 2),
            ("deactivate-purchase p1-1", "invalid_input", 2),
            ("gift deactivate g1-1 --reason x", "not_found", 1),
        ] {
            let words = format!("{words} --format json");
            let output = ledger.run_words(&words);
            assert_eq!((output.code, output.error_code().as_str()), (exit, code), "{words}\n{}", output.transcript());
        }
        assert_eq!(done(&ledger, "verify-sync")["digest"], before);
        assert_eq!(db.sql("SELECT COUNT(*) FROM purchases"), "0");
    }
}
