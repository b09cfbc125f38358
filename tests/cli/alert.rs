//! `alerts`: one per cause, whoever finds it, as grave as it is, open until it is gone.

use serde_json::Value;

use super::{charge, json, json_at, with_balance};
use crate::common::{TestDatabase, on_both_engines};

/// Those that `alerts list` shows.
pub(super) fn alerts(db: &TestDatabase, more: &str) -> Vec<Value> {
    let data = json(db, &format!("alerts list {more}")).expect_code(0).data();
    data["alerts"].as_array().unwrap().clone()
}

fn causes(db: &TestDatabase, more: &str) -> Vec<String> {
    let mut causes: Vec<String> = alerts(db, more)
        .iter()
        .map(|alert| {
            format!(
                "{} {} {}",
                alert["account"],
                alert["severity"].as_str().unwrap(),
                alert["cause"].as_str().unwrap()
            )
        })
        .collect();
    causes.sort();
    causes
}

/// Users 5 and 6, with some entries each.
fn two_accounts(db: &TestDatabase) {
    with_balance(db, "50");
    charge(db, "1", "a").expect_code(0);
    json(db, "account create --user-id 6").expect_code(0);
    json(db, "recharge --user-id 6 --amount 50 --method momo").expect_code(0);
}

on_both_engines! {
    fn drift_opens_one_alert_and_closes_it_when_mended(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "verify-sync").expect_code(0);
        assert_eq!(causes(&db, "--all"), Vec::<String>::new());
        db.sql("UPDATE balances SET balance = 1 WHERE account_id = 1");
        json_at(&db, "2026-03-01T12:00:00Z", "verify-sync").expect_code(1);
        json_at(&db, "2026-03-01T13:00:00Z", "verify-sync").expect_code(1);
        let [alert] = alerts(&db, "").try_into().unwrap();
        assert_eq!((&alert["cause"], &alert["severity"]), (&"verify:drift".into(), &"WARNING".into()));
        assert_eq!((&alert["first_seen"], &alert["last_seen"]), (&"2026-03-01T12:00:00.000000Z".into(), &"2026-03-01T13:00:00.000000Z".into()));
        // Looking at somebody else says nothing about it.
        json(&db, "verify-sync --user-id 6").expect_code(0);
        assert_eq!(alerts(&db, "").len(), 1);
        json_at(&db, "2026-03-01T14:00:00Z", "verify-sync --fix --no-backup").expect_code(0);
        let [closed] = alerts(&db, "--all").try_into().unwrap();
        assert_eq!((&closed["id"], &closed["closed_at"]), (&alert["id"], &"2026-03-01T14:00:00.000000Z".into()));
        assert!(alerts(&db, "").is_empty());
    }

    fn a_user_who_is_verified_alone_closes_his_own_alert(db: TestDatabase) {
        two_accounts(&db);
        db.sql("UPDATE balances SET balance = 1");
        json(&db, "verify-sync").expect_code(1);
        json(&db, "verify-sync --user-id 6 --fix --no-backup").expect_code(0);
        assert_eq!(causes(&db, ""), ["1 WARNING verify:drift"]);
        json(&db, "rebuild --no-backup").expect_code(0);
        assert_eq!(causes(&db, ""), Vec::<String>::new());
    }

    fn an_edited_entry_stays_an_alert_until_every_entry_is_sound(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("UPDATE entries SET description = 'edited' WHERE account_id = 1 AND seq = 1");
        json(&db, "rebuild --no-backup").expect_code(6);
        assert_eq!(causes(&db, ""), ["1 CRITICAL verify:broken"]);
        // Sums cannot see it, and so do not close it.
        let _ = json(&db, "verify-sync");
        assert_eq!(causes(&db, ""), ["1 CRITICAL verify:broken"]);
        db.unguarded("UPDATE entries SET description = NULL WHERE account_id = 1 AND seq = 1");
        json(&db, "verify-sync").expect_code(0);
        assert_eq!(causes(&db, ""), Vec::<String>::new());
    }

    fn what_only_a_deep_pass_sees_is_closed_by_a_deep_pass_alone(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "freeze --user-id 5 --amount 5").expect_code(0);
        json(&db, "commit --hold h1-1 --amount 3").expect_code(0);
        db.unguarded("UPDATE holds SET committed = committed + 1, released = released - 1");
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 1");
        // The row is repaired, what stands beside the entries is not.
        json(&db, "verify-sync --deep --fix --no-backup").expect_code(6);
        let [alert] = alerts(&db, "").try_into().unwrap();
        assert_eq!((&alert["account"], &alert["cause"], &alert["severity"]), (&1.into(), &"verify:deep".into(), &"CRITICAL".into()));
        let message = alert["message"].as_str().unwrap();
        assert!(message.starts_with("holds 1: ") && message.ends_with(": user 5 in USD"), "{message}");
        for line in ["verify-sync", "verify-sync --since-last", "rebuild --no-backup", "audit", "verify-sync --deep --user-id 6"] {
            json(&db, line).expect_code(0);
            assert_eq!(causes(&db, ""), ["1 CRITICAL verify:deep"], "{line}");
        }
        let todo = json(&db, "report daily").expect_code(0).data()["findings"].to_string();
        assert!(todo.contains("ledger verify-sync --deep"), "{todo}");
        db.unguarded("UPDATE holds SET committed = committed - 1, released = released + 1");
        json(&db, "verify-sync --deep").expect_code(0);
        assert_eq!(causes(&db, ""), Vec::<String>::new());
    }

    fn entries_cut_off_the_end_stay_an_alert_though_what_is_left_is_sound(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("DELETE FROM entries WHERE account_id = 1 AND seq = 2; \
            UPDATE balances SET last_seq = 1, balance = 5000, total_spent = 0, \
            chain_head = (SELECT hash FROM entries WHERE account_id = 1 AND seq = 1) WHERE account_id = 1");
        json(&db, "verify-sync --deep").expect_code(6);
        json(&db, "verify-sync").expect_code(0);
        assert_eq!(causes(&db, ""), ["1 CRITICAL verify:deep"]);
    }

    fn an_account_that_an_anchor_misses_is_an_alert_of_the_ledger_until_the_anchor_holds(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "verify-sync --anchor kept").expect_code(0);
        db.unguarded("UPDATE accounts SET user_id = '66' WHERE id = 2");
        json(&db, "verify-sync --anchor kept").expect_code(6);
        let [alert] = alerts(&db, "").try_into().unwrap();
        assert_eq!((&alert["account"], &alert["cause"], &alert["severity"]), (&Value::Null, &"verify:anchor".into(), &"CRITICAL".into()));
        assert!(alert["message"].as_str().unwrap().ends_with("the account of user 6 in USD is gone"), "{alert}");
        // Neither without anchors nor with those that were begun later it can be seen.
        for line in ["verify-sync", "verify-sync --anchor begun", "verify-sync --anchor begun"] {
            json_at(&db, "2026-03-01T13:00:00Z", line).expect_code(0);
            assert_eq!(causes(&db, ""), ["null CRITICAL verify:anchor"], "{line}");
        }
        db.unguarded("UPDATE accounts SET user_id = '6' WHERE id = 2");
        json(&db, "verify-sync --anchor kept").expect_code(0);
        assert_eq!(causes(&db, ""), Vec::<String>::new());
    }

    fn what_has_become_graver_is_to_be_acknowledged_again(db: TestDatabase) {
        two_accounts(&db);
        db.sql("INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen, acknowledged_at, acknowledged_by) \
                VALUES (1, 'x', 'verify:broken', 'WARNING', 'seen lightly', 1, 1, 2, 'somebody')");
        db.unguarded("UPDATE entries SET description = 'edited' WHERE account_id = 1 AND seq = 1");
        for acknowledged in [Value::Null, "tester".into()] {
            json(&db, "rebuild --no-backup").expect_code(6);
            let [alert] = alerts(&db, "").try_into().unwrap();
            assert_eq!((&alert["id"], &alert["severity"], &alert["acknowledged_by"]), (&"x".into(), &"CRITICAL".into(), &acknowledged));
            json(&db, "alerts ack x").expect_code(0);
        }
    }

    fn the_list_is_narrowed_by_user_and_severity(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("UPDATE entries SET description = 'edited' WHERE account_id = 1 AND seq = 1");
        db.sql("UPDATE balances SET balance = 1");
        json(&db, "verify-sync").expect_code(6);
        assert_eq!(causes(&db, ""), ["1 CRITICAL verify:broken", "2 WARNING verify:drift"]);
        assert_eq!(causes(&db, "--user-id 5"), ["1 CRITICAL verify:broken"]);
        assert_eq!(causes(&db, "--severity warning"), ["2 WARNING verify:drift"]);
        assert_eq!(causes(&db, "--severity critical --user-id 6"), Vec::<String>::new());
        assert_eq!(json(&db, "alerts list --severity grave").expect_code(2).error_code(), "invalid_input");
    }
}
