//! `freeze`, `commit`, `refund --hold`: money set aside leaves once, or comes back once.

use serde_json::Value;

use super::{balance, behind_its_back, charge, digest, figures, json, json_at, refused, with_balance};
use crate::common::{Engine, Ledger, TestDatabase, on_both_engines};

const BEFORE_THE_END: &str = "2026-03-01T12:19:59.999999Z";
const AT_THE_END: &str = "2026-03-01T12:20:00Z";

/// A ledger whose account has 41.84 FCFA, and what runs on it.
fn with_fcfa(db: &TestDatabase) -> Ledger {
    let ledger = db.ledger().env("LEDGER_CURRENCY", "FCFA").env("LEDGER_FORMAT", "json");
    for line in [
        "currency add FCFA --exponent 2",
        "account create --user-id 5",
        "recharge --user-id 5 --amount 41.84 --method momo",
    ] {
        ledger.run_words(line).expect_code(0);
    }
    ledger
}

const ACTIVATION: &str = "freeze --user-id 5 --amount 5 --reference activation:77 --service sim --expires-in 20m";

/// `kind balance before -> after, held before -> after` of every entry, oldest first.
fn story(ledger: &Ledger) -> Vec<String> {
    let history = ledger.run_words("history --user-id 5").expect_code(0).data();
    let mut entries = history["entries"].as_array().unwrap().clone();
    entries.reverse();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let cents = |entry: &Value, name: &str| text(entry, name).replace('.', "").parse::<i64>().unwrap();
    entries
        .iter()
        .map(|entry| {
            assert_eq!(
                cents(entry, "balance_after") - cents(entry, "balance_before"),
                cents(entry, "amount")
            );
            let held_before = cents(entry, "held_after") - cents(entry, "held_change");
            format!(
                "{} {} -> {}, {}.{:02} -> {}",
                text(entry, "kind"),
                text(entry, "balance_before"),
                text(entry, "balance_after"),
                held_before / 100,
                held_before % 100,
                text(entry, "held_after"),
            )
        })
        .collect()
}

