//! `intents`: every attempt can be looked at, settled where a crash left it, and made again without doubling.

use serde_json::Value;

use super::{balance, charge, digest, json, json_at, with_balance};
use crate::common::{Engine, NOW, TestDatabase, on_both_engines};

const LATER: &str = "2026-03-01T12:10:00Z";
const TOO_EARLY: &str = "2026-03-01T12:09:59.999999Z";
const LOST: &str = r#"{"op":"charge","amount":"5.00","service":"vps"}"#;

/// What a crash leaves of an attempt that was made now: its intent, and nothing else.
fn left_behind(db: &TestDatabase, key: &str, attempt: u32, payload: &str) {
    let at = chrono::DateTime::parse_from_rfc3339(NOW).unwrap().timestamp_micros();
    db.sql(&format!(
        "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
         VALUES (1, '{key}', {attempt}, 'charge', '{payload}', 'tester', {at})"
    ));
}

/// A charge of 5 that breaks in its effect.
fn failed_charge(db: &TestDatabase, key: &str) {
    match db.engine {
        Engine::Sqlite => {
            db.sql("CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'out of order'); END")
        }
        Engine::Postgres => db.sql(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$; \
             CREATE TRIGGER broken BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION broken()",
        ),
    };
    charge(db, "5", key).expect_code(70);
    match db.engine {
        Engine::Sqlite => db.sql("DROP TRIGGER broken"),
        Engine::Postgres => db.sql("DROP TRIGGER broken ON entries; DROP FUNCTION broken"),
    };
}

