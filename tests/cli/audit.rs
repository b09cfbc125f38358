//! `audit`: periods that tie, closes that go on from each other, what is found, mended and told.

use serde_json::Value;

use super::{balance, behind_its_back, digest, json, json_at, with_balance};
use crate::common::{Engine, Output, TestDatabase, on_both_engines};

/// Midnight at the end of that day of March.
fn midnight(day: u32) -> String {
    format!("2026-03-{:02}T00:00:00Z", day + 1)
}

fn audit(db: &TestDatabase, time: &str, more: &str) -> Output {
    json_at(db, time, &format!("audit {more}"))
}

/// The report of an audit at the end of that day, which must exit so.
#[track_caller]
fn report(db: &TestDatabase, day: u32, code: i32) -> Value {
    audit(db, &midnight(day), "").expect_code(code).data()
}

fn names(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["finding"].as_str().unwrap()).collect()
}

#[track_caller]
fn charge(db: &TestDatabase, time: &str, amount: &str, more: &str) {
    json_at(
        db,
        time,
        &format!("charge --user-id 5 --amount {amount} --service vps {more}"),
    )
    .expect_code(0);
}

/// Number and balance of such a part of the totals in USD.
fn part(report: &Value, name: &str) -> (i64, String) {
    let totals = report["totals"].as_array().unwrap().iter();
    let usd = totals.clone().find(|totals| totals["currency"] == "USD").unwrap();
    (
        usd[name]["entries"].as_i64().unwrap(),
        usd[name]["balance"].as_str().unwrap().to_owned(),
    )
}

fn is(entries: i64, balance: &str) -> (i64, String) {
    (entries, balance.to_owned())
}

