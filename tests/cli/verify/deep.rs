//! `verify-sync --deep`: what was done to the entries is told apart, and records are held against them.

use serde_json::Value;

use crate::cli::{charge, json, with_balance};
use crate::common::{TestDatabase, on_both_engines};

fn deep(db: &TestDatabase) -> (i32, Value) {
    let output = json(db, "verify-sync --deep");
    (output.code, output.data())
}

/// Users 5 and 6 with eight entries each.
fn two_accounts(db: &TestDatabase) {
    with_balance(db, "1000");
    json(db, "account create --user-id 6").expect_code(0);
    json(db, "recharge --user-id 6 --amount 1000 --method momo").expect_code(0);
    for n in 1..=7 {
        charge(db, &n.to_string(), &format!("a-{n}")).expect_code(0);
        json(db, &format!("charge --user-id 6 --amount {n} --service vps")).expect_code(0);
    }
}

/// One of everything that stands beside the entries, in its various states.
pub(crate) fn one_of_everything(db: &TestDatabase) {
    two_accounts(db);
    let words = [
        "recharge --user-id 5 --amount 5 --method momo --pending --expires-in 30m --reference R:1",
        "recharge --user-id 5 --amount 6 --method momo --pending",
        "recharge --user-id 5 --amount 7 --method paypal --pending",
        "recharge complete r1-3",
        "recharge fail r1-4",
        "freeze --user-id 5 --amount 50 --reference a:1 --service vps --expires-in 20m",
        "freeze --user-id 5 --amount 20 --reference a:2",
        "freeze --user-id 5 --amount 30 --reference a:3",
        "freeze --user-id 5 --amount 40 --reference a:4",
        "commit --hold h1-1 --amount 20",
        "commit --hold h1-2 --amount 5 --keep-open",
        "refund --hold h1-2 --amount 3",
        "refund --hold h1-3",
        "refund --user-id 5 --entry 3",
        "reverse --user-id 5 --entry 4",
        "adjust --user-id 5 --amount -2 --reason typo",
        "adjust --user-id 5 --amount 4 --reason typo",
        "penalty --user-id 5 --amount 1 --reason late",
        "purchase record --user-id 5 --amount 50 --credits 10 --reference INV-1",
        "purchase record --user-id 5 --amount 51 --credits 11",
        "purchase record --user-id 5 --amount 52 --credits 12",
        "deactivate-purchase p1-2 --reason wrong",
        "gift grant --user-id 5 --credits 13 --reference G:1",
        "gift grant --user-id 5 --credits 14",
        "gift deactivate g1-2 --reason wrong",
        "account create --user-id 7 --currency EUR --low-balance-threshold 5",
        "account set --user-id 7 --currency EUR --charges-per-minute 10",
        "adjust --user-id 7 --currency EUR --amount 3 --reason start",
        "suspend --user-id 7 --currency EUR --reason late",
        "resume --user-id 7 --currency EUR",
        "suspend --user-id 7 --currency EUR --reason again",
        "currency add POINTS --exponent 0",
        "account create --user-id 8 --currency POINTS",
        "adjust --user-id 8 --currency POINTS --amount 3 --reason start",
        "charge --user-id 6 --amount 3 --service course --grants course:1",
        "charge --user-id 6 --amount 4 --service course --grants course:2 --access-expires 30d",
        "charge --user-id 6 --amount 5 --service course --grants course:3 --access-expires 30d",
        "charge --user-id 6 --amount 6 --service course --grants course:4",
        "refund --user-id 6 --entry 9 --amount 1",
        "refund --user-id 6 --entry 11 --reason unwatched",
        "reverse --user-id 6 --entry 12 --reason wrong",
        "recurring add --user-id 5 --amount 2 --service vps --every day --starts 2026-03-02 --ends 2026-03-03 --reference P:1",
        "recurring add --user-id 5 --amount 3 --service dns --every month --on 31 --at 02:00 --timezone Europe/Berlin --idempotency-key r",
        "recurring add --user-id 5 --amount 4 --service dns --every week --on mon --description weekly",
        "recurring cancel c1-3 --reason wrong",
        "recurring add --user-id 5 --amount 5 --service cdn --every day --starts 2026-03-05",
        "recurring add --user-id 8 --currency POINTS --amount 99 --service cdn --every day --starts 2026-03-02",
    ];
    for line in words {
        json(db, line).expect_code(0);
    }
    json(db, "charge --user-id 6 --amount 99999 --service vps --suspend").expect_code(1);
    let later = "2026-03-05T12:00:00Z";
    crate::cli::json_at(db, later, "process-pending-credits").expect_code(0);
    crate::cli::json_at(db, later, "deactivate-purchase p1-3 --reason wrong").expect_code(0);
    crate::cli::json_at(db, later, "recurring run").expect_code(7);
}

/// The kind and the account of the first issue with an entry, and the entry.
fn first_entry(report: &Value) -> (String, String, String) {
    let rows = report["differences"].as_array().unwrap();
    let issue = rows
        .iter()
        .find(|row| row["field"] == "entries" && !row["kind"].is_null())
        .unwrap_or_else(|| panic!("{report:#}"));
    let text = |name: &str| issue[name].as_str().unwrap().to_string();
    (text("user_id"), text("record"), text("kind"))
}

