//! `recurring`: each period is charged once, whatever is run how often, how late or by which clock.

use serde_json::Value;

use super::{balance, json, json_at, refused, with_balance};
use crate::common::{Engine, Output, TestDatabase, on_both_engines};

/// A monthly charge of 10 for the vps on the 31st, from January on.
fn monthly(db: &TestDatabase) {
    let agreed = json(
        db,
        "recurring add --user-id 5 --amount 10 --service vps --every month --on 31 --starts 2026-01-31",
    );
    assert_eq!(agreed.expect_code(0).data()["id"], "c1-1");
}

fn run_at(db: &TestDatabase, time: &str) -> Output {
    json_at(db, time, "recurring run")
}

#[track_caller]
fn charged(output: Output) -> u64 {
    output.expect_code(0).data()["charged"].as_u64().unwrap()
}

/// What each charge was for, oldest first.
fn keys(db: &TestDatabase) -> String {
    db.sql("SELECT idempotency_key FROM entries WHERE kind = 'service_fee' ORDER BY account_id, seq")
}

/// The only period that was not paid.
#[track_caller]
fn unpaid(output: &Output) -> Value {
    let data = output.data();
    let unpaid = data["unpaid"].as_array().unwrap();
    assert_eq!(unpaid.len(), 1, "{data}");
    unpaid[0].clone()
}

