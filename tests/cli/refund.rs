//! `refund` and `reverse` of entries: never more than they moved, in one or several parts.

use serde_json::Value;

use super::{balance, charge, digest, json, refused, with_balance};
use crate::common::{TestDatabase, on_both_engines};

/// 100000 USD of which entry 2 took 50000.
fn with_charge(db: &TestDatabase) {
    with_balance(db, "100000");
    charge(db, "50000", "c").expect_code(0);
}

fn shown(db: &TestDatabase, name: &str) -> String {
    let view = json(db, "account show --user-id 5").expect_code(0).data();
    view[name].as_str().unwrap().to_owned()
}

/// The kind of the last entry and what it reverses.
fn last_entry(db: &TestDatabase) -> (String, Value) {
    let mut history = json(db, "history --user-id 5 --limit 1").expect_code(0).data();
    let entry = &mut history["entries"][0];
    (entry["kind"].as_str().unwrap().to_owned(), entry["reverses"].take())
}

on_both_engines! {
    fn a_charge_is_refunded_in_parts_and_never_beyond(db: TestDatabase) {
        with_charge(&db);
        json(&db, "refund --user-id 5 --entry 2 --amount 20000").expect_code(0);
        assert_eq!((balance(&db), shown(&db, "total_spent")), ("70000.00".into(), "30000.00".into()));
        let before = digest(&db);
        let too_much = json(&db, "refund --user-id 5 --entry 2 --amount 40000");
        assert_eq!(too_much.error()["error"]["status"], 409);
        let details = refused(too_much, "exceeds_remaining");
        assert_eq!((&details["remaining"], &details["requested"]), (&"30000.00".into(), &"40000.00".into()));
        assert_eq!(digest(&db), before);
        let rest = json(&db, "refund --user-id 5 --entry 2").expect_code(0).data();
        assert_eq!((&rest["entries"][0]["amount"], &rest["entries"][0]["reverses"]), (&"30000.00".into(), &2.into()));
        assert_eq!((balance(&db), shown(&db, "total_spent")), ("100000.00".into(), "0.00".into()));
        for amount in ["", "--amount 0.01"] {
            let details = refused(json(&db, &format!("refund --user-id 5 --entry 2 {amount}")), "already_final");
            assert_eq!((&details["what"], &details["became"]), (&"entry 2".into(), &"reversed".into()));
        }
        assert_eq!(shown(&db, "total_recharged"), "100000.00");
        digest(&db);
    }

    fn the_same_key_again_gives_back_once(db: TestDatabase) {
        with_charge(&db);
        for outcome in ["applied", "already_applied"] {
            let data = json(&db, "refund --user-id 5 --entry 2 --idempotency-key r").expect_code(0).data();
            assert_eq!(data["outcome"], outcome);
        }
        assert_eq!(balance(&db), "100000.00");
    }

    fn a_commit_and_a_penalty_are_spent_money_too(db: TestDatabase) {
        with_charge(&db);
        json(&db, "freeze --user-id 5 --amount 100 --service sim").expect_code(0);
        json(&db, "commit --hold h1-1 --amount 60").expect_code(0);
        json(&db, "penalty --user-id 5 --amount 40 --reason spam").expect_code(0);
        assert_eq!((balance(&db), shown(&db, "total_spent")), ("49900.00".into(), "50100.00".into()));
        let details = refused(json(&db, "refund --user-id 5 --entry 4 --amount 60.01"), "exceeds_remaining");
        assert_eq!(details["remaining"], "60.00");
        json(&db, "refund --user-id 5 --entry 4").expect_code(0);
        json(&db, "refund --user-id 5 --entry 6").expect_code(0);
        assert_eq!((balance(&db), shown(&db, "total_spent")), ("50000.00".into(), "50000.00".into()));
        digest(&db);
    }

    fn a_recharge_is_not_refunded_but_reversed(db: TestDatabase) {
        with_balance(&db, "500");
        let details = refused(json(&db, "refund --user-id 5 --entry 1"), "already_final");
        assert_eq!(details["what"], "entry 1");
        assert_eq!(balance(&db), "500.00");
        let taken = json(&db, "reverse --user-id 5 --entry 1 --amount 200 --reason chargeback").expect_code(0).data();
        assert_eq!((&taken["entries"][0]["kind"], &taken["balance"]), (&"clawback".into(), &"300.00".into()));
        assert_eq!(taken["entries"][0]["description"], "chargeback");
        let details = refused(json(&db, "reverse --user-id 5 --entry 1 --amount 300.01"), "exceeds_remaining");
        assert_eq!(details["remaining"], "300.00");
        json(&db, "reverse --user-id 5 --entry 1").expect_code(0);
        assert_eq!((balance(&db), shown(&db, "debt")), ("0.00".into(), "0.00".into()));
        refused(json(&db, "reverse --user-id 5 --entry 1 --if-spent debt"), "already_final");
    }

    fn a_recharge_whose_money_is_gone_is_refused_or_leaves_a_debt(db: TestDatabase) {
        with_balance(&db, "500");
        charge(&db, "450", "c").expect_code(0);
        let before = digest(&db);
        let details = refused(json(&db, "reverse --user-id 5 --entry 1"), "insufficient_balance");
        assert_eq!((&details["balance"], &details["required"]), (&"50.00".into(), &"500.00".into()));
        assert_eq!(digest(&db), before);
        let owed = json(&db, "reverse --user-id 5 --entry 1 --if-spent debt").expect_code(0).data();
        assert_eq!((&owed["balance"], &owed["debt"]), (&"0.00".into(), &"450.00".into()));
        // The next money in pays it off first, by an entry of its own.
        let paid = json(&db, "recharge --user-id 5 --amount 500 --method momo").expect_code(0).data();
        assert_eq!((&paid["balance"], &paid["debt"]), (&"50.00".into(), &"0.00".into()));
        assert_eq!(last_entry(&db).0, "debt_recovery");
        digest(&db);
    }

    fn a_charge_and_an_adjustment_are_reversed_the_way_they_came(db: TestDatabase) {
        with_charge(&db);
        json(&db, "adjust --user-id 5 --amount 70 --reason goodwill").expect_code(0);
        json(&db, "adjust --user-id 5 --amount -20 --reason mistake").expect_code(0);
        json(&db, "reverse --user-id 5 --entry 2").expect_code(0);
        assert_eq!(last_entry(&db), ("refund".into(), 2.into()));
        json(&db, "reverse --user-id 5 --entry 3 --amount 30").expect_code(0);
        assert_eq!(last_entry(&db), ("adjustment".into(), 3.into()));
        json(&db, "reverse --user-id 5 --entry 4").expect_code(0);
        assert_eq!(last_entry(&db), ("adjustment".into(), 4.into()));
        assert_eq!((balance(&db), shown(&db, "total_spent")), ("100040.00".into(), "0.00".into()));
        let details = refused(json(&db, "reverse --user-id 5 --entry 3 --amount 41"), "exceeds_remaining");
        assert_eq!(details["remaining"], "40.00");
        digest(&db);
    }

    fn what_itself_gives_back_or_only_sets_aside_is_not_reversed(db: TestDatabase) {
        with_charge(&db);
        json(&db, "refund --user-id 5 --entry 2 --amount 1").expect_code(0);
        json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
        json(&db, "refund --hold h1-1").expect_code(0);
        json(&db, "reverse --user-id 5 --entry 1 --amount 1").expect_code(0);
        let before = digest(&db);
        for (entry, kind) in [(3, "refund"), (4, "freeze"), (5, "release"), (6, "clawback")] {
            assert_eq!(db.sql(&format!("SELECT kind FROM entries WHERE seq = {entry}")), kind);
            for command in ["refund", "reverse"] {
                let output = json(&db, &format!("{command} --user-id 5 --entry {entry}"));
                assert_eq!(refused(output, "already_final")["what"], format!("entry {entry}"), "{command} of a {kind}");
            }
        }
        assert_eq!(digest(&db), before);
    }

    fn an_unknown_entry_is_not_found(db: TestDatabase) {
        with_charge(&db);
        for command in ["refund", "reverse"] {
            for line in ["--user-id 5 --entry 3", "--user-id 5 --entry 9223372036854775807", "--user-id 404 --entry 1"] {
                let output = json(&db, &format!("{command} {line}"));
                assert_eq!(output.error()["error"]["status"], 404);
                refused(output, "not_found");
            }
        }
    }

    fn a_locked_account_gets_its_money_back_all_the_same(db: TestDatabase) {
        with_charge(&db);
        json(&db, "account lock --user-id 5").expect_code(0);
        json(&db, "refund --user-id 5 --entry 2").expect_code(0);
        assert_eq!(balance(&db), "100000.00");
    }
}