on_both_engines! {
    fn a_sound_ledger_has_no_findings(db: TestDatabase) {
        one_of_everything(&db);
        let (code, report) = deep(&db);
        assert_eq!((code, report["differences"].as_array().unwrap().len()), (0, 0), "{report:#}");
        assert_eq!(report["digest"], json(&db, "verify-sync").data()["digest"]);
        assert_eq!(json(&db, "verify-sync --deep --user-id 6").expect_code(0).data()["checked"], 1);
    }

    fn access_that_stands_without_its_money_is_named_until_the_audit_has_mended_it(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "charge --user-id 6 --amount 5 --service course --grants course:1 --access-expires 30d").expect_code(0);
        json(&db, "refund --user-id 6 --entry 9 --reason wrong").expect_code(0);
        assert_eq!(deep(&db).0, 0);
        db.sql("UPDATE access_grants SET revoked_at = NULL, revoked_by = NULL, revoked_why = NULL");
        let (code, report) = deep(&db);
        let named = &report["differences"][0];
        assert_eq!((code, &named["field"], &named["record"]), (6, &"access_grants".into(), &"9".into()), "{report:#}");
        json(&db, "audit --repair").expect_code(0);
        let (code, report) = deep(&db);
        assert_eq!(code, 0, "{report:#}");
        db.sql("UPDATE access_grants SET resource = 'course:2'");
        assert_eq!(deep(&db).0, 6);
    }

    fn recurring_charges_are_what_was_agreed_on_and_come_after_what_was_charged(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "recurring add --user-id 5 --amount 2 --service vps --every day --starts 2026-03-02").expect_code(0);
        json(&db, "recurring add --user-id 5 --amount 3 --service dns --every week --on mon").expect_code(0);
        json(&db, "recurring cancel c1-2 --reason wrong").expect_code(0);
        crate::cli::json_at(&db, "2026-03-04T12:00:00Z", "recurring run").expect_code(0);
        assert_eq!(deep(&db).0, 0);
        db.sql("CREATE TABLE kept AS SELECT * FROM recurring_charges");
        let cases = [
            ("UPDATE recurring_charges SET amount = 200000 WHERE number = 1", "1", "its terms are not those that were agreed on"),
            ("UPDATE recurring_charges SET service = 'dns' WHERE number = 1", "1", "its terms are not those that were agreed on"),
            ("UPDATE recurring_charges SET created_by = 'mallory' WHERE number = 1", "1", "nobody has agreed on it"),
            ("UPDATE recurring_charges SET number = 7 WHERE number = 1", "7", "nobody has agreed on it"),
            ("DELETE FROM recurring_charges WHERE number = 2", "2", "it was agreed on, and is gone"),
            ("UPDATE recurring_charges SET cancelled_why = 'late' WHERE number = 2", "2", "it is not known who ended it"),
            ("UPDATE recurring_charges SET cancelled_at = NULL, cancelled_by = NULL, cancelled_why = NULL WHERE number = 2", "2", "it is not known who ended it"),
            // A period is left out, as if it had been charged.
            ("UPDATE recurring_charges SET charged = 4, next_on = '2026-03-06', next_at = next_at + 86400000000, \
              try_at = try_at + 86400000000 WHERE number = 1", "1", "its next period is not the one after those that were charged"),
            ("UPDATE recurring_charges SET next_on = '2026-03-06', next_at = next_at + 86400000000, \
              try_at = try_at + 86400000000 WHERE number = 1", "1", "its next period is not the one after those that were charged"),
            ("UPDATE recurring_charges SET next_on = NULL, next_at = NULL, try_at = NULL WHERE number = 1", "1",
             "its next period is not the one after those that were charged"),
            ("UPDATE recurring_charges SET try_at = 1 + try_at WHERE number = 1", "1", "its next period is at no such time, or was not refused so often"),
            ("UPDATE recurring_charges SET refused_at = 1, refused_times = 1 WHERE number = 1", "1",
             "its next period is at no such time, or was not refused so often"),
        ];
        for (damage, record, what) in cases {
            db.unguarded(damage);
            let (code, report) = deep(&db);
            let named = report["differences"].as_array().unwrap().iter().any(|row| {
                row["field"] == "recurring_charges" && row["record"] == record && row.to_string().contains(what)
            });
            assert!(code == 6 && named, "{damage}: {report:#}");
            db.unguarded("DELETE FROM recurring_charges; INSERT INTO recurring_charges SELECT * FROM kept");
        }
        // A run that died between a charge and its row: the next one finds it charged.
        db.sql("UPDATE recurring_charges SET charged = 2, next_on = '2026-03-04', next_at = next_at - 86400000000, \
            try_at = try_at - 86400000000 WHERE number = 1");
        let (code, report) = deep(&db);
        assert_eq!(code, 0, "{report:#}");
    }

    fn what_was_charged_in_the_name_of_a_recurring_charge_is_what_was_agreed_on(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "recurring add --user-id 5 --amount 2 --service vps --every day --starts 2026-03-02").expect_code(0);
        db.sql("UPDATE recurring_charges SET amount = 300");
        crate::cli::json_at(&db, "2026-03-02T12:00:00Z", "recurring run").expect_code(0);
        db.sql("UPDATE recurring_charges SET amount = 200");
        let (code, report) = deep(&db);
        assert_eq!(code, 6);
        assert!(report.to_string().contains("something else than what was agreed on was charged in its name"), "{report:#}");
    }

    fn what_looks_odd_and_is_right_is_no_finding(db: TestDatabase) {
        two_accounts(&db);
        // Responses and metadata that say nothing, and an attempt that was settled after a crash.
        json(&db, "recharge --user-id 5 --amount 1 --method momo --gateway-response null --metadata null").expect_code(0);
        json(&db, "charge --user-id 5 --amount 1 --service vps --metadata null").expect_code(0);
        db.sql(
            "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
             SELECT account_id, 'left', 1, operation, payload, actor, created_at FROM intents \
             WHERE operation = 'charge' AND account_id = 1 LIMIT 1",
        );
        json(&db, "intents resolve --older-than 0s").expect_code(0);
        let (code, report) = deep(&db);
        assert_eq!(code, 0, "{report:#}");
    }

    fn what_was_done_to_the_entries_is_told_apart(db: TestDatabase) {
        two_accounts(&db);
        db.sql("CREATE TABLE kept AS SELECT * FROM entries");
        let of_5 = "account_id = 1 AND seq";
        let swap = format!(
            "UPDATE entries SET seq = 100 WHERE {of_5} = 4; UPDATE entries SET seq = 4 WHERE {of_5} = 5; \
             UPDATE entries SET seq = 5 WHERE {of_5} = 100"
        );
        let insert = format!(
            "UPDATE entries SET seq = seq + 100 WHERE {of_5} >= 4; UPDATE entries SET seq = seq - 99 WHERE {of_5} > 100; \
             INSERT INTO entries SELECT * FROM kept WHERE {of_5} = 4"
        );
        let cases = [
            (format!("UPDATE entries SET description = 'x' WHERE {of_5} = 4"), ("4", "edited")),
            (format!("UPDATE entries SET balance_delta = balance_delta - 1 WHERE {of_5} = 4"), ("4", "edited")),
            (format!("UPDATE entries SET hash = (SELECT hash FROM kept WHERE {of_5} = 2) WHERE {of_5} = 4"), ("4", "hash_changed")),
            (format!("DELETE FROM entries WHERE {of_5} BETWEEN 4 AND 5"), ("6", "deleted")),
            (format!("DELETE FROM entries WHERE {of_5} = 4; UPDATE entries SET seq = seq - 1 WHERE {of_5} = 5; \
                UPDATE entries SET seq = seq - 1 WHERE {of_5} = 6; UPDATE entries SET seq = seq - 1 WHERE {of_5} = 7; \
                UPDATE entries SET seq = seq - 1 WHERE {of_5} = 8"), ("4", "deleted")),
            (swap, ("4", "reordered")),
            (insert, ("5", "inserted")),
            (format!("DELETE FROM entries WHERE {of_5} >= 7; UPDATE balances SET last_seq = 6, \
                balance = (SELECT balance_after FROM kept WHERE {of_5} = 6), total_spent = 1500, \
                chain_head = (SELECT hash FROM kept WHERE {of_5} = 6) WHERE account_id = 1"), ("7", "cut")),
        ];
        db.sql("CREATE TABLE rows_kept AS SELECT * FROM balances");
        for (damage, (record, kind)) in cases {
            db.unguarded(&damage);
            let (code, report) = deep(&db);
            assert_eq!(code, 6, "{damage}");
            assert_eq!(first_entry(&report), ("5".into(), record.into(), kind.into()), "{damage}: {report:#}");
            assert_eq!(json(&db, "verify-sync --deep --fix --no-backup").expect_code(6).data()["fixed"], 0);
            db.unguarded("DELETE FROM entries; INSERT INTO entries SELECT * FROM kept; DELETE FROM balances; \
                INSERT INTO balances SELECT * FROM rows_kept");
        }
        assert_eq!(deep(&db).0, 0);
    }

    fn balance_rows_are_repaired_and_nothing_else(db: TestDatabase) {
        one_of_everything(&db);
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 2");
        assert_eq!(deep(&db).0, 1);
        assert_eq!(json(&db, "verify-sync --deep --fix --no-backup").expect_code(0).data()["fixed"], 1);
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 1");
        db.unguarded("UPDATE holds SET committed = committed + 1, released = released - 1 WHERE number = 1");
        let fixed = json(&db, "verify-sync --deep --fix --no-backup").expect_code(6).data();
        assert_eq!((fixed["fixed"].as_u64(), fixed["needs_attention"].as_u64()), (Some(1), Some(1)));
        let (code, report) = deep(&db);
        assert_eq!(code, 6);
        let rows = report["differences"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["field"] == "holds" && row["record"] == "1" && row["kind"] == "wrong"), "{report:#}");
        assert_eq!(rows.len(), 2);
    }
}
