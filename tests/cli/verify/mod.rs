//! `verify-sync` and `rebuild`: what is wrong is found, named, and mended from the entries.

mod anchor;
pub(crate) mod deep;
mod since;
mod stopped;
mod together;

use crate::cli::{balance, charge, digest, json, with_balance};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// An entry written and the balance row not: the row is put back to what it was before the charge.
fn crash_between_entry_and_row(db: &TestDatabase) {
    let columns = "balance, held, debt, total_recharged, total_spent, last_seq, chain_head, settings_revision";
    db.sql(&format!(
        "CREATE TABLE kept AS SELECT account_id, {columns} FROM balances"
    ));
    charge(db, "100000", "crashed").expect_code(0);
    db.sql(&format!(
        "UPDATE balances SET ({columns}) = (SELECT {columns} FROM kept WHERE kept.account_id = balances.account_id); DROP TABLE kept"
    ));
}

fn report(db: &TestDatabase, words: &str) -> (i32, serde_json::Value) {
    let output = db.ledger().run_words(&format!("{words} --format json"));
    (output.code, output.data())
}

fn all_rows(db: &TestDatabase) -> String {
    db.sql("SELECT * FROM balances ORDER BY account_id")
}

/// A balance row of an account that there is not.
fn invent_row(db: &TestDatabase) {
    db.sql(match db.engine {
        Engine::Sqlite => {
            "PRAGMA foreign_keys = OFF; \
             INSERT INTO balances (account_id, balance, chain_head) VALUES (99, 5, zeroblob(32))"
        }
        Engine::Postgres => {
            "ALTER TABLE balances DROP CONSTRAINT balances_account_id_fkey; \
             INSERT INTO balances (account_id, balance, chain_head) VALUES (99, 5, decode(repeat('00', 32), 'hex'))"
        }
    });
}

/// Three accounts with some history, one of them locked.
fn three_accounts(db: &TestDatabase) {
    with_balance(db, "1000000");
    charge(db, "1", "a").expect_code(0);
    for user in ["6", "7"] {
        db.ledger()
            .run(&["account", "create", "--user-id", user])
            .expect_code(0);
        db.ledger()
            .run(&["recharge", "--user-id", user, "--amount", "50", "--method", "paypal"])
            .expect_code(0);
    }
    db.ledger().run_words("account lock --user-id 7").expect_code(0);
}