/// The open hold h1-1 of 5 USD out of 10, which runs out after twenty minutes.
fn with_hold(db: &TestDatabase) {
    with_balance(db, "10");
    json(db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
}

fn became(output: crate::common::Output) -> String {
    let details = refused(output, "already_final");
    details["became"].as_str().unwrap().to_owned()
}

fn healthy(db: &TestDatabase) {
    digest(db);
    json(db, "health").expect_code(0);
}

on_both_engines! {
    fn a_successful_activation_spends_the_money_once(db: TestDatabase) {
        let ledger = with_fcfa(&db);
        let frozen = ledger.run_words(ACTIVATION).expect_code(0).data();
        assert_eq!((&frozen["balance"], &frozen["held"]), (&"36.84".into(), &"5.00".into()));
        assert_eq!((&frozen["hold"]["id"], &frozen["hold"]["status"]), (&"h1-1".into(), &"open".into()));
        assert_eq!(frozen["hold"]["expires_at"], "2026-03-01T12:20:00.000000Z");
        let committed = ledger.run_words("commit --hold h1-1").expect_code(0).data();
        assert_eq!((&committed["balance"], &committed["held"]), (&"36.84".into(), &"0.00".into()));
        assert_eq!(became(ledger.run_words("commit --hold h1-1")), "committed");
        assert_eq!(story(&ledger), [
            "recharge 0.00 -> 41.84, 0.00 -> 0.00",
            "freeze 41.84 -> 36.84, 0.00 -> 5.00",
            "commit 36.84 -> 36.84, 5.00 -> 0.00",
        ]);
        // What was said with the freeze goes on to the commit.
        let entry = &committed["entries"][0];
        assert_eq!((&entry["reference"], &entry["service"]), (&"activation:77".into(), &"sim".into()));
        let shown = ledger.run_words("account show --user-id 5").expect_code(0).data();
        assert_eq!(shown["total_spent"], "5.00");
        healthy(&db);
    }

    fn a_cancelled_activation_leaves_all_as_before(db: TestDatabase) {
        let ledger = with_fcfa(&db);
        ledger.run_words(ACTIVATION).expect_code(0);
        let given_back = ledger.run_words("refund --hold h1-1").expect_code(0).data();
        assert_eq!((&given_back["balance"], &given_back["held"]), (&"41.84".into(), &"0.00".into()));
        assert_eq!(story(&ledger), [
            "recharge 0.00 -> 41.84, 0.00 -> 0.00",
            "freeze 41.84 -> 36.84, 0.00 -> 5.00",
            "release 36.84 -> 41.84, 5.00 -> 0.00",
        ]);
        let shown = ledger.run_words("account show --user-id 5").expect_code(0).data();
        assert_eq!((&shown["total_spent"], &shown["total_recharged"]), (&"0.00".into(), &"41.84".into()));
        healthy(&db);
    }

    fn an_activation_that_timed_out_is_given_back_by_the_job(db: TestDatabase) {
        let ledger = with_fcfa(&db);
        ledger.run_words(ACTIVATION).expect_code(0);
        let early = ledger.clone().at(BEFORE_THE_END).run_words("expire-holds").expect_code(0);
        assert_eq!(early.data()["expired"], 0);
        let due = ledger.clone().at(AT_THE_END);
        assert_eq!(due.run_words("expire-holds").expect_code(0).data()["expired"], 1);
        assert_eq!(due.run_words("expire-holds").expect_code(0).data()["expired"], 0);
        let quiet = due.run_words("expire-holds -q").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        assert_eq!(story(&ledger), [
            "recharge 0.00 -> 41.84, 0.00 -> 0.00",
            "freeze 41.84 -> 36.84, 0.00 -> 5.00",
            "release 36.84 -> 41.84, 5.00 -> 0.00",
        ]);
        let holds = ledger.run_words("holds --user-id 5 --status expired").expect_code(0).data();
        assert_eq!(holds["holds"][0]["finished_at"], "2026-03-01T12:20:00.000000Z");
        healthy(&db);
    }

    fn a_part_is_committed_and_the_rest_is_given_back(db: TestDatabase) {
        with_hold(&db);
        let data = json(&db, "commit --hold h1-1 --amount 3").expect_code(0).data();
        let hold = &data["hold"];
        assert_eq!((&hold["committed"], &hold["refunded"], &hold["status"]), (&"3.00".into(), &"2.00".into(), &"committed".into()));
        let kinds: Vec<_> = data["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["commit", "release"]);
        assert_eq!(figures(&db), ("7.00".into(), "0.00".into()));
        healthy(&db);
    }

    fn kept_open_the_rest_stays_held(db: TestDatabase) {
        with_hold(&db);
        let data = json(&db, "commit --hold h1-1 --amount 3 --keep-open").expect_code(0).data();
        assert_eq!((&data["hold"]["remaining"], &data["hold"]["status"]), (&"2.00".into(), &"open".into()));
        assert_eq!(figures(&db), ("5.00".into(), "2.00".into()));
        let details = refused(json(&db, "commit --hold h1-1 --amount 2.01"), "exceeds_remaining");
        assert_eq!((&details["remaining"], &details["requested"]), (&"2.00".into(), &"2.01".into()));
        json(&db, "refund --hold h1-1 --amount 0.50").expect_code(0);
        assert_eq!(figures(&db), ("5.50".into(), "1.50".into()));
        json(&db, "commit --hold h1-1").expect_code(0);
        assert_eq!(figures(&db), ("5.50".into(), "0.00".into()));
        healthy(&db);
    }

    fn more_than_is_left_is_refused_with_what_is_left(db: TestDatabase) {
        with_hold(&db);
        let before = digest(&db);
        for command in ["commit", "refund"] {
            let details = refused(json(&db, &format!("{command} --hold h1-1 --amount 5.01")), "exceeds_remaining");
            assert_eq!(details["remaining"], "5.00");
        }
        assert_eq!(digest(&db), before);
        assert_eq!(figures(&db), ("5.00".into(), "5.00".into()));
    }

    fn a_hold_that_has_ended_says_what_it_became(db: TestDatabase) {
        with_balance(&db, "15");
        for (end, status) in [("commit --hold h1-1", "committed"), ("refund --hold h1-2", "refunded")] {
            let hold = end.split(' ').next_back().unwrap();
            json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
            json(&db, end).expect_code(0);
            for again in ["commit", "refund"] {
                let output = json(&db, &format!("{again} --hold {hold}"));
                assert_eq!(output.error()["error"]["status"], 409);
                assert_eq!(became(output), status);
            }
        }
        json(&db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
        json_at(&db, AT_THE_END, "expire-holds").expect_code(0);
        assert_eq!(became(json(&db, "commit --hold h1-3")), "expired");
        assert_eq!(figures(&db), ("10.00".into(), "0.00".into()));
    }

    fn the_same_key_again_is_the_same_hold_and_the_same_end(db: TestDatabase) {
        with_balance(&db, "10");
        let freeze = "freeze --user-id 5 --amount 5 --expires-in 20m --idempotency-key f";
        json(&db, freeze).expect_code(0);
        let again = json_at(&db, "2026-03-01T12:05:00Z", freeze).expect_code(0).data();
        assert_eq!((&again["outcome"], &again["hold"]["id"]), (&"already_applied".into(), &"h1-1".into()));
        json(&db, "commit --hold h1-1 --idempotency-key c").expect_code(0);
        let again = json_at(&db, AT_THE_END, "commit --hold h1-1 --idempotency-key c").expect_code(0).data();
        assert_eq!((&again["outcome"], &again["hold"]["status"]), (&"already_applied".into(), &"committed".into()));
        assert_eq!(figures(&db), ("5.00".into(), "0.00".into()));
        refused(json(&db, "commit --hold h1-1 --amount 1 --idempotency-key c"), "idempotency_conflict");
    }

    fn an_overdue_hold_is_given_back_by_the_next_touch(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "freeze --user-id 5 --amount 10 --expires-in 20m").expect_code(0);
        let need = "charge --user-id 5 --amount 8 --service vps";
        refused(json_at(&db, BEFORE_THE_END, need), "insufficient_balance");
        json_at(&db, AT_THE_END, need).expect_code(0);
        assert_eq!(figures(&db), ("2.00".into(), "0.00".into()));
        assert_eq!(became(json_at(&db, AT_THE_END, "commit --hold h1-1")), "expired");
        healthy(&db);
    }

    fn a_touch_that_does_not_need_the_money_gives_it_back_too(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
        json_at(&db, AT_THE_END, "charge --user-id 5 --amount 1 --service vps").expect_code(0);
        assert_eq!(figures(&db), ("9.00".into(), "0.00".into()));
    }

    fn a_list_by_status_goes_by_the_clock(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
        json(&db, "freeze --user-id 5 --amount 1").expect_code(0);
        let listed = |time: &str, status: &str| -> Vec<String> {
            let list = json_at(&db, time, &format!("holds --status {status}")).expect_code(0).data();
            let holds = list["holds"].as_array().unwrap().clone();
            assert!(holds.iter().all(|hold| hold["status"] == status), "{list}");
            holds.iter().map(|hold| hold["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(listed(BEFORE_THE_END, "open"), ["h1-2", "h1-1"]);
        assert!(listed(BEFORE_THE_END, "expired").is_empty());
        assert_eq!(listed(AT_THE_END, "open"), ["h1-2"]);
        assert_eq!(listed(AT_THE_END, "expired"), ["h1-1"]);
        assert!(listed(AT_THE_END, "committed").is_empty());
    }

    fn one_damaged_account_stops_the_expiry_of_no_other(db: TestDatabase) {
        with_balance(&db, "10");
        for line in [
            "freeze --user-id 5 --amount 5 --expires-in 20m",
            "account create --user-id 6",
            "recharge --user-id 6 --amount 10 --method momo",
            "freeze --user-id 6 --amount 5 --expires-in 20m",
        ] {
            json(&db, line).expect_code(0);
        }
        db.sql("UPDATE balances SET balance = 1 WHERE account_id = 1");
        let run = json_at(&db, AT_THE_END, "expire-holds").expect_code(7).data();
        assert_eq!((&run["expired"], &run["refused"][0]["id"]), (&1.into(), &"h1-1".into()));
        assert!(run["refused"][0]["reason"].as_str().unwrap().contains("verify-sync"), "{run}");
        assert_eq!(db.sql("SELECT status FROM holds ORDER BY account_id"), "open\nexpired");
    }

    fn a_hold_enlarged_behind_the_tools_back_is_not_built_upon(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
        json(&db, "freeze --user-id 5 --amount 3").expect_code(0);
        db.sql("UPDATE holds SET amount = 800, remaining = 800 WHERE number = 1");
        let before = digest(&db);
        for line in ["commit --hold h1-1 --amount 2 --keep-open", "commit --hold h1-1", "refund --hold h1-1"] {
            assert_eq!(json(&db, line).expect_code(6).error_code(), "integrity");
        }
        assert_eq!(digest(&db), before);
    }

    fn a_commit_of_an_overdue_hold_gives_it_back(db: TestDatabase) {
        with_hold(&db);
        assert_eq!(became(json_at(&db, AT_THE_END, "commit --hold h1-1")), "expired");
        assert_eq!(figures(&db), ("10.00".into(), "0.00".into()));
        assert_can_be_committed_in_the_last_moment(&db);
        healthy(&db);
    }

    fn a_freeze_is_refused_like_a_charge(db: TestDatabase) {
        with_balance(&db, "10");
        let before = digest(&db);
        let details = refused(json(&db, "freeze --user-id 5 --amount 10.01"), "insufficient_balance");
        assert_eq!((&details["balance"], &details["short_of"]), (&"10.00".into(), &"0.01".into()));
        json(&db, "account lock --user-id 5").expect_code(0);
        refused(json(&db, "freeze --user-id 5 --amount 1"), "account_locked");
        assert_eq!(digest(&db), before);
        assert_eq!(db.sql("SELECT COUNT(*) FROM holds"), "0");
    }

    fn held_money_can_be_neither_charged_nor_frozen_again(db: TestDatabase) {
        with_hold(&db);
        assert_eq!(refused(charge(&db, "5.01", "k"), "insufficient_balance")["balance"], "5.00");
        refused(json(&db, "freeze --user-id 5 --amount 6"), "insufficient_balance");
        charge(&db, "5", "k-2").expect_code(0);
        assert_eq!(figures(&db), ("0.00".into(), "5.00".into()));
        // A lock stops what is new; what was promised before can still be settled.
        json(&db, "account lock --user-id 5").expect_code(0);
        json(&db, "commit --hold h1-1").expect_code(0);
        healthy(&db);
    }

    fn money_that_comes_free_pays_the_debt_first(db: TestDatabase) {
        with_hold(&db);
        charge(&db, "5", "k").expect_code(0);
        json(&db, "reverse --user-id 5 --entry 1 --amount 3 --if-spent debt").expect_code(0);
        let data = json(&db, "refund --hold h1-1").expect_code(0).data();
        assert_eq!((&data["balance"], &data["held"], &data["debt"]), (&"2.00".into(), &"0.00".into(), &"0.00".into()));
        assert_eq!(data["entries"][1]["kind"], "debt_recovery");
        healthy(&db);
    }

    fn an_unknown_hold_is_not_found(db: TestDatabase) {
        with_hold(&db);
        for id in ["h1-2", "h2-1", "h9223372036854775807-9223372036854775807"] {
            for command in ["commit", "refund"] {
                let output = json(&db, &format!("{command} --hold {id}"));
                assert_eq!(output.error()["error"]["status"], 404);
                refused(output, "not_found");
            }
        }
    }

    fn holds_are_listed_as_they_count_now(db: TestDatabase) {
        with_hold(&db);
        json(&db, "freeze --user-id 5 --amount 1").expect_code(0);
        let ids = |time: &str, line: &str| -> Vec<String> {
            let data = json_at(&db, time, line).expect_code(0).data();
            let holds = data["holds"].as_array().unwrap().clone();
            holds.iter().map(|hold| format!("{} {}", hold["id"].as_str().unwrap(), hold["status"].as_str().unwrap())).collect()
        };
        assert_eq!(ids(BEFORE_THE_END, "holds --user-id 5"), ["h1-2 open", "h1-1 open"]);
        assert_eq!(ids(AT_THE_END, "holds --user-id 5"), ["h1-2 open", "h1-1 expired"]);
        json(&db, "commit --hold h1-2").expect_code(0);
        assert_eq!(ids(BEFORE_THE_END, "holds --status open"), ["h1-1 open"]);
        assert_eq!(ids(BEFORE_THE_END, "holds --status committed --limit 5"), ["h1-2 committed"]);
        refused(json(&db, "holds --user-id 404"), "not_found");
        json(&db, "holds --status lost").expect_code(2);
    }

    fn an_account_with_something_held_cannot_be_closed(db: TestDatabase) {
        with_hold(&db);
        charge(&db, "5", "k").expect_code(0);
        assert_eq!(refused(json(&db, "account close --user-id 5"), "account_not_empty")["held"], "5.00");
        json(&db, "commit --hold h1-1").expect_code(0);
        json(&db, "account close --user-id 5").expect_code(0);
        assert_eq!(balance(&db), "0.00");
    }

    fn a_hold_that_was_changed_behind_its_back_is_not_built_upon(db: TestDatabase) {
        with_hold(&db);
        behind_its_back(&db, ("holds", "holds_parts"), "UPDATE holds SET amount = 9900, remaining = 9900");
        let before = db.sql("SELECT * FROM balances");
        let output = json(&db, "refund --hold h1-1");
        assert!(output.code != 0, "{}", output.transcript());
        assert_eq!(db.sql("SELECT * FROM balances"), before);
        json(&db, "health").expect_code(6);
    }
}

/// At the last moment before its end a second hold can still be committed.
#[track_caller]
fn assert_can_be_committed_in_the_last_moment(db: &TestDatabase) {
    json(db, "freeze --user-id 5 --amount 5 --expires-in 20m").expect_code(0);
    json_at(db, BEFORE_THE_END, "commit --hold h1-2").expect_code(0);
    assert_eq!(figures(db), ("5.00".into(), "0.00".into()));
}

/// What people read; both engines must tell it alike, to the byte.
#[test]
fn people_are_told_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        with_balance(&db, "20");
        let mut told = String::new();
        for line in [
            "freeze --user-id 5 --amount 5 --reference activation:77 --expires-in 20m --idempotency-key f-1",
            "freeze --user-id 5 --amount 5 --service sim --idempotency-key f-2",
            "freeze --user-id 5 --amount 7 --idempotency-key f-3",
            "freeze --user-id 5 --amount 7 --idempotency-key f-4",
            "commit --hold h1-1 --amount 3 --idempotency-key c-1",
            "commit --hold h1-2 --amount 3 --keep-open --idempotency-key c-2",
            "commit --hold h1-2 --amount 3 --idempotency-key c-3",
            "refund --hold h1-3 --idempotency-key r-3",
            "refund --hold h1-3 --idempotency-key r-3",
            "refund --hold h1-1 --idempotency-key r-1",
            "refund --user-id 5 --entry 5 --amount 1 --reason sorry --idempotency-key r-5",
            "refund --user-id 5 --entry 5 --idempotency-key r-6",
            "reverse --user-id 5 --entry 1 --if-spent debt --idempotency-key v-1",
            "holds",
            "holds --user-id 5 --status open",
            "history --user-id 5",
            "expire-holds",
        ] {
            let output = db.ledger().run_words(line);
            told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("holds_for_people", sqlite);
}