/// `key attempt state reason` of every attempt, newest first.
fn told(db: &TestDatabase, filter: &str) -> Vec<String> {
    let list = json(db, &format!("intents list {filter}")).expect_code(0).data();
    let word = |intent: &Value, name: &str| match &intent[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let intents = list["intents"].as_array().unwrap();
    intents
        .iter()
        .map(|intent| {
            ["idempotency_key", "attempt", "state", "reason"]
                .map(|name| word(intent, name))
                .join(" ")
        })
        .collect()
}

fn counts(report: &Value, names: [&str; 3]) -> [u64; 3] {
    names.map(|name| report[name].as_u64().unwrap())
}

fn resolved(db: &TestDatabase, time: &str, words: &str) -> [u64; 3] {
    let report = json_at(db, time, &format!("intents resolve {words}"))
        .expect_code(0)
        .data();
    counts(&report, ["applied", "failed", "not_settled"])
}

fn replayed(db: &TestDatabase, code: i32, words: &str) -> [u64; 3] {
    let report = json_at(db, LATER, &format!("intents replay {words}"))
        .expect_code(code)
        .data();
    assert_eq!(report["already_applied"], 0);
    counts(&report, ["applied", "refused", "failed"])
}

on_both_engines! {
    fn attempts_are_listed_newest_first_and_filtered(db: TestDatabase) {
        with_balance(&db, "10");
        db.sql("DELETE FROM intents");
        charge(&db, "4", "a").expect_code(0);
        charge(&db, "400", "b").expect_code(1);
        failed_charge(&db, "c");
        json_at(&db, LATER, "penalty --user-id 5 --amount 1 --reason late --idempotency-key d").expect_code(0);
        let all = ["d 1 applied null", "c 1 failed internal", "b 1 refused insufficient_balance", "a 1 applied null"];
        assert_eq!(told(&db, ""), all);
        assert_eq!(told(&db, "--limit 1"), all[..1]);
        assert_eq!(told(&db, "--user-id 5"), all);
        assert_eq!(told(&db, "--state failed"), all[1..2]);
        assert_eq!(told(&db, "--state pending"), [""; 0]);
        assert_eq!(told(&db, "--operation penalty"), all[..1]);
        assert_eq!(told(&db, &format!("--since {LATER}")), all[..1]);
        assert_eq!(told(&db, &format!("--until {LATER}")), all[1..]);
        let aged = |time, span: &str| {
            let list = json_at(&db, time, &format!("intents list --older-than {span}")).expect_code(0).data();
            list["intents"].as_array().unwrap().len()
        };
        assert_eq!((aged(LATER, "10m"), aged(TOO_EARLY, "10m"), aged(LATER, "0s")), (3, 0, 4));
        json(&db, "intents list --state lost").expect_code(2);
        json(&db, "intents list --operation steal").expect_code(2);
        json(&db, "intents list --user-id 404").expect_code(1);
    }

    fn a_key_shows_all_its_attempts_and_entries(db: TestDatabase) {
        with_balance(&db, "10");
        charge(&db, "12", "k").expect_code(1);
        json(&db, "recharge --user-id 5 --amount 5 --method momo").expect_code(0);
        charge(&db, "12", "k").expect_code(0);
        let shown = json(&db, "intents show k --user-id 5").expect_code(0).data();
        let attempts = shown["attempts"].as_array().unwrap();
        let states: Vec<&Value> = attempts.iter().map(|attempt| &attempt["state"]).collect();
        assert_eq!(states, ["refused", "applied"]);
        assert_eq!(attempts[0]["payload"], serde_json::json!({"op": "charge", "amount": "12.00", "service": "vps"}));
        assert!(attempts[1]["duration_us"].as_u64().unwrap() > 0);
        assert_eq!((attempts[1]["first_entry"].as_u64(), attempts[1]["actor"].as_str()), (Some(3), Some("tester")));
        assert_eq!(shown["entries"].as_array().unwrap().len(), 1);
        assert_eq!((&shown["entries"][0]["amount"], &shown["entries"][0]["seq"]), (&"-12.00".into(), &3.into()));
        assert_eq!(json(&db, "intents show l --user-id 5").expect_code(1).error_code(), "not_found");
        assert_eq!(json(&db, "intents show k --user-id 6").expect_code(1).error_code(), "not_found");
    }

    fn a_failed_attempt_is_made_again_under_its_key(db: TestDatabase) {
        with_balance(&db, "10");
        failed_charge(&db, "f");
        assert_eq!(balance(&db), "10.00");
        let answer = json(&db, "intents replay f --user-id 5").expect_code(0);
        assert_eq!(answer.json()["schema"], "ledger.charge/1", "as the command itself would have answered");
        let again = answer.data();
        assert_eq!((&again["outcome"], &again["balance"], &again["idempotency_key"]), (&"applied".into(), &"5.00".into(), &"f".into()));
        assert_eq!(told(&db, "--user-id 5 --limit 2"), ["f 2 applied null", "f 1 failed internal"]);
        // Once more changes nothing, neither by replay nor by the command itself.
        assert_eq!(json(&db, "intents replay f --user-id 5").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(charge(&db, "5", "f").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(replayed(&db, 0, "--failed"), [0, 0, 0]);
        assert_eq!(balance(&db), "5.00");
        digest(&db);
        assert_eq!(json(&db, "intents replay g --user-id 5").expect_code(1).error_code(), "not_found");
    }

    fn all_failed_ones_are_made_again_each_judged_anew(db: TestDatabase) {
        with_balance(&db, "12");
        for key in ["f1", "f2", "f3"] {
            failed_charge(&db, key);
        }
        left_behind(&db, "strange", 1, r#"{"op":"charge","amount":"1.00","service":"vps","tip":"1"}"#);
        db.sql("UPDATE intents SET state = 'failed', reason = 'internal' WHERE idempotency_key = 'strange'");
        assert_eq!(replayed(&db, 7, "--failed"), [2, 1, 1]);
        assert_eq!(balance(&db), "2.00");
        // What was refused has failed no more; what cannot be read is still there.
        assert_eq!(replayed(&db, 7, "--failed --user-id 5"), [0, 0, 1]);
        assert_eq!(json(&db, "intents replay strange --user-id 5").expect_code(2).error_code(), "invalid_input");
        assert_eq!(balance(&db), "2.00");
        digest(&db);
    }

    fn an_attempt_without_effect_is_settled_and_made_again(db: TestDatabase) {
        with_balance(&db, "12");
        left_behind(&db, "lost", 1, LOST);
        assert_eq!(resolved(&db, TOO_EARLY, ""), [0, 0, 0]);
        assert_eq!(resolved(&db, LATER, ""), [0, 1, 0]);
        assert_eq!(resolved(&db, LATER, ""), [0, 0, 0]);
        assert_eq!(told(&db, "--state failed"), ["lost 1 failed stranded"]);
        let log = db.sql("SELECT account_id, command, actor, before, after FROM operations WHERE command LIKE 'intents%'");
        assert_eq!(log, r#"1|intents resolve|tester|{"idempotency_key":"lost","attempt":1,"state":"pending"}|{"idempotency_key":"lost","attempt":1,"state":"failed","reason":"stranded","first_entry":null,"last_entry":null}"#);
        assert_eq!(replayed(&db, 0, "--stranded"), [1, 0, 0]);
        assert_eq!(replayed(&db, 0, "--stranded"), [0, 0, 0]);
        assert_eq!(charge(&db, "5", "lost").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(balance(&db), "7.00");
        digest(&db);
    }

    fn an_attempt_with_entries_is_settled_as_applied(db: TestDatabase) {
        with_balance(&db, "12");
        charge(&db, "5", "done").expect_code(0);
        db.sql("UPDATE intents SET state = 'pending', first_seq = NULL, last_seq = NULL WHERE idempotency_key = 'done'");
        assert_eq!(resolved(&db, LATER, "--user-id 5"), [1, 0, 0]);
        let shown = json(&db, "intents show done --user-id 5").expect_code(0).data();
        assert_eq!((&shown["attempts"][0]["state"], &shown["entries"][0]["seq"]), (&"applied".into(), &2.into()));
        assert_eq!(charge(&db, "5", "done").expect_code(0).data()["outcome"], "already_applied");
        assert_eq!(balance(&db), "7.00");
    }

    fn a_later_attempt_of_an_applied_key_is_settled_as_having_done_nothing(db: TestDatabase) {
        with_balance(&db, "12");
        charge(&db, "5", "twice").expect_code(0);
        left_behind(&db, "twice", 2, LOST);
        assert_eq!(resolved(&db, LATER, ""), [0, 1, 0]);
        assert_eq!(told(&db, "--state failed"), ["twice 2 failed applied_before"]);
        assert_eq!(replayed(&db, 0, "--failed"), [0, 0, 0]);
        assert_eq!(balance(&db), "7.00");
    }

    fn what_may_still_be_in_work_is_left_alone(db: TestDatabase) {
        with_balance(&db, "12");
        left_behind(&db, "young", 1, LOST);
        for words in ["intents resolve young --user-id 5", "intents replay young --user-id 5"] {
            assert_eq!(json_at(&db, TOO_EARLY, words).expect_code(1).error_code(), "not_due");
        }
        assert_eq!(replayed(&db, 0, "--stranded --older-than 11m"), [0, 0, 0]);
        assert_eq!(told(&db, "--state pending"), ["young 1 pending null"]);
        // One that has been pending long enough is made again as it is.
        assert_eq!(replayed(&db, 0, "--stranded"), [1, 0, 0]);
        assert_eq!(told(&db, "--user-id 5 --limit 1"), ["young 1 applied null"]);
        assert_eq!(resolved(&db, LATER, "young --user-id 5"), [0, 0, 0]);
        assert_eq!(json(&db, "intents resolve nobody --user-id 5").expect_code(1).error_code(), "not_found");
        for words in ["intents replay", "intents replay k", "intents replay --failed --stranded", "intents resolve k", "intents resolve --older-than soon"] {
            json(&db, words).expect_code(2);
        }
    }

    fn one_damaged_account_stops_no_other(db: TestDatabase) {
        with_balance(&db, "12");
        left_behind(&db, "here", 1, LOST);
        json(&db, "account create --user-id 6").expect_code(0);
        json(&db, "recharge --user-id 6 --amount 9 --method momo").expect_code(0);
        left_behind(&db, "there", 1, LOST);
        db.sql("UPDATE intents SET account_id = 2 WHERE idempotency_key = 'there'; UPDATE balances SET balance = 1 WHERE account_id = 1");
        let report = json_at(&db, LATER, "intents resolve").expect_code(7).data();
        assert_eq!(counts(&report, ["applied", "failed", "not_settled"]), [0, 1, 1]);
        assert_eq!(report["intents"][1]["error"]["code"], "integrity");
        assert_eq!(replayed(&db, 7, "--stranded"), [1, 0, 1]);
    }

    fn nothing_to_do_is_said_by_silence_when_quiet(db: TestDatabase) {
        with_balance(&db, "12");
        for words in ["intents resolve -q", "intents replay --failed -q", "intents replay --stranded -q", "intents list -q"] {
            let output = db.ledger().run_words(words).expect_code(0);
            assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{words}");
        }
    }
}

#[test]
fn intents_for_people_and_programs() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        for line in [
            "account create --user-id 5",
            "recharge --user-id 5 --amount 12 --method momo --idempotency-key r",
        ] {
            db.ledger().run_words(line).expect_code(0);
        }
        charge(&db, "5", "done").expect_code(0);
        charge(&db, "50", "refused").expect_code(1);
        left_behind(&db, "lost", 1, LOST);
        left_behind(
            &db,
            "too-much",
            1,
            r#"{"op":"charge","amount":"50.00","service":"vps"}"#,
        );
        // How long it took is another matter each time.
        db.sql("UPDATE intents SET duration_us = 1234 WHERE duration_us IS NOT NULL");
        let mut told = String::new();
        for format in ["table", "json", "ndjson", "csv"] {
            for command in ["intents list", "intents show done --user-id 5"] {
                let output = db.ledger().run_words(&format!("{command} --format {format}"));
                told.push_str(&format!(
                    "$ ledger {command} --format {format}\n{}\n",
                    output.transcript()
                ));
            }
        }
        for command in [
            "intents resolve",
            "intents resolve",
            "intents replay --stranded",
            "intents list --limit 3",
        ] {
            let output = db.ledger().at(LATER).run_words(command);
            told.push_str(&format!("$ ledger {command}\n{}\n", output.transcript()));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("intents", sqlite);
}