on_both_engines! {
    fn one_that_cannot_be_read_is_named_and_keeps_no_other_from_being_charged(db: TestDatabase) {
        with_balance(&db, "100");
        monthly(&db);
        json(&db, "recurring add --user-id 5 --amount 1 --service dns --every month --on 1 --starts 2026-02-01").expect_code(0);
        db.unguarded("UPDATE recurring_charges SET timezone = 'Mars/X' WHERE number = 1");

        let run = run_at(&db, "2026-02-01T00:00:00Z").expect_code(6).data();

        assert_eq!((&run["charged"], &run["unreadable"][0]["id"], balance(&db)), (&1.into(), &"c1-1".into(), "99.00".into()));
        assert!(run["unreadable"][0]["reason"].as_str().unwrap().contains("time zone"), "{run}");
        let told = db.ledger().at("2026-02-02T00:00:00Z").run_words("recurring run").expect_code(6);
        assert!(told.stdout.contains("c1-1") && told.stdout.contains("restore"), "{}", told.stdout);
        db.unguarded("UPDATE recurring_charges SET timezone = 'UTC' WHERE number = 1");
        assert_eq!(charged(run_at(&db, "2026-02-03T00:00:00Z")), 1);
    }

    fn the_others_of_an_account_that_a_run_suspends_wait_without_a_try(db: TestDatabase) {
        with_balance(&db, "0.50");
        monthly(&db);
        for tried in ["2026-01-31", "2026-02-01", "2026-02-03"] {
            run_at(&db, &format!("{tried}T00:00:00Z")).expect_code(7);
        }
        json(&db, "recurring add --user-id 5 --amount 1 --service dns --every month --on 7 --starts 2026-02-07").expect_code(0);

        let last = run_at(&db, "2026-02-07T00:00:00Z").expect_code(7).data();

        let outcomes: Vec<&str> = last["unpaid"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["suspended", "waiting"]);
        assert_eq!(db.sql("SELECT COUNT(*) FROM intents WHERE idempotency_key LIKE 'recurring:c1-2:%'"), "0");
    }

    fn missed_periods_are_charged_one_by_one_and_once_on_the_last_day_of_short_months(db: TestDatabase) {
        with_balance(&db, "100");
        monthly(&db);

        assert_eq!(charged(run_at(&db, "2026-03-30T23:59:59.999999Z")), 2);
        assert_eq!(charged(run_at(&db, "2026-03-31T00:00:00Z")), 1);
        for _ in 0..2 {
            assert_eq!(charged(run_at(&db, "2026-04-29T12:00:00Z")), 0);
        }
        assert_eq!(charged(run_at(&db, "2026-04-30T00:00:00Z")), 1);

        assert_eq!(
            keys(&db),
            "recurring:c1-1:2026-01\nrecurring:c1-1:2026-02\nrecurring:c1-1:2026-03\nrecurring:c1-1:2026-04"
        );
        assert_eq!(balance(&db), "60.00");
        let listed = json(&db, "recurring list --user-id 5").expect_code(0).data();
        let of = &listed["recurring"][0];
        assert_eq!((&of["charged"], &of["next_period"]), (&4.into(), &"2026-05".into()));
        assert_eq!(of["next_at"], "2026-05-31T00:00:00.000000Z");
        let entry = json(&db, "history --user-id 5 --limit 1").expect_code(0).data()["entries"][0].take();
        assert_eq!(entry["metadata"], serde_json::json!({"recurring": "c1-1", "period": "2026-04"}));
    }

    fn a_clock_set_back_or_forward_charges_nothing_twice(db: TestDatabase) {
        with_balance(&db, "100");
        json(&db, "recurring add --user-id 5 --amount 1 --service cdn --every day").expect_code(0);

        assert_eq!(charged(run_at(&db, "2026-03-05T00:00:00Z")), 4);
        for time in ["2026-03-01T12:00:00Z", "2026-03-05T23:59:59Z", "2020-01-01T00:00:00Z"] {
            assert_eq!(charged(run_at(&db, time)), 0, "{time}");
        }
        // Even where the row has been set back: the key of the period is known.
        let next = "next_on = '2026-03-03', next_at = 1772496000000000, try_at = 1772496000000000";
        db.sql(&format!("UPDATE recurring_charges SET {next}"));
        let again = run_at(&db, "2026-03-06T00:00:00Z").expect_code(0).data();
        assert_eq!((&again["charged"], &again["already"]), (&1.into(), &3.into()));
        assert_eq!(balance(&db), "95.00");
    }

    fn a_run_that_died_before_it_went_on_is_finished_by_the_next(db: TestDatabase) {
        with_balance(&db, "100");
        monthly(&db);
        // As it was left behind: charged, and the row not moved.
        let charge = ["charge", "--user-id", "5", "--amount", "10", "--service", "vps", "--idempotency-key",
            "recurring:c1-1:2026-01", "--metadata", r#"{"recurring":"c1-1","period":"2026-01"}"#];
        db.ledger().at("2026-01-31T00:00:00Z").run(&charge).expect_code(0);

        let done = run_at(&db, "2026-02-01T00:00:00Z").expect_code(0).data();

        assert_eq!((&done["charged"], &done["already"]), (&0.into(), &1.into()));
        assert_eq!(balance(&db), "90.00");
    }

    fn a_local_hour_that_is_skipped_or_comes_twice_is_charged_once(db: TestDatabase) {
        with_balance(&db, "100");
        json_at(&db, "2026-03-27T12:00:00Z", "recurring add --user-id 5 --amount 1 --service cdn --every day --at 02:30 --timezone Europe/Berlin").expect_code(0);
        assert_eq!(charged(run_at(&db, "2026-03-28T01:30:00Z")), 1);
        assert_eq!(charged(run_at(&db, "2026-03-29T00:59:59.999999Z")), 0);
        assert_eq!(charged(run_at(&db, "2026-03-29T01:00:00Z")), 1);
        assert_eq!(charged(run_at(&db, "2026-03-30T00:29:59Z")), 0);
        json(&db, "recurring cancel c1-1 --reason x").expect_code(0);
        json_at(&db, "2026-10-24T12:00:00Z", "recurring add --user-id 5 --amount 1 --service cdn --every day --at 02:30 --timezone Europe/Berlin").expect_code(0);
        // Half past two comes twice on the 25th.
        let october = ["2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:29:59Z", "2026-10-26T01:30:00Z"];
        assert_eq!(october.map(|time| charged(run_at(&db, time))), [0, 1, 0, 0, 1]);
        let days = ["1:2026-03-28", "1:2026-03-29", "2:2026-10-25", "2:2026-10-26"];
        assert_eq!(keys(&db), days.map(|day| format!("recurring:c1-{day}")).join("\n"));
    }

    fn one_run_catches_up_only_so_far_and_says_so(db: TestDatabase) {
        with_balance(&db, "100");
        json(&db, "recurring add --user-id 5 --amount 1 --service cdn --every day --starts 2026-01-01").expect_code(0);

        let first = json(&db, "recurring run --max-catch-up 40").expect_code(7);
        assert_eq!((&first.data()["charged"], &unpaid(&first)["outcome"]), (&40.into(), &"catch_up".into()));
        assert_eq!(unpaid(&first)["period"], "2026-02-10");
        assert_eq!(charged(json(&db, "recurring run --max-catch-up 40")), 20);
        assert_eq!(balance(&db), "40.00");
    }

    fn who_cannot_pay_is_tried_again_then_suspended_and_goes_on_when_money_comes(db: TestDatabase) {
        with_balance(&db, "4");
        json(&db, "recurring add --user-id 5 --amount 10 --service vps --every month --on 2").expect_code(0);
        let due = "2026-03-02T00:10:00Z";

        let first = run_at(&db, due).expect_code(7);
        let told = unpaid(&first);
        assert_eq!((&told["outcome"], &told["code"]), (&"refused".into(), &"insufficient_balance".into()));
        assert_eq!(told["retry_at"], "2026-03-03T00:10:00.000000Z");
        assert_eq!(charged(run_at(&db, "2026-03-03T00:09:59Z")), 0);
        run_at(&db, "2026-03-03T00:10:00Z").expect_code(7);
        assert_eq!(charged(run_at(&db, "2026-03-05T00:09:59Z")), 0);
        run_at(&db, "2026-03-05T00:10:00Z").expect_code(7);
        let listed = json(&db, "recurring list").expect_code(0).data();
        assert_eq!((&listed["recurring"][0]["refused"], &listed["recurring"][0]["retry_at"]), (&3.into(), &"2026-03-09T00:10:00.000000Z".into()));
        assert!(json(&db, "suspensions --active").data()["suspensions"].as_array().unwrap().is_empty());

        let last = run_at(&db, "2026-03-09T00:10:00Z").expect_code(7);
        assert_eq!(unpaid(&last)["outcome"], "suspended");
        let suspended = json(&db, "suspensions --active").expect_code(0).data();
        let suspension = &suspended["suspensions"][0];
        assert_eq!((&suspension["reason"], &suspension["balance"]), (&"could not pay for vps".into(), &"4.00".into()));

        // It waits, without trying: no attempt is left behind, and nobody is woken.
        let attempts = db.sql("SELECT COUNT(*) FROM intents");
        let quiet = db.ledger().at("2026-04-03T00:00:00Z").run_words("recurring run -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        assert_eq!(unpaid(&run_at(&db, "2026-04-03T00:00:00Z"))["outcome"], "waiting");
        assert_eq!(db.sql("SELECT COUNT(*) FROM intents"), attempts);

        let paid = json_at(&db, "2026-04-03T01:00:00Z", "recharge --user-id 5 --amount 20 --method momo").expect_code(0).data();
        assert_ne!(paid["resumed"], Value::Null);
        assert_eq!(charged(run_at(&db, "2026-04-03T02:00:00Z")), 2);
        assert_eq!(keys(&db), "recurring:c1-1:2026-03\nrecurring:c1-1:2026-04");
        assert_eq!(balance(&db), "4.00");
    }

    fn a_recharge_in_time_pays_at_the_next_try_and_the_day_stays_the_day(db: TestDatabase) {
        with_balance(&db, "4");
        json(&db, "recurring add --user-id 5 --amount 10 --service vps --every month --on 2").expect_code(0);
        run_at(&db, "2026-03-02T00:00:00Z").expect_code(7);
        db.ledger().run_words("recharge --user-id 5 --amount 10 --method momo").expect_code(0);
        assert_eq!(charged(run_at(&db, "2026-03-03T00:00:00Z")), 1);
        let listed = json(&db, "recurring list").expect_code(0).data();
        assert_eq!((&listed["recurring"][0]["refused"], &listed["recurring"][0]["next_at"]), (&0.into(), &"2026-04-02T00:00:00.000000Z".into()));
    }

    fn locked_accounts_wait_closed_ones_are_cancelled_and_one_bad_row_stops_no_other(db: TestDatabase) {
        for user in 1..=5 {
            db.ledger().run_words(&format!("account create --user-id {user}")).expect_code(0);
            if user != 2 {
                db.ledger().run_words(&format!("recharge --user-id {user} --amount 50 --method momo")).expect_code(0);
            }
            db.ledger().run_words(&format!("recurring add --user-id {user} --amount 10 --service vps --every day")).expect_code(0);
        }
        db.ledger().run_words("account lock --user-id 1 --reason x").expect_code(0);
        db.ledger().run_words("account close --user-id 2").expect_code(0);
        db.sql("UPDATE balances SET balance = 7 WHERE account_id = 3");
        // Somebody has used the key of a period for something else.
        db.ledger().run_words("charge --user-id 4 --amount 1 --service x --idempotency-key recurring:c4-1:2026-03-02").expect_code(0);

        let run = run_at(&db, "2026-03-02T00:00:00Z").expect_code(7).data();

        let outcomes: Vec<(&str, &str)> = run["unpaid"].as_array().unwrap().iter()
            .map(|unpaid| (unpaid["id"].as_str().unwrap(), unpaid["outcome"].as_str().unwrap())).collect();
        assert_eq!(outcomes, [("c1-1", "waiting"), ("c2-1", "closed"), ("c3-1", "failed"), ("c4-1", "refused")]);
        assert_eq!(run["unpaid"][3]["code"], "idempotency_conflict");
        assert_eq!(run["charged"], 1);
        let cancelled = json(&db, "recurring list --state cancelled").expect_code(0).data();
        assert_eq!((&cancelled["recurring"][0]["id"], &cancelled["recurring"][0]["cancelled_why"]), (&"c2-1".into(), &"the account is closed".into()));
        let recorded = db.sql("SELECT exit_code FROM job_runs WHERE job = 'recurring-run'");
        assert_eq!(recorded, "7");

        db.ledger().run_words("account unlock --user-id 1").expect_code(0);
        db.ledger().run_words("verify-sync --fix --no-backup").expect_code(0);
        assert_eq!(run_at(&db, "2026-03-02T01:00:00Z").expect_code(7).data()["charged"], 2);
    }

    fn what_a_closed_account_owes_is_cancelled_though_it_is_locked_or_suspended_too(db: TestDatabase) {
        for (user, stop) in [(1, "account lock"), (2, "suspend")] {
            db.ledger().run_words(&format!("account create --user-id {user}")).expect_code(0);
            db.ledger().run_words(&format!("recurring add --user-id {user} --amount 10 --service vps --every day")).expect_code(0);
            db.ledger().run_words(&format!("{stop} --user-id {user} --reason x")).expect_code(0);
            db.ledger().run_words(&format!("account close --user-id {user}")).expect_code(0);
        }
        let run = run_at(&db, "2026-03-02T00:00:00Z").expect_code(0).data();
        let outcomes: Vec<&str> = run["unpaid"].as_array().unwrap().iter().map(|unpaid| unpaid["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["closed", "closed"]);
        let cancelled = json(&db, "recurring list --state cancelled").expect_code(0).data();
        assert_eq!(cancelled["recurring"].as_array().unwrap().len(), 2);
    }

    fn what_is_cancelled_is_charged_no_more_and_the_last_day_is_the_last(db: TestDatabase) {
        with_balance(&db, "100");
        monthly(&db);
        assert_eq!(charged(run_at(&db, "2026-01-31T00:00:00Z")), 1);
        let gone = json(&db, "recurring cancel c1-1 --reason moved").expect_code(0).data();
        assert_eq!((&gone["state"], &gone["changed"], &gone["cancelled_by"]), (&"cancelled".into(), &true.into(), &"tester".into()));
        let again = json(&db, "recurring cancel c1-1 --reason moved").expect_code(0).data();
        assert_eq!(again["changed"], false);
        assert_eq!(charged(run_at(&db, "2027-01-01T00:00:00Z")), 0);
        let acts = json(&db, "operations list --user-id 5").expect_code(0).data();
        let commands: Vec<&str> = acts["operations"].as_array().unwrap().iter().map(|act| act["command"].as_str().unwrap()).collect();
        assert_eq!(commands, ["recurring cancel", "recurring add", "account create"]);

        json(&db, "recurring add --user-id 5 --amount 1 --service cdn --every week --on sun --starts 2026-03-01 --ends 2026-03-15").expect_code(0);
        assert_eq!(charged(run_at(&db, "2027-01-01T00:00:00Z")), 3);
        let ended = json(&db, "recurring list --state ended").expect_code(0).data();
        assert_eq!((&ended["recurring"][0]["id"], &ended["recurring"][0]["next_at"]), (&"c1-2".into(), &Value::Null));
        assert_eq!(json(&db, "recurring cancel c1-2 --reason x").expect_code(0).data()["changed"], false);
    }

    fn the_same_key_agrees_once_and_says_what_differs(db: TestDatabase) {
        with_balance(&db, "100");
        let add = "recurring add --user-id 5 --amount 10 --service vps --every month --on 1 --idempotency-key k";
        assert_eq!(json(&db, add).expect_code(0).data()["changed"], true);
        // Also later, when another day would be the first to come.
        assert_eq!(json_at(&db, "2026-09-01T00:00:00Z", add).expect_code(0).data()["changed"], false);
        let until = "recurring add --user-id 5 --amount 1 --service cdn --every month --ends 2026-04-30 --idempotency-key u";
        assert_eq!(json(&db, until).expect_code(0).data()["changed"], true);
        assert_eq!(json_at(&db, "2026-09-02T00:00:00Z", until).expect_code(0).data()["on"], 1);
        let other = add.replace("--amount 10", "--amount 11");
        assert_eq!(refused(json(&db, &other), "idempotency_conflict")["differs_in"], serde_json::json!(["amount"]));
        assert_eq!(db.sql("SELECT COUNT(*) FROM recurring_charges"), "2");
    }

    fn what_makes_no_sense_is_refused_with_what_to_write(db: TestDatabase) {
        with_balance(&db, "100");
        let base = "recurring add --user-id 5 --amount 1 --service x";
        for (line, says) in [
            ("--every month --on 32", "1 to 31"),
            ("--every month --on mon", "1 to 31"),
            ("--every week --on 8", "mon, tue"),
            ("--every day --on 1", "--every week or month"),
            ("--every day --at 24:00", "02:00"),
            ("--every day --timezone Mars/Base", "Europe/Berlin"),
            ("--every day --starts 2026-2-1", "2026-03-01"),
            ("--every day --starts 2026-02-30", "2026-03-01"),
            ("--every day --ends 2026-02-28", "--ends"),
            ("--every month --on 15 --starts 2026-03-01 --ends 2026-03-14", "later --ends"),
            ("--every day --starts 9999-12-31 --at 23:59 --timezone America/New_York", "calendar"),
        ] {
            let output = json(&db, &format!("{base} {line}")).expect_code(2);
            let message = output.error()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(says), "{line}: {message}");
        }
        for retries in ["3d,1d", "x", "1d,,3d", "0s"] {
            json(&db, &format!("recurring run --retries {retries}")).expect_code(2);
        }
        json(&db, "recurring run --max-catch-up 0").expect_code(2);
        json(&db, "recurring cancel r1-1 --reason x").expect_code(2);
        assert_eq!(json(&db, "recurring cancel c1-9 --reason x").expect_code(1).error_code(), "not_found");
        json(&db, "recurring add --user-id 9 --amount 1 --service x --every day").expect_code(1);
        assert_eq!(db.sql("SELECT COUNT(*) FROM recurring_charges"), "0");
        db.ledger().run_words("account create --user-id 7").expect_code(0);
        db.ledger().run_words("account close --user-id 7").expect_code(0);
        refused(json(&db, "recurring add --user-id 7 --amount 1 --service x --every day"), "account_closed");
    }
}

/// The same story in every format; both engines must tell it alike, to the byte.
#[test]
fn recurring_for_people_and_programs() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "15");
        let mut told = String::new();
        for (time, line) in [
            ("2026-03-01T12:00:00Z", "recurring add --user-id 5 --amount 10 --service vps --every month --on 31 --at 02:00 --timezone Europe/Berlin --reference Plan:7 --idempotency-key a"),
            ("2026-03-01T12:00:00Z", "recurring add --user-id 5 --amount 2.50 --service backup --every week --on mon --ends 2026-03-31 --idempotency-key b"),
            ("2026-04-01T00:00:00Z", "recurring run"),
            ("2026-04-01T00:00:00Z", "recurring list"),
            ("2026-04-09T00:00:00Z", "recurring run --retries none"),
            ("2026-04-09T00:00:00Z", "recurring cancel c1-2 --reason moved"),
        ] {
            for format in ["table", "json", "ndjson", "csv"] {
                let output = db.ledger().at(time).run_words(&format!("{line} --format {format}"));
                told.push_str(&format!("$ ledger {line} --format {format}\n{}\n", output.transcript()));
            }
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("recurring_for_everybody", sqlite);
}