on_both_engines! {
    fn a_crash_between_entry_and_row_is_found_fixed_and_logged(db: TestDatabase) {
        with_balance(&db, "1000000");
        crash_between_entry_and_row(&db);
        let (code, found) = report(&db, "verify-sync");
        assert_eq!((code, found["needs_attention"].as_u64()), (1, Some(1)));
        let drift = &found["differences"][0];
        assert_eq!(drift["field"], "balance");
        assert_eq!(drift["stored"], "1000000.00");
        assert_eq!(drift["actual"], "900000.00");
        assert_eq!(drift["difference"], "-100000.00");
        // Until then nothing is built upon the wrong row.
        assert_eq!(charge(&db, "1", "early").expect_code(6).error_code(), "integrity");
        let (code, fixed) = report(&db, "verify-sync --fix");
        assert_eq!((code, fixed["fixed"].as_u64(), fixed["needs_attention"].as_u64()), (0, Some(1), Some(0)));
        assert_eq!(balance(&db), "900000.00");
        assert_eq!(report(&db, "verify-sync --fix").1["fixed"], 0);
        let log = db.sql("SELECT actor, command, run_id, before, after FROM operations WHERE run_id IS NOT NULL");
        let parts: Vec<&str> = log.split('|').collect();
        assert_eq!(&parts[..3], &["tester", "verify-sync --fix", fixed["run_id"].as_str().unwrap()]);
        assert!(parts[3].contains("\"balance\":100000000") && parts[4].contains("\"balance\":90000000"), "{log}");
    }

    fn every_figure_is_compared(db: TestDatabase) {
        three_accounts(&db);
        let good = all_rows(&db);
        for (field, value) in [("balance", "1"), ("held", "1"), ("debt", "1"), ("total_recharged", "1"), ("total_spent", "7"), ("last_seq", "9"), ("settings_revision", "5")] {
            db.sql(&format!("UPDATE balances SET {field} = {value} WHERE account_id = 1"));
            let (code, found) = report(&db, "verify-sync");
            assert_eq!((code, found["differences"][0]["field"].as_str()), (1, Some(field)));
            assert_eq!(found["differences"].as_array().unwrap().len(), 1, "{field}");
            assert_eq!(report(&db, "verify-sync --fix --no-backup").0, 0);
            assert_eq!(all_rows(&db), good, "{field}");
        }
    }

    fn rows_that_name_absurd_numbers_of_entries_keep_nobody_from_looking(db: TestDatabase) {
        three_accounts(&db);
        let good = all_rows(&db);
        db.unguarded("UPDATE balances SET last_seq = 9223372036854775807 WHERE account_id < 3");
        for look in ["verify-sync", "verify-sync --since-last", "verify-sync --deep"] {
            assert_eq!(report(&db, look).1["differences"].as_array().unwrap().len(), 2, "{look}");
        }
        assert_eq!(report(&db, "verify-sync --fix --no-backup").0, 0);
        assert_eq!(all_rows(&db), good);
    }

    fn rebuild_restores_scrambled_deleted_and_invented_rows_to_the_byte(db: TestDatabase) {
        three_accounts(&db);
        let (good, before) = (all_rows(&db), digest(&db));
        db.sql("UPDATE balances SET balance = 77, held = 3, total_spent = 5 WHERE account_id = 1");
        db.sql("DELETE FROM balances WHERE account_id = 3");
        invent_row(&db);
        assert_eq!(report(&db, "verify-sync").0, 1);
        let (code, rebuilt) = report(&db, "rebuild");
        assert_eq!((code, rebuilt["fixed"].as_u64()), (0, Some(3)));
        assert_eq!(all_rows(&db), good);
        assert_eq!(digest(&db), before);
        assert_eq!(charge_user_7(&db), "account_locked");
        db.sql("UPDATE balances SET balance = 77 WHERE account_id = 2");
        assert_eq!(report(&db, "verify-sync --rebuild").1["fixed"], 1);
        assert_eq!(all_rows(&db), good);
    }

    fn one_user_can_be_looked_at_alone(db: TestDatabase) {
        three_accounts(&db);
        db.sql("UPDATE balances SET balance = 1 WHERE account_id IN (1, 2)");
        let (code, found) = report(&db, "verify-sync --user-id 6");
        assert_eq!((code, found["checked"].as_u64(), found["needs_attention"].as_u64()), (1, Some(1), Some(1)));
        assert_eq!(report(&db, "verify-sync --user-id 6 --fix").0, 0);
        assert_eq!(report(&db, "rebuild --user-id 5").1["fixed"], 1);
        assert_eq!(report(&db, "verify-sync").0, 0);
        db.ledger().run_words("verify-sync --user-id 404").expect_code(1);
    }

    fn parts_of_the_ledger_are_looked_at_and_mended_apart(db: TestDatabase) {
        three_accounts(&db);
        let right = all_rows(&db);
        for (range, users) in [("-2", ["5", "6"].as_slice()), ("2-2", &["6"]), ("3-", &["7"]), ("4-", &[])] {
            let exported = db.ledger().run_words(&format!("export --to ndjson --accounts {range}")).expect_code(0).stdout;
            let named: Vec<&str> = ["5", "6", "7"].into_iter().filter(|user| exported.contains(&format!("\"user_id\":\"{user}\""))).collect();
            assert_eq!(named, users, "{range}");
        }
        db.sql("UPDATE balances SET held = held + 1");
        // As many as there are, each in one part.
        for (range, found) in [("1-2", 2), ("-2", 2), ("3-3", 1), ("3-", 1), ("4-", 0), ("1-", 3)] {
            let (code, report) = report(&db, &format!("verify-sync --accounts {range}"));
            assert_eq!(report["checked"], found, "{range}");
            assert_eq!((code, report["needs_attention"].as_u64()), (i32::from(found > 0), Some(found)), "{range}");
        }
        assert_eq!(report(&db, "verify-sync --accounts 3- --fix").1["fixed"], 1);
        assert_eq!(report(&db, "verify-sync").1["needs_attention"], 2);
        assert_eq!(report(&db, "rebuild --accounts -2").1["fixed"], 2);
        assert_eq!(all_rows(&db), right);
        // Alerts of the others are left to the parts that they are in.
        assert_eq!(db.sql("SELECT COUNT(*) FROM alerts WHERE closed_at IS NULL"), "0");
        // What belongs to no account is in one of the parts too.
        invent_row(&db);
        assert_eq!(report(&db, "verify-sync --accounts 1-3").0, 0);
        assert_eq!(report(&db, "verify-sync --accounts 4-").0, 1);
        for wrong in ["5", "-", "5-4", "a-b", "1-2-3", "--1", "1-99999999999999999999"] {
            let refused = db.ledger().run(&["verify-sync", "--accounts", wrong, "--format", "json"]);
            assert_eq!(refused.expect_code(2).error_code(), "invalid_input", "{wrong}");
        }
    }

    fn repairs_stop_at_the_limits_given(db: TestDatabase) {
        three_accounts(&db);
        db.sql("UPDATE balances SET balance = balance - 1500 WHERE account_id IN (2, 3)");
        let wrong = all_rows(&db);
        for limit in ["--max-fixes 1", "--max-delta 14.99"] {
            let output = db.ledger().run_words(&format!("verify-sync --fix {limit} --format json")).expect_code(1);
            assert_eq!(output.error_code(), "repair_limit");
            assert_eq!(all_rows(&db), wrong);
        }
        assert_eq!(report(&db, "verify-sync --fix --max-fixes 2 --max-delta 15").1["fixed"], 2);
    }

    fn a_limit_counts_every_figure_of_a_row_that_is_missing_or_too_many(db: TestDatabase) {
        with_balance(&db, "500");
        json(&db, "freeze --user-id 5 --amount 500").expect_code(0);
        db.sql("DELETE FROM balances");
        assert_eq!(json(&db, "verify-sync --fix --max-delta 499").expect_code(1).error_code(), "repair_limit");
        json(&db, "verify-sync --fix --max-delta 500").expect_code(0);
        invent_row(&db);
        db.sql("UPDATE balances SET balance = 0, total_recharged = 7 WHERE account_id = 99");
        // Of what, nobody can tell any more.
        assert_eq!(json(&db, "verify-sync --fix --max-delta 1000").expect_code(1).error_code(), "repair_limit");
        json(&db, "verify-sync --fix").expect_code(0);
    }

    fn a_limit_counts_in_the_digits_of_each_currency(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5 --currency VND").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --currency VND --amount 5000 --method momo").expect_code(0);
        for (limit, drift, code) in [("14.99", 15, 1), ("15.00", 15, 0), ("99999999999999999999", 15, 0), ("0.5", 1, 1), ("0", 0, 0)] {
            db.sql(&format!("UPDATE balances SET balance = 5000 + {drift}, total_spent = 0"));
            db.ledger().run_words(&format!("verify-sync --fix --no-backup --max-delta {limit}")).expect_code(code);
        }
        for wrong in [".5", "5.", "-1", "1e3", "9999999999999999999999999999999999"] {
            let refused = db.ledger().run(&["verify-sync", "--fix", "--max-delta", wrong, "--format", "json"]).expect_code(2);
            assert_eq!(refused.error_code(), "invalid_amount", "{wrong}");
        }
    }

    fn entries_of_no_account_are_named_and_left_alone(db: TestDatabase) {
        three_accounts(&db);
        let insert = "INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, debt_after, at, hash, counter_account, actor) \
             SELECT 99, 1, 5, 0, 0, 'recharge', 5, 0, 0, at, hash, counter_account, actor FROM entries WHERE account_id = 1 AND seq = 1";
        match db.engine {
            Engine::Sqlite => db.sql(&format!("PRAGMA foreign_keys = OFF; {insert}")),
            Engine::Postgres => db.sql(insert),
        };
        for options in ["", " --deep", " --fix", " --accounts 4-"] {
            let (code, found) = report(&db, &format!("verify-sync{options}"));
            assert_eq!((code, found["fixed"].as_u64()), (6, Some(0)), "{options}");
            let named = &found["differences"][0];
            assert!(named["user_id"].is_null() && named["field"] == "entries", "{options}: {named}");
            // They are no account's, so every account is in sync.
            assert_eq!(found["in_sync"], found["checked"], "{options}");
        }
        for line in ["audit", "rebuild --no-backup"] {
            let (code, found) = report(&db, line);
            assert_eq!((code, found["in_sync"].as_u64()), (6, Some(3)), "{line}");
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries WHERE account_id = 99"), "1");
    }

    fn a_changed_entry_is_named_and_never_adopted(db: TestDatabase) {
        three_accounts(&db);
        charge(&db, "2", "b").expect_code(0);
        charge(&db, "3", "c").expect_code(0);
        db.unguarded("UPDATE entries SET balance_delta = -1 , balance_after = balance_after + 199 WHERE account_id = 1 AND seq = 3");
        let before = all_rows(&db);
        let (code, found) = report(&db, "verify-sync --fix");
        assert_eq!(code, 6);
        assert_eq!(found["differences"][0]["first_broken_entry"], 3);
        assert_eq!(found["fixed"], 0);
        assert_eq!(all_rows(&db), before);
        let (code, _) = report(&db, "rebuild");
        assert_eq!(code, 6);
        assert_eq!(all_rows(&db), before);
    }

    fn rebuild_names_an_edited_text_that_no_sum_shows(db: TestDatabase) {
        three_accounts(&db);
        db.unguarded("UPDATE entries SET description = 'edited' WHERE account_id = 1 AND seq = 2");
        let before = all_rows(&db);
        let (code, found) = report(&db, "rebuild");
        assert_eq!((code, found["needs_attention"].as_u64()), (6, Some(1)));
        assert_eq!(found["differences"][0]["first_broken_entry"], 2);
        assert_eq!(all_rows(&db), before);
    }

    fn a_missing_row_is_made_again_and_rebuilding_knows_no_limits(db: TestDatabase) {
        three_accounts(&db);
        let good = all_rows(&db);
        db.sql("DELETE FROM balances");
        db.ledger().run_words("verify-sync --rebuild --fix --max-fixes 1").expect_code(2);
        assert_eq!(report(&db, "verify-sync --fix --no-backup").1["fixed"], 3);
        assert_eq!(all_rows(&db), good);
    }

    fn a_deleted_entry_is_a_gap(db: TestDatabase) {
        three_accounts(&db);
        charge(&db, "2", "b").expect_code(0);
        db.unguarded("DELETE FROM entries WHERE account_id = 1 AND seq = 2");
        let (code, found) = report(&db, "verify-sync");
        assert_eq!((code, found["differences"][0]["first_broken_entry"].as_i64()), (6, Some(3)));
    }

    fn the_summary_counts_1250_accounts(db: TestDatabase) {
        let csv: String = std::iter::once("user_id\n".to_string()).chain((1..=1250).map(|n| format!("{n}\n"))).collect();
        db.ledger().run_with_stdin(&["account", "import", "-"], &csv).expect_code(0);
        for user in ["5", "6"] {
            db.ledger().run(&["recharge", "--user-id", user, "--amount", "10", "--method", "momo"]).expect_code(0);
        }
        let whole = report(&db, "verify-sync");
        db.sql("UPDATE balances SET balance = 7 WHERE account_id IN (5, 1206)");
        let (code, found) = report(&db, "verify-sync --since-last");
        assert_eq!((code, found["checked"].as_u64(), found["in_sync"].as_u64()), (1, Some(1250), Some(1248)));
        let found: Vec<_> = found["differences"].as_array().unwrap().iter().map(|row| row["account"].as_i64().unwrap()).collect();
        assert_eq!(found, [5, 1206]);
        let told = db.ledger().run_words("verify-sync --fix --no-backup").expect_code(0).stdout;
        for line in ["Checked: 1250 accounts\n", "In sync: 1248\n", "Fixed: 2\n", "Needs attention: 0\n"] {
            assert!(told.contains(line), "{told}");
        }
        let since = report(&db, "verify-sync --since-last");
        assert_eq!((since.0, &since.1["digest"], &since.1["entries"]), (0, &whole.1["digest"], &whole.1["entries"]));
    }

    fn every_run_leaves_a_record(db: TestDatabase) {
        three_accounts(&db);
        let (_, found) = report(&db, "verify-sync");
        db.sql("UPDATE balances SET balance = 1 WHERE account_id = 1");
        report(&db, "verify-sync");
        let runs = db.sql("SELECT job, actor, exit_code, digest FROM job_runs ORDER BY id");
        let digest = found["digest"].as_str().unwrap();
        assert_eq!(runs, format!("verify-sync|tester|0|{digest}\nverify-sync|tester|1|{digest}"));
    }

    fn a_run_over_a_part_is_not_taken_for_one_over_all(db: TestDatabase) {
        three_accounts(&db);
        for part in ["--user-id 6", "--accounts 1-"] {
            assert_eq!(report(&db, &format!("verify-sync {part}")).0, 0);
        }
        assert_eq!(db.sql("SELECT DISTINCT job FROM job_runs"), "verify-sync-part");
        let metrics = db.ledger().run_words("metrics --output -").expect_code(0).stdout;
        assert!(!metrics.contains("job=\"verify-sync"), "{metrics}");
        assert_eq!(report(&db, "verify-sync").0, 0);
        let metrics = db.ledger().run_words("metrics --output -").expect_code(0).stdout;
        assert!(metrics.contains("job=\"verify-sync\""), "{metrics}");
    }

    fn a_rebuild_of_a_part_is_not_taken_for_the_monthly_one(db: TestDatabase) {
        three_accounts(&db);
        for line in ["rebuild --user-id 6", "rebuild --accounts 1-", "verify-sync --rebuild --user-id 6"] {
            assert_eq!(report(&db, line).0, 0);
        }
        assert_eq!(db.sql("SELECT DISTINCT job, digest FROM job_runs"), "rebuild-part|");
        let metrics = db.ledger().run_words("metrics --output -").expect_code(0).stdout;
        assert!(!metrics.contains("job=\"rebuild") && !metrics.contains("ledger_digest_info{"), "{metrics}");
        let doctor = db.ledger().run_words("doctor --format json").stdout;
        assert!(doctor.contains("rebuild has never run"), "{doctor}");
        let (_, whole) = report(&db, "rebuild");
        assert_eq!(db.sql("SELECT digest FROM job_runs WHERE job = 'rebuild'"), whole["digest"].as_str().unwrap());
    }
}

fn charge_user_7(db: &TestDatabase) -> String {
    db.ledger()
        .run_words("charge --user-id 7 --amount 1 --service vps --format json")
        .expect_code(1)
        .error_code()
}
