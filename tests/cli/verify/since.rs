//! `verify-sync --since-last`: only what is new is summed, and nothing that could be wrong is passed over.

use serde_json::Value;

use crate::cli::{balance, charge, json, json_at, with_balance};
use crate::common::{TestDatabase, on_both_engines};

/// Exit code and report.
fn since(db: &TestDatabase) -> (i32, Value) {
    let output = json(db, "verify-sync --since-last");
    (output.code, output.data())
}

fn full(db: &TestDatabase) -> (i32, Value) {
    let output = json(db, "verify-sync");
    (output.code, output.data())
}

/// Users 5 and 6 with three entries each, all proven; then two more of user 5.
fn two_accounts(db: &TestDatabase) {
    with_balance(db, "1000");
    json(db, "account create --user-id 6").expect_code(0);
    json(db, "recharge --user-id 6 --amount 1000 --method momo").expect_code(0);
    for n in 1..=2 {
        charge(db, "10", &format!("early-{n}")).expect_code(0);
        json(db, "charge --user-id 6 --amount 10 --service vps").expect_code(0);
    }
    json(db, "verify-sync").expect_code(0);
    for n in 1..=2 {
        charge(db, "10", &format!("late-{n}")).expect_code(0);
    }
}

fn first(report: &Value, member: &str) -> Value {
    report["differences"][0][member].clone()
}

fn proofs(db: &TestDatabase) -> String {
    db.sql(
        "SELECT account_id, seq, balance, held, debt, total_recharged, total_spent, chain_head FROM proofs \
         ORDER BY account_id",
    )
}

fn rows(db: &TestDatabase) -> String {
    db.sql(
        "SELECT account_id, last_seq, balance, held, debt, total_recharged, total_spent, chain_head FROM balances \
         ORDER BY account_id",
    )
}