on_both_engines! {
    fn an_empty_ledger_and_a_quiet_one_say_nothing(db: TestDatabase) {
        for _ in 0..2 {
            let quiet = db.ledger().run_words("audit -q").expect_code(0);
            assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        }
        with_balance(&db, "50");
        let quiet = db.ledger().at(&midnight(1)).run_words("audit -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }

    fn a_period_is_what_was_made_from_since_to_before_until(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T23:59:59.999999Z", "1", "");
        charge(&db, "2026-03-02T00:00:00Z", "2", "");
        charge(&db, "2026-03-02T23:59:59.999999Z", "4", "");
        charge(&db, "2026-03-03T00:00:00Z", "8", "");
        json_at(&db, "2026-03-02T12:00:00Z", "freeze --user-id 5 --amount 5").expect_code(0);
        let day = audit(&db, &midnight(9), "--until 2026-03-03T00:00:00Z").expect_code(0).data();
        assert_eq!((&day["since"], &day["until"]), (&"2026-03-02T00:00:00.000000Z".into(), &"2026-03-03T00:00:00.000000Z".into()));
        assert_eq!((part(&day, "opening"), part(&day, "period"), part(&day, "closing")), (is(2, "49.00"), is(3, "-11.00"), is(5, "38.00")));
        assert_eq!(day["totals"][0]["closing"]["held"], "5.00");
        let kinds: Vec<String> = day["kinds"].as_array().unwrap().iter().map(|kind| format!("{} {} {}", kind["kind"], kind["entries"], kind["balance"])).collect();
        assert_eq!(kinds, [r#""service_fee" 2 "-6.00""#, r#""freeze" 1 "-5.00""#]);
        // What it comes to altogether is what the balance rows say.
        let all = audit(&db, &midnight(9), "--since 2026-01-01T00:00:00Z").expect_code(0).data();
        assert_eq!((part(&all, "closing"), all["totals"][0]["closing"]["held"].as_str()), (is(6, "30.00"), Some("5.00")));
        assert_eq!(balance(&db), "30.00");
        assert_eq!(all["digest"], digest(&db));
    }

    fn wrong_periods_are_refused(db: TestDatabase) {
        for wrong in ["--since 2026-03-02T00:00:00Z --until 2026-03-01T00:00:00Z", "--since 2026-03-01T12:00:00Z --until 2026-03-01T12:00:00Z", "--until 2026-03-01T12:00:01Z", "--since yesterday", "--per-minute 0", "--amount-factor 1"] {
            assert_eq!(json(&db, &format!("audit {wrong}")).expect_code(2).error_code(), "invalid_input", "{wrong}");
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM closes"), "0");
    }

    fn each_audit_goes_on_from_the_close_before(db: TestDatabase) {
        with_balance(&db, "50");
        let first = report(&db, 1, 0);
        assert_eq!((&first["last_close"], &first["closed"]), (&Value::Null, &true.into()));
        charge(&db, "2026-03-02T10:00:00Z", "1", "");
        let second = report(&db, 2, 0);
        assert_eq!(second["last_close"], "2026-03-02T00:00:00.000000Z");
        assert_eq!((part(&second, "last_close"), part(&second, "since_last_close")), (is(1, "50.00"), is(1, "-1.00")));
        // At noon of another day, a day's period reaches back behind the close of midnight.
        charge(&db, "2026-03-03T10:00:00Z", "2", "");
        let noon = audit(&db, "2026-03-03T12:00:00Z", "").expect_code(0).data();
        assert_eq!((part(&noon, "period"), part(&noon, "since_last_close"), part(&noon, "closing")), (is(1, "-2.00"), is(1, "-2.00"), is(3, "47.00")));
        // One of the past goes on from nothing and leaves the last close as it is.
        let past = audit(&db, &midnight(9), "--until 2026-03-02T12:00:00Z").expect_code(0).data();
        assert_eq!((&past["last_close"], &past["closed"], part(&past, "closing")), (&Value::Null, &false.into(), is(2, "49.00")));
        let next = report(&db, 4, 0);
        assert_eq!((next["last_close"].as_str(), part(&next, "last_close")), (Some("2026-03-03T12:00:00.000000Z"), is(3, "47.00")));
        assert_eq!(db.sql("SELECT until_at, entries, balance FROM closes ORDER BY 1"),
            "1772409600000000|1|5000\n1772496000000000|2|4900\n1772539200000000|3|4700\n1772668800000000|3|4700");
        assert_eq!(db.sql("SELECT account_id, until_at, position, balance FROM account_closes"), "1|1772539200000000|3|4700");
    }

    fn what_was_under_way_at_the_close_comes_late_and_is_no_finding(db: TestDatabase) {
        with_balance(&db, "50");
        report(&db, 1, 0);
        charge(&db, "2026-03-01T23:59:59.9Z", "1", "");
        charge(&db, "2026-03-02T00:00:00Z", "2", "");
        let second = report(&db, 2, 0);
        assert_eq!((part(&second, "last_close"), part(&second, "late"), part(&second, "since_last_close")), (is(1, "50.00"), is(1, "-1.00"), is(1, "-2.00")));
        assert_eq!((part(&second, "opening"), part(&second, "closing")), (is(2, "49.00"), is(3, "47.00")));
        assert_eq!(part(&report(&db, 3, 0), "late"), is(0, "0.00"));
    }

    fn an_interrupted_close_disturbs_nothing(db: TestDatabase) {
        with_balance(&db, "50");
        report(&db, 1, 0);
        charge(&db, "2026-03-02T10:00:00Z", "1", "");
        report(&db, 2, 0);
        // Killed after the accounts were closed and before the ledger was.
        db.sql("DELETE FROM closes WHERE until_at = (SELECT MAX(until_at) FROM closes)");
        charge(&db, "2026-03-03T10:00:00Z", "2", "");
        let third = report(&db, 3, 0);
        assert_eq!((third["last_close"].as_str(), part(&third, "closing")), (Some("2026-03-02T00:00:00.000000Z"), is(3, "47.00")));
        assert_eq!(part(&report(&db, 4, 0), "last_close"), is(3, "47.00"));
    }

    fn a_changed_history_is_critical_though_every_figure_was_adjusted(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T12:30:00Z", "10", "");
        report(&db, 1, 0);
        // As somebody would who may write everything: the entry, what follows from it, and the row.
        db.unguarded("UPDATE entries SET balance_delta = -900, balance_after = 4100 WHERE seq = 2");
        db.sql("UPDATE balances SET balance = 4100, total_spent = 900");
        json_at(&db, "2026-03-02T10:00:00Z", "verify-sync").expect_code(0);
        let found = report(&db, 2, 6);
        assert_eq!(names(&found), ["changed_history"]);
        let message = found["findings"][0]["message"].as_str().unwrap();
        assert!(message.contains("2 entries, 40.00") && message.contains("2 entries, 41.00"), "{message}");
        assert_eq!((part(&found, "last_close"), part(&found, "last_close_now")), (is(2, "40.00"), is(2, "41.00")));
        // Its alert stays until somebody has taken notice of it.
        report(&db, 3, 0);
        let alerts = json(&db, "alerts list").data()["alerts"].clone();
        assert_eq!((alerts.as_array().unwrap().len(), &alerts[0]["cause"], &alerts[0]["severity"]), (1, &"event:changed_history".into(), &"CRITICAL".into()));
        json(&db, &format!("alerts ack {}", alerts[0]["id"].as_str().unwrap())).expect_code(0);
        report(&db, 4, 0);
        assert_eq!(json(&db, "alerts list").data()["alerts"], Value::Array(vec![]));
    }

    fn a_changed_close_is_critical(db: TestDatabase) {
        with_balance(&db, "50");
        report(&db, 1, 0);
        db.sql("UPDATE closes SET balance = '5001'");
        assert_eq!(names(&report(&db, 2, 6)), ["changed_close"]);
        db.sql("UPDATE account_closes SET balance = 4999");
        assert_eq!(names(&report(&db, 3, 6)), ["changed_history", "changed_close"]);
        report(&db, 4, 0);
    }

    fn a_currency_whose_accounts_are_all_gone_is_critical(db: TestDatabase) {
        with_balance(&db, "50");
        json(&db, "account create --user-id 6 --currency EUR").expect_code(0);
        json(&db, "recharge --user-id 6 --currency EUR --amount 70 --method momo").expect_code(0);
        json(&db, "account create --user-id 7 --currency JPY").expect_code(0);
        report(&db, 1, 0);
        let gone = ["entries", "intents", "recharges", "proofs", "account_closes", "balances"].map(|table| format!("DELETE FROM {table} WHERE account_id > 1;"));
        db.unguarded(&format!("{} DELETE FROM accounts WHERE id > 1", gone.concat()));
        let found = report(&db, 2, 6);
        assert_eq!(names(&found), ["changed_close"]);
        let message = found["findings"][0]["message"].as_str().unwrap();
        assert_eq!(message, "the last close in EUR was 1 entries, 70.00 and 0.00 held and 0.00 owed, of its accounts 0 entries, 0.00 and 0.00 held and 0.00 owed");
        // It is told once, and stays until somebody has taken notice.
        report(&db, 3, 0);
        assert_eq!(db.sql("SELECT cause FROM alerts WHERE closed_at IS NULL"), "event:changed_close:EUR");
    }

    fn damage_is_found_with_the_command_that_mends_it(db: TestDatabase) {
        with_balance(&db, "50");
        json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
        db.sql("UPDATE balances SET held = 600");
        let found = report(&db, 1, 1);
        assert_eq!(names(&found), ["held_differs", "foreign_change"]);
        let next: Vec<&str> = found["recommendations"].as_array().unwrap().iter().map(|advice| advice["next"].as_str().unwrap()).collect();
        assert_eq!(next, ["ledger health --fix", "ledger verify-sync --user-id 5 --currency USD --fix"]);
        assert_eq!((&found["findings"][0]["user_id"], &found["in_sync"]), (&"5".into(), &0.into()));
        let causes = "SELECT cause FROM alerts WHERE closed_at IS NULL ORDER BY 1";
        assert_eq!(db.sql(causes), "health:held_differs\nverify:drift");
        db.ledger().run(&next[1].split(' ').skip(1).collect::<Vec<_>>()).expect_code(0);
        report(&db, 2, 0);
        assert_eq!(db.sql(causes), "");

        behind_its_back(&db, ("balances", "balances_figures"), "UPDATE balances SET balance = -1");
        assert_eq!(names(&report(&db, 3, 6)), ["negative_balance", "foreign_change"]);
        assert!(db.ledger().at(&midnight(3)).run_words("audit -q").expect_code(6).stdout.contains("CRITICAL"));
    }

    fn a_broken_chain_is_critical(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T12:30:00Z", "10", "");
        db.unguarded("UPDATE entries SET balance_delta = -900 WHERE seq = 2");
        let found = report(&db, 1, 6);
        assert_eq!((names(&found), &found["findings"][0]["entries"]), (vec!["broken_chain"], &Value::from(vec![2])));
    }

    fn attempts_are_counted_with_their_reasons_and_times(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T12:30:00Z", "1", "");
        json(&db, "charge --user-id 5 --amount 100 --service vps").expect_code(1);
        json(&db, "refund --user-id 5 --entry 1").expect_code(1);
        charge(&db, "2026-02-27T12:30:00Z", "1", "");
        db.sql("UPDATE intents SET duration_us = 1000 WHERE state = 'applied'; UPDATE intents SET duration_us = 70001 WHERE state = 'refused'");
        let found = report(&db, 1, 0);
        let attempts = &found["attempts"];
        assert_eq!((&attempts["applied"], &attempts["refused"], &attempts["failed"], &attempts["success_percent"]), (&2.into(), &2.into(), &0.into(), &"50.00".into()));
        let reasons: Vec<String> = attempts["reasons"].as_array().unwrap().iter().map(|r| format!("{} {} {} {}", r["operation"], r["state"], r["reason"], r["count"])).collect();
        assert_eq!(reasons, [r#""charge" "refused" "insufficient_balance" 1"#, r#""refund" "refused" "already_final" 1"#]);
        let took = &found["duration_us"];
        assert_eq!((&took["count"], &took["max"]), (&4.into(), &70_001.into()));
        let within = |name: &str, exact: i64| (exact..=exact + exact / 64).contains(&took[name].as_i64().unwrap());
        assert!(within("p50", 1_000) && within("p95", 70_001) && within("p99", 70_001), "{took}");
    }

    fn stranded_attempts_are_found_however_old_and_young_ones_may_be_in_work(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T12:30:00Z", "1", "--idempotency-key mine");
        db.sql("UPDATE intents SET state = 'pending', first_seq = NULL, last_seq = NULL WHERE idempotency_key = 'mine'");
        let young = audit(&db, "2026-03-01T12:39:59.999999Z", "").expect_code(0).data();
        assert_eq!((&young["in_work"], &young["stranded"]), (&1.into(), &0.into()));
        for day in [1, 7] {
            let old = report(&db, day, 1);
            assert_eq!((names(&old), &old["stranded"]), (vec!["stranded_attempts"], &1.into()));
            assert_eq!(old["findings"][0]["keys"], Value::from(vec!["mine"]));
        }
        let open = "SELECT cause FROM alerts WHERE closed_at IS NULL";
        assert_eq!(db.sql(open), "audit:stranded_attempts");
        // An audit of what was before it does not make it undone.
        let past = audit(&db, &midnight(7), "--since 2026-02-01T00:00:00Z --until 2026-02-02T00:00:00Z").expect_code(1).data();
        assert_eq!((names(&past), &past["in_work"]), (vec!["stranded_attempts"], &0.into()));
        assert_eq!(db.sql(open), "audit:stranded_attempts");
        // Settled, it is gone, and so is its alert.
        db.sql("UPDATE intents SET state = 'refused', reason = 'busy' WHERE idempotency_key = 'mine'");
        report(&db, 8, 0);
        assert_eq!(db.sql(open), "");
    }

    fn a_failed_attempt_that_was_sent_again_is_no_finding(db: TestDatabase) {
        with_balance(&db, "50");
        charge(&db, "2026-03-01T12:30:00Z", "1", "--idempotency-key mine");
        db.sql("UPDATE intents SET state = 'failed', reason = 'busy', first_seq = NULL, last_seq = NULL WHERE idempotency_key = 'mine'");
        assert_eq!(names(&audit(&db, "2026-03-01T12:40:00Z", "").expect_code(1).data()), ["failed_attempts"]);
        charge(&db, "2026-03-01T12:50:00Z", "1", "--idempotency-key mine");
        report(&db, 1, 0);
    }

    fn a_failed_attempt_is_an_alert_until_it_is_made_again_or_somebody_has_taken_notice(db: TestDatabase) {
        let open = "SELECT cause FROM alerts WHERE closed_at IS NULL";
        for key in ["again", "noticed"] {
            let db = TestDatabase::fresh(db.engine);
            with_balance(&db, "50");
            charge(&db, "2026-03-01T12:30:00Z", "1", &format!("--idempotency-key {key}"));
            db.sql(&format!("UPDATE intents SET state = 'failed', reason = 'busy', first_seq = NULL, last_seq = NULL WHERE idempotency_key = '{key}'"));
            // The day after is another period.
            for (day, code) in [(1, 1), (2, 0), (3, 0)] {
                report(&db, day, code);
                assert_eq!(db.sql(open), "audit:failed_attempts", "{key} {day}");
            }
            if key == "again" {
                charge(&db, "2026-03-04T12:50:00Z", "1", "--idempotency-key again");
            } else {
                let id = db.sql("SELECT id FROM alerts WHERE closed_at IS NULL");
                json(&db, &format!("alerts ack {id}")).expect_code(0);
            }
            report(&db, 4, 0);
            assert_eq!(db.sql(open), "", "{key}");
        }
    }

    fn what_is_of_no_account_is_an_alert_of_the_ledger(db: TestDatabase) {
        with_balance(&db, "50");
        // What is left of a chunk whose process died.
        db.sql("INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
            SELECT 0, 'chunk', 1, 'bulk', '{}', actor, created_at FROM intents WHERE account_id = 1");
        for day in [1, 2] {
            assert_eq!(names(&report(&db, day, 1)), ["stranded_attempts"]);
            assert_eq!(db.sql("SELECT account_id, cause FROM alerts WHERE closed_at IS NULL"), "0|audit:stranded_attempts");
            assert_eq!(db.sql("SELECT COUNT(*) FROM alerts"), "1");
        }
    }

    fn thresholds_are_options_and_environment(db: TestDatabase) {
        with_balance(&db, "50");
        for second in 0..4 {
            charge(&db, &format!("2026-03-01T12:30:0{second}Z"), "1", "");
        }
        report(&db, 1, 0);
        assert_eq!(names(&audit(&db, &midnight(1), "--per-minute 3").expect_code(1).data()), ["many_operations"]);
        let ledger = db.ledger().at(&midnight(1)).env("LEDGER_AUDIT_PER_MINUTE", "3");
        assert_eq!(names(&ledger.run_words("audit --format json").expect_code(1).data()), ["many_operations"]);
        assert_eq!(db.sql("SELECT COUNT(*) FROM alerts"), "1", "one cause, one alert");
    }

    fn orphans_are_found_mended_and_recorded(db: TestDatabase) {
        with_balance(&db, "90");
        let grants = "--grants profile:acme --access-expires 10d";
        for key in ["kept", "lost", "lost-and-refunded"] {
            charge(&db, "2026-03-01T12:30:00Z", "9", &format!("{grants} --idempotency-key {key}"));
        }
        json(&db, "refund --user-id 5 --entry 4").expect_code(0);
        report(&db, 1, 0);
        let good = db.sql("SELECT * FROM access_grants WHERE entry_seq = 3");
        db.sql("DELETE FROM access_grants WHERE entry_seq > 2");
        db.sql("INSERT INTO access_grants (account_id, entry_seq, resource, granted_at, granted_by) VALUES (1, 1, 'profile:free', 1, 'x'), (1, 99, 'profile:free', 1, 'x')");
        charge(&db, "2026-03-02T12:40:00Z", "9", grants);
        json_at(&db, "2026-03-02T12:50:00Z", "refund --user-id 5 --entry 6").expect_code(0);
        db.sql("UPDATE access_grants SET revoked_at = NULL, revoked_by = NULL WHERE entry_seq = 6");

        let found = report(&db, 2, 1);
        assert_eq!(names(&found), ["unfounded_grant", "unfounded_grant", "unfounded_grant", "missing_grant", "missing_grant"]);
        let about: Vec<i64> = found["findings"].as_array().unwrap().iter().map(|finding| finding["entries"][0].as_i64().unwrap()).collect();
        assert_eq!(about, [1, 6, 99, 3, 4]);
        assert_eq!(found["recommendations"][0]["next"], "ledger audit --repair");
        assert_eq!(db.sql("SELECT COUNT(*) FROM alerts WHERE closed_at IS NULL AND cause LIKE 'audit:%'"), "5");

        let mended = audit(&db, &midnight(3), "--repair").expect_code(0).data();
        assert_eq!((&mended["mended"], &mended["alerts_closed"]), (&5.into(), &5.into()));
        assert_eq!(db.sql("SELECT * FROM access_grants WHERE entry_seq = 3"), good);
        assert_eq!(db.sql("SELECT entry_seq FROM access_grants WHERE revoked_at IS NULL ORDER BY 1"), "2\n3");
        assert_eq!(db.sql("SELECT COUNT(*) FROM operations WHERE command = 'audit --repair' AND actor = 'tester' AND after LIKE '%a1-%'"), "5");
        assert_eq!(db.sql("SELECT COUNT(*) FROM operations WHERE command = 'audit --repair' AND after LIKE '%closed_at%'"), "5");
        assert_eq!(audit(&db, &midnight(4), "--repair").expect_code(0).data()["mended"], 0);
        report(&db, 5, 0);
        assert_eq!(db.sql("SELECT COUNT(*) FROM alerts WHERE closed_at IS NULL"), "0");
    }

    fn repair_closes_what_was_seen_once_and_is_not_seen_any_more(db: TestDatabase) {
        with_balance(&db, "50");
        for second in 0..4 {
            charge(&db, &format!("2026-03-01T12:30:0{second}Z"), "1", "");
        }
        audit(&db, &midnight(1), "--per-minute 3").expect_code(1);
        report(&db, 3, 0);
        let open = "SELECT cause FROM alerts WHERE closed_at IS NULL";
        assert_eq!(db.sql(open), "event:many_operations");
        assert_eq!(audit(&db, &midnight(4), "--repair").expect_code(0).data()["alerts_closed"], 1);
        assert_eq!(db.sql(open), "");
        assert_eq!(db.sql("SELECT account_id FROM operations WHERE command = 'audit --repair'"), "1");
    }

    fn every_currency_ties_by_itself_beyond_64_bits(db: TestDatabase) {
        for user in ["5", "6", "7"] {
            json(&db, &format!("account create --user-id {user} --currency VND")).expect_code(0);
            json(&db, &format!("adjust --user-id {user} --amount 9223372036854775807 --reason much --currency VND")).expect_code(0);
        }
        with_balance(&db, "50");
        let first = report(&db, 1, 0);
        let totals = first["totals"].as_array().unwrap();
        assert_eq!(totals.len(), 2);
        assert_eq!((&totals[1]["currency"], &totals[1]["closing"]["balance"]), (&"VND".into(), &"27670116110564327421".into()));
        let second = report(&db, 2, 0);
        assert_eq!((&second["totals"][1]["last_close"], &second["totals"][1]["opening"]), (&totals[1]["closing"], &totals[1]["closing"]));
    }
}

/// What people and programs read; both engines must tell it alike, to the byte.
#[test]
fn everybody_is_told_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "50");
        db.sql("UPDATE intents SET duration_us = 1500");
        let mut told = String::new();
        let mut tell = |time: &str, line: &str| {
            let output = db.ledger().at(time).run_words(line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        };
        tell("2026-03-02T00:00:00Z", "audit");
        for hour in 10..17 {
            charge(&db, &format!("2026-03-02T{hour}:00:00Z"), "0.15", "");
        }
        charge(
            &db,
            "2026-03-02T18:00:00Z",
            "20",
            "--grants profile:acme --idempotency-key dear",
        );
        json_at(
            &db,
            "2026-03-02T19:00:00Z",
            "charge --user-id 5 --amount 100 --service vps",
        )
        .expect_code(1);
        db.sql("UPDATE intents SET duration_us = 1500");
        db.sql("DELETE FROM access_grants");
        for (time, line) in [
            ("2026-03-03T00:00:00Z", "audit --format json"),
            ("2026-03-03T00:00:00Z", "audit --format ndjson"),
            ("2026-03-03T00:00:00Z", "audit --format csv"),
            ("2026-03-03T00:00:01Z", "audit --repair"),
            ("2026-03-05T00:00:00Z", "audit"),
        ] {
            tell(time, line);
        }
        // What is made up: the run's id, and hashes over keys that are.
        let made_up = [("\"run_id\":\"", 36), ("\"digest\":\"", 64)];
        made_up.iter().fold(told, |told, (before, length)| {
            let mut parts = told.split(before);
            let first = parts.next().unwrap().to_owned();
            parts.fold(first, |told, part| format!("{told}{before}...{}", &part[*length..]))
        })
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("audit_for_everybody", sqlite);
}
