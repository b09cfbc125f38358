//! Access that charges pay for: written with the charge, asked for, ended by time and by taking the charge back.

use serde_json::Value;

use super::{balance, json, json_at, refused, with_balance};
use crate::common::{Engine, NOW, TestDatabase, on_both_engines};

const LATER: &str = "2026-03-01T12:10:00Z";

fn buy(db: &TestDatabase, more: &str) -> Value {
    let line = format!("charge --user-id 5 --amount 9 --service analysis --grants profile:acme {more}");
    json(db, &line).expect_code(0).data()
}

/// Exit code, status, and the deciding grant's id.
fn access(db: &TestDatabase, time: &str) -> (i32, String, String) {
    let output = json_at(db, time, "access check --user-id 5 --resource profile:acme");
    let data = output.data();
    assert_eq!(data["allowed"], (output.code == 0));
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    (output.code, text(&data["status"]), text(&data["grant"]["id"]))
}

fn answer(code: i32, status: &str, id: &str) -> (i32, String, String) {
    (code, status.to_owned(), id.to_owned())
}

on_both_engines! {
    fn a_charge_gives_access_with_its_entry(db: TestDatabase) {
        with_balance(&db, "50");
        assert_eq!(access(&db, NOW), answer(1, "never_granted", ""));
        let bought = buy(&db, "");
        assert_eq!((&bought["access"]["id"], &bought["access"]["entry"]), (&"a1-2".into(), &2.into()));
        assert_eq!(bought["access"]["expires_at"], Value::Null);
        assert_eq!(access(&db, NOW), answer(0, "active", "a1-2"));
        assert_eq!(access(&db, "2999-01-01T00:00:00Z"), answer(0, "active", "a1-2"));
        // Of another resource and another user it says nothing.
        json(&db, "access check --user-id 5 --resource profile:other").expect_code(1);
        refused(json(&db, "access check --user-id 6 --resource profile:acme"), "not_found");
        let quiet = db.ledger().run_words("access check --user-id 5 --resource profile:acme -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }

    fn a_refused_charge_gives_no_access(db: TestDatabase) {
        with_balance(&db, "5");
        let line = "charge --user-id 5 --amount 9 --service analysis --grants profile:acme";
        refused(json(&db, line), "insufficient_balance");
        assert_eq!(access(&db, NOW), answer(1, "never_granted", ""));
        assert_eq!(db.sql("SELECT COUNT(*) FROM access_grants"), "0");
    }

    fn access_expires_from_its_very_moment_on(db: TestDatabase) {
        with_balance(&db, "50");
        let bought = buy(&db, "--access-expires 10m");
        assert_eq!(bought["access"]["expires_at"], "2026-03-01T12:10:00.000000Z");
        assert_eq!(access(&db, "2026-03-01T12:09:59.999999Z"), answer(0, "active", "a1-2"));
        assert_eq!(access(&db, LATER), answer(1, "expired", "a1-2"));
        // The one that lasts longest decides, in whatever order they came.
        buy(&db, "--access-expires 20m");
        buy(&db, "--access-expires 1m");
        assert_eq!(access(&db, LATER), answer(0, "active", "a1-3"));
    }

    fn the_key_again_gives_the_same_access_and_another_wish_is_a_conflict(db: TestDatabase) {
        with_balance(&db, "50");
        let key = "--idempotency-key buy-1";
        let (first, again) = (buy(&db, &format!("--access-expires 30d {key}")), buy(&db, &format!("--access-expires 30d {key}")));
        assert_eq!((&first["outcome"], &again["outcome"]), (&"applied".into(), &"already_applied".into()));
        assert_eq!(first["access"], again["access"]);
        assert_eq!(db.sql("SELECT COUNT(*) FROM access_grants"), "1");
        let charge = format!("charge --user-id 5 --amount 9 --service analysis {key}");
        for (more, differs_in) in [
            (" --grants profile:other --access-expires 30d", vec!["grants"]),
            (" --grants profile:acme", vec!["access_expires_ms"]),
            ("", vec!["grants", "access_expires_ms"]),
        ] {
            let details = refused(json(&db, &format!("{charge}{more}")), "idempotency_conflict");
            assert_eq!(details["differs_in"], Value::from(differs_in));
        }
        assert_eq!(balance(&db), "41.00");
    }

    fn a_whole_refund_or_reversal_ends_access_and_a_part_does_not(db: TestDatabase) {
        with_balance(&db, "50");
        buy(&db, "");
        json(&db, "refund --user-id 5 --entry 2 --amount 8.99").expect_code(0);
        assert_eq!(access(&db, NOW), answer(0, "active", "a1-2"));
        let rest = "refund --user-id 5 --entry 2 --reason unread --idempotency-key r";
        let last = json_at(&db, LATER, rest).expect_code(0).data();
        assert_eq!((&last["access"]["id"], &last["access"]["revoked_at"]), (&"a1-2".into(), &"2026-03-01T12:10:00.000000Z".into()));
        assert_eq!((&last["access"]["revoked_by"], &last["access"]["revoked_why"]), (&"tester".into(), &"unread".into()));
        assert_eq!(access(&db, NOW), answer(1, "revoked", "a1-2"));
        let again = json(&db, rest).expect_code(0).data();
        assert_eq!((&again["outcome"], &again["access"]), (&"already_applied".into(), &last["access"]));

        buy(&db, "");
        json(&db, "reverse --user-id 5 --entry 5").expect_code(0);
        assert_eq!(access(&db, NOW), answer(1, "revoked", "a1-5"));
        // Bought once more, it is there once more.
        buy(&db, "");
        assert_eq!(access(&db, NOW), answer(0, "active", "a1-7"));
    }

    fn apply_gives_access_too(db: TestDatabase) {
        with_balance(&db, "50");
        let lines = concat!(
            r#"{"op":"charge","user_id":"5","amount":"9","service":"analysis","grants":"profile:acme","access_expires":"10m"}"#, "\n",
            r#"{"op":"charge","user_id":"5","amount":"1","service":"vps"}"#, "\n",
            r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","access_expires":"10m"}"#, "\n",
            r#"{"op":"charge","user_id":"5","amount":"99","service":"analysis","grants":"profile:dear"}"#, "\n",
        );
        let output = db.ledger().run_with_stdin(&["apply", "-"], lines).expect_code(7);
        let results = output.json_lines();
        assert_eq!(results[0]["data"]["outcome"], "applied");
        assert_eq!(results[1]["data"]["outcome"], "applied");
        assert!(output.stdout.contains("access_expires needs grants"), "{}", output.stdout);
        assert_eq!(access(&db, NOW), answer(0, "active", "a1-2"));
        assert_eq!(db.sql("SELECT account_id, entry_seq, resource FROM access_grants"), "1|2|profile:acme");
    }

    fn a_stray_grant_does_not_stand_in_a_charges_way(db: TestDatabase) {
        with_balance(&db, "50");
        db.sql("INSERT INTO access_grants (account_id, entry_seq, resource, granted_at, granted_by, revoked_at, revoked_by) VALUES (1, 2, 'profile:stray', 1, 'x', 2, 'x')");
        buy(&db, "");
        assert_eq!(access(&db, NOW), answer(0, "active", "a1-2"));
        assert_eq!(db.sql("SELECT entry_seq, resource FROM access_grants"), "2|profile:acme");
    }

    fn what_is_wrong_is_said_before_anything_is_done(db: TestDatabase) {
        with_balance(&db, "50");
        let charge = "charge --user-id 5 --amount 9 --service analysis";
        for wrong in ["--access-expires 10m", "--grants a --access-expires 0m", "--grants a --access-expires soon"] {
            json(&db, &format!("{charge} {wrong}")).expect_code(2);
        }
        assert_eq!(balance(&db), "50.00");
    }

    fn access_of_another_currency_counts_unless_one_is_named(db: TestDatabase) {
        with_balance(&db, "50");
        json(&db, "account create --user-id 5 --currency EUR").expect_code(0);
        json(&db, "recharge --user-id 5 --amount 50 --method momo --currency EUR").expect_code(0);
        buy(&db, "--currency EUR");
        assert_eq!(access(&db, NOW), answer(0, "active", "a2-2"));
        json(&db, "access check --user-id 5 --resource profile:acme --currency USD").expect_code(1);
    }
}

#[test]
fn people_are_told_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "50");
        let mut told = String::new();
        for (time, line) in [
            ("12:00", "charge --user-id 5 --amount 9 --service analysis --grants profile:acme --access-expires 30d --idempotency-key k1"),
            ("12:01", "charge --user-id 5 --amount 9 --service analysis --grants profile:other --idempotency-key k2"),
            ("12:02", "access check --user-id 5 --resource profile:acme"),
            ("12:03", "refund --user-id 5 --entry 3 --idempotency-key k3"),
            ("12:04", "access check --user-id 5 --resource profile:other"),
            ("12:05", "access check --user-id 5 --resource profile:none"),
            ("12:06", "access list --user-id 5"),
            ("12:06", "access list --active --format ndjson"),
            ("12:06", "access list --resource profile:other --format csv"),
        ] {
            let output = db.ledger().at(&format!("2026-03-01T{time}:00Z")).run_words(line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("access_for_people", sqlite);
}