on_both_engines! {
    fn only_new_entries_are_summed_and_the_digest_is_the_full_ones(db: TestDatabase) {
        two_accounts(&db);
        let (code, report) = since(&db);
        assert_eq!((code, report["summed"].as_u64(), report["entries"].as_u64()), (0, Some(2), Some(8)));
        assert_eq!(proofs(&db), rows(&db));
        let (code, again) = since(&db);
        assert_eq!((code, again["summed"].as_u64(), again["entries"].as_u64()), (0, Some(0), Some(8)));
        let (code, whole) = full(&db);
        assert_eq!((code, whole["summed"].as_u64(), whole["entries"].as_u64()), (0, Some(8), Some(8)));
        assert_eq!([&report["digest"], &again["digest"]], [&whole["digest"], &whole["digest"]]);
        let told = db.ledger().run_words("verify-sync --since-last").expect_code(0).stdout;
        assert!(told.contains("Summed: 0 entries, the others by what was proven before\n"), "{told}");
    }

    fn accounts_without_a_proof_are_summed_in_full(db: TestDatabase) {
        with_balance(&db, "1000");
        charge(&db, "10", "a").expect_code(0);
        assert_eq!(since(&db).1["summed"], 2);
        json(&db, "account create --user-id 6").expect_code(0);
        json(&db, "recharge --user-id 6 --amount 3 --method momo").expect_code(0);
        assert_eq!(since(&db).1["summed"], 1);
        db.sql("DELETE FROM proofs WHERE account_id = 1");
        assert_eq!(since(&db).1["summed"], 2);
        assert_eq!(proofs(&db), rows(&db));
    }

    fn an_entry_that_was_made_for_an_earlier_time_is_not_missed(db: TestDatabase) {
        two_accounts(&db);
        since(&db);
        json_at(&db, "2020-01-01T00:00:00Z", "charge --user-id 6 --amount 1 --service vps").expect_code(0);
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 2");
        let (code, report) = since(&db);
        assert_eq!((code, first(&report, "user_id").as_str(), report["digest"].as_str()), (1, Some("6"), full(&db).1["digest"].as_str()));
    }

    fn a_row_that_was_changed_by_hand_is_found_with_and_without_new_entries(db: TestDatabase) {
        two_accounts(&db);
        let good = rows(&db);
        for (id, user) in [(1, "5"), (2, "6")] {
            for (field, value) in [("balance", "1"), ("held", "1"), ("debt", "1"), ("total_recharged", "1"), ("total_spent", "7"), ("last_seq", "9"), ("settings_revision", "5"), ("last_seq", "2")] {
                db.sql(&format!("UPDATE balances SET {field} = {value} WHERE account_id = {id}"));
                let (code, found) = since(&db);
                assert_eq!((code, first(&found, "field").as_str(), first(&found, "user_id").as_str()), (1, Some(field), Some(user)));
                assert_eq!(found["needs_attention"], 1);
                json(&db, "verify-sync --since-last --fix --no-backup").expect_code(0);
                assert_eq!(rows(&db), good, "{field}");
            }
        }
        db.sql("DELETE FROM balances WHERE account_id = 2");
        assert_eq!(first(&since(&db).1, "field"), "row");
        json(&db, "verify-sync --since-last --fix --no-backup").expect_code(0);
        assert_eq!(rows(&db), good);
    }

    fn an_entry_beyond_the_balance_row_is_found_and_the_row_mended(db: TestDatabase) {
        two_accounts(&db);
        since(&db);
        db.sql("CREATE TABLE kept AS SELECT * FROM balances");
        charge(&db, "100", "crashed").expect_code(0);
        db.sql(
            "UPDATE balances SET (balance, total_spent, last_seq, chain_head) = (SELECT balance, total_spent, last_seq, \
             chain_head FROM kept WHERE kept.account_id = balances.account_id); DROP TABLE kept",
        );
        let (code, found) = since(&db);
        assert_eq!((code, first(&found, "field").as_str()), (1, Some("balance")));
        json(&db, "verify-sync --since-last --fix --no-backup").expect_code(0);
        assert_eq!(balance(&db), "860.00");
        assert_eq!(since(&db).0, 0);
    }

    fn a_tail_that_is_cut_with_its_row_is_found_by_what_was_proven(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("DELETE FROM entries WHERE account_id = 2 AND seq = 3; UPDATE balances SET last_seq = 2, balance = 99000, \
             total_spent = 1000, chain_head = (SELECT hash FROM entries WHERE account_id = 2 AND seq = 2) WHERE account_id = 2");
        for (code, found) in [since(&db), full(&db), since(&db)] {
            assert_eq!((code, first(&found, "first_broken_entry").as_i64()), (6, Some(3)));
            assert_eq!(first(&found, "actual"), "an earlier verify-sync has proven it and it is gone");
        }
        json(&db, "verify-sync --since-last --fix --no-backup").expect_code(6);
        // Another entry in its place, with everything computed anew, is not the one that was proven.
        json(&db, "charge --user-id 6 --amount 20 --service vps").expect_code(0);
        for (code, found) in [since(&db), full(&db)] {
            assert_eq!((code, first(&found, "first_broken_entry").as_i64()), (6, Some(3)));
            assert_eq!(first(&found, "actual"), "it is not the entry that an earlier verify-sync has proven");
        }
    }

    fn what_is_left_of_a_tail_that_was_cut_is_adopted_by_no_repair(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("DELETE FROM entries WHERE account_id = 2 AND seq = 3");
        let row = rows(&db);
        for line in ["rebuild", "rebuild --user-id 6", "verify-sync --rebuild", "verify-sync --fix", "verify-sync --fix --since-last"] {
            let told = json(&db, &format!("{line} --no-backup")).expect_code(6).data();
            assert_eq!((&told["fixed"], first(&told, "first_broken_entry").as_i64()), (&0.into(), Some(3)), "{line}");
            assert_eq!(rows(&db), row, "{line}");
            assert_eq!(db.sql("SELECT account_id, cause FROM alerts WHERE closed_at IS NULL"), "2|verify:broken", "{line}");
        }
    }

    fn what_is_left_of_an_account_that_never_moved_is_removed_for_good(db: TestDatabase) {
        two_accounts(&db);
        json(&db, "account create --user-id 7").expect_code(0);
        assert_eq!(full(&db).0, 0);
        db.unguarded("DELETE FROM accounts WHERE id = 3");
        assert_eq!((since(&db).0, full(&db).0), (1, 1));
        assert_eq!(json(&db, "verify-sync --fix --no-backup").expect_code(0).data()["fixed"], 1);
        assert_eq!((since(&db).0, full(&db).0), (0, 0));
    }

    fn an_account_that_is_gone_as_a_whole_is_found_by_what_was_proven(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("DELETE FROM entries WHERE account_id = 2; DELETE FROM balances WHERE account_id = 2; DELETE FROM accounts WHERE id = 2");
        for (code, found) in [since(&db), full(&db)] {
            assert_eq!((code, first(&found, "account").as_i64(), first(&found, "first_broken_entry").as_i64()), (6, Some(2), Some(3)));
        }
    }

    fn damage_among_the_new_entries_is_found(db: TestDatabase) {
        two_accounts(&db);
        let damages = [
            "DELETE FROM entries WHERE account_id = 1 AND seq = 4",
            "UPDATE entries SET balance_delta = balance_delta - 1 WHERE account_id = 1 AND seq = 4",
            "UPDATE entries SET balance_after = balance_after - 1 WHERE account_id = 1 AND seq = 5",
            "UPDATE entries SET kind = 'penalty', balance_delta = -999 WHERE account_id = 1 AND seq = 4",
        ];
        db.sql("CREATE TABLE kept AS SELECT * FROM entries");
        for damage in damages {
            db.unguarded(damage);
            let (code, found) = since(&db);
            assert_eq!((code, first(&found, "user_id").as_str()), (6, Some("5")), "{damage}: {found}");
            db.unguarded("DELETE FROM entries; INSERT INTO entries SELECT * FROM kept");
        }
        assert_eq!(since(&db).0, 0);
    }

    fn a_proof_that_was_changed_by_hand_is_never_built_upon_in_silence(db: TestDatabase) {
        two_accounts(&db);
        let good = rows(&db);
        for field in ["balance", "held", "debt", "total_recharged", "total_spent"] {
            for also in [false, true] {
                db.sql(&format!("UPDATE proofs SET {field} = {field} + 7"));
                if also && !field.starts_with("total") {
                    // Together with the row that it would excuse.
                    db.sql(&format!("UPDATE balances SET {field} = {field} + 7"));
                    let (code, found) = since(&db);
                    assert_eq!((code, first(&found, "field").as_str(), found["needs_attention"].as_u64()), (1, Some(field), Some(2)));
                    json(&db, "verify-sync --since-last --fix --no-backup").expect_code(0);
                    assert_eq!(rows(&db), good);
                }
                let (code, report) = since(&db);
                assert_eq!((code, report["in_sync"].as_u64()), (0, Some(2)), "{field}");
                assert_eq!(proofs(&db), good, "{field}");
            }
        }
        for change in ["seq = seq - 1", "seq = seq + 1", "chain_head = (SELECT hash FROM entries WHERE account_id = 1 AND seq = 1)"] {
            db.sql(&format!("CREATE TABLE kept AS SELECT * FROM proofs; UPDATE proofs SET {change} WHERE account_id = 2"));
            let (code, found) = since(&db);
            assert_eq!((code, first(&found, "user_id").as_str()), (6, Some("6")), "{change}");
            db.sql("DELETE FROM proofs; INSERT INTO proofs SELECT * FROM kept; DROP TABLE kept");
        }
        assert_eq!(since(&db).0, 0);
    }

    fn what_it_cannot_see_is_left_to_the_full_pass(db: TestDatabase) {
        two_accounts(&db);
        db.unguarded("UPDATE entries SET balance_delta = balance_delta - 1 WHERE account_id = 2 AND seq = 2");
        assert_eq!(since(&db).0, 0);
        assert_eq!(full(&db).0, 6);
    }
}
