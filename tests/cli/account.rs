//! `account` and `currency`.

use super::{balance, with_balance};
use crate::common::on_both_engines;

on_both_engines! {
    fn a_reason_is_a_text_as_any_other(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        let long = "x".repeat(5_000);
        for reason in ["a\u{200d}b", "a\u{202e}b", "a\u{85}b", &long] {
            let change = |words: &str| {
                let words: Vec<&str> = words.split(' ').chain(["--user-id", "5", "--reason", reason, "--format", "json"]).collect();
                db.ledger().run(&words).expect_code(2)
            };
            for words in ["account lock", "account unlock", "account close", "account set --charges-per-minute 5"] {
                assert_eq!(change(words).error_code(), "invalid_input");
            }
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM operations WHERE command <> 'account create' AND account_id > 0"), "0");
    }

    fn a_database_that_cannot_be_asked_is_not_the_fault_of_a_line(db: TestDatabase) {
        db.sql("ALTER TABLE currencies RENAME TO gone");
        let users = "user_id,currency\n5,POINTS\n";
        let refused = db.ledger().run_with_stdin(&["account", "import", "-", "--format", "json"], users);
        assert_eq!(refused.expect_code(3).error_code(), "schema");
    }

    fn imported_accounts_have_the_threshold_of_their_line_or_the_one_that_is_set(db: TestDatabase) {
        let users = "user_id,low_balance_threshold\n5,\n6,7\n";
        let ledger = db.ledger().env("LEDGER_LOW_BALANCE_THRESHOLD", "100");
        ledger.run_with_stdin(&["account", "import", "-"], users).expect_code(0);
        assert_eq!(db.sql("SELECT user_id, low_balance_threshold FROM accounts ORDER BY id"), "5|10000\n6|700");
        let wrong = ledger.env("LEDGER_LOW_BALANCE_THRESHOLD", "0.001").run_with_stdin(&["account", "import", "-"], "user_id\n8\n");
        assert!(wrong.expect_code(7).stdout.contains("line 2"));
    }

    fn somebody_may_be_ready_to_wait_for_years(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5 --lock-timeout 3650d").expect_code(0);
    }

    fn creating_twice_leaves_the_account_alone(db: TestDatabase) {
        let create = "account create --user-id 5 --low-balance-threshold 10000 --format json";
        assert_eq!(db.ledger().run_words(create).expect_code(0).data()["created"], true);
        let again = db.ledger().run_words("account create --user-id 5 --format json").expect_code(0).data();
        assert_eq!(again["created"], false);
        assert_eq!(again["low_balance_threshold"], "10000.00");
    }

    fn an_account_is_a_user_in_one_currency(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        db.ledger().run_words("account create --user-id 5 --currency VND").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --amount 1500 --method momo --currency VND").expect_code(0);
        let vnd = db.ledger().run_words("balance --user-id 5 --currency VND --format json").data();
        assert_eq!((vnd["balance"].as_str(), vnd["currency"].as_str()), (Some("1500"), Some("VND")));
        assert_eq!(balance(&db), "0.00");
        let eur = db.ledger().run_words("charge --user-id 5 --amount 1 --service vps --currency EUR --format json");
        assert_eq!(eur.expect_code(1).error_code(), "not_found");
    }

    fn units_beyond_iso_are_added(db: TestDatabase) {
        let unknown = db.ledger().run_words("account create --user-id 5 --currency FCFA --format json").expect_code(2);
        assert!(unknown.stderr.contains("ledger currency add FCFA"), "{}", unknown.stderr);
        db.ledger().run_words("currency add FCFA --exponent 2").expect_code(0);
        db.ledger().run_words("currency add FCFA --exponent 2").expect_code(0);
        db.ledger().run_words("currency add FCFA --exponent 3").expect_code(2);
        db.ledger().run_words("currency add USD --exponent 3").expect_code(2);
        db.ledger().run_words("account create --user-id 5 --currency FCFA").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --amount 41.84 --method momo --currency FCFA").expect_code(0);
        let refused = db.ledger().run_words("account close --user-id 5 --currency FCFA --format json").expect_code(1);
        assert_eq!(refused.error()["error"]["details"]["balance"], "41.84");
        let view = db.ledger().run_words("balance --user-id 5 --currency FCFA --format json").data();
        assert_eq!(view["balance"], "41.84");
        assert_eq!(db.ledger().run_words("currency list --format ndjson").stdout, "{\"code\":\"FCFA\",\"exponent\":2}\n");
    }

    fn only_an_empty_account_closes(db: TestDatabase) {
        with_balance(&db, "10");
        let refused = db.ledger().run_words("account close --user-id 5 --format json").expect_code(1);
        assert_eq!(refused.error_code(), "account_not_empty");
        crate::cli::charge(&db, "10", "k").expect_code(0);
        db.ledger().run_words("account close --user-id 5").expect_code(0);
        let closed = db.ledger().run_words("recharge --user-id 5 --amount 1 --method momo --format json").expect_code(1);
        assert_eq!(closed.error_code(), "account_closed");
    }

    fn settings_are_set_removed_and_recorded(db: TestDatabase) {
        with_balance(&db, "10");
        db.ledger().run_words("account set --user-id 5 --low-balance-threshold 12.50 --charges-per-minute 60").expect_code(0);
        let view = db.ledger().run_words("account show --user-id 5 --format json").data();
        assert_eq!((view["low_balance_threshold"].as_str(), view["low_balance"].as_bool()), (Some("12.50"), Some(true)));
        assert_eq!(view["charges_per_minute"], 60);
        db.ledger().run_words("account set --user-id 5 --charges-per-minute none").expect_code(0);
        let view = db.ledger().run_words("account show --user-id 5 --format json").data();
        assert!(view["charges_per_minute"].is_null());
        assert_eq!(db.sql("SELECT command, actor FROM operations WHERE command = 'account set' ORDER BY id"), "account set|tester\naccount set|tester");
    }

    fn imports_new_users_and_names_the_lines_it_refuses(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        let csv = "user_id,currency,low_balance_threshold\n5,USD,\n6,,10\n7,VND,\n,USD,\n8,NOPE,\n9,USD,-1\n";
        let output = db.ledger().run_with_stdin(&["account", "import", "-", "--format", "json"], csv).expect_code(7);
        let data = output.data();
        assert_eq!((data["created"].as_u64(), data["existing"].as_u64()), (Some(2), Some(1)));
        let lines: Vec<u64> = data["refused"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, [5, 6, 7]);
        let windows = format!("\r\n{}", csv.replace('\n', "\r\n\r\n"));
        let output = db.ledger().run_with_stdin(&["account", "import", "-", "--format", "json"], windows).expect_code(7);
        let lines: Vec<u64> = output.data()["refused"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, [10, 12, 14], "empty lines are lines");
        let again = db.ledger().run_with_stdin(&["account", "import", "-"], "{\"user_id\":6}\n{\"user_id\":\"10\"}\n");
        assert_eq!(again.expect_code(0).stdout, "Created   1 accounts\nExisting  1 accounts\nRefused   0 lines\n");
        let list = db.ledger().run_words("account list --format json").data();
        let users: Vec<_> = list["accounts"].as_array().unwrap().iter().map(|a| a["user_id"].as_str().unwrap().to_string()).collect();
        assert_eq!(users, ["5", "6", "7", "10"]);
    }
}
