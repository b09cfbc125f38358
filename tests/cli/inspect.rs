//! `balance --at`, `history`, `explain`.

use serde_json::Value;

use super::{balance, charge, with_balance};
use crate::common::on_both_engines;

on_both_engines! {
    fn a_past_balance_is_what_the_entries_said_then(db: TestDatabase) {
        with_balance(&db, "100");
        let args = ["charge", "--user-id", "5", "--amount", "40", "--service", "vps"];
        db.ledger().at("2026-03-02T00:00:00Z").run(&args).expect_code(0);
        let at = |time: &str| {
            let data = db.ledger().run(&["balance", "--user-id", "5", "--at", time, "--format", "json"]).expect_code(0).data();
            (data["balance"].as_str().unwrap().to_string(), data["total_spent"].as_str().unwrap().to_string())
        };
        assert_eq!(at("2026-03-01T11:59:59.999999Z"), ("0.00".into(), "0.00".into()));
        assert_eq!(at("2026-03-01T12:00:00Z"), ("100.00".into(), "0.00".into()));
        assert_eq!(at("2026-03-02T00:00:00Z"), ("60.00".into(), "40.00".into()));
    }

    fn a_missing_balance_row_is_no_balance_of_zero(db: TestDatabase) {
        with_balance(&db, "100");
        db.ledger().run_words("account create --user-id 6").expect_code(0);
        db.sql("DELETE FROM balances WHERE account_id = 1");
        for look in ["balance", "balance --require 1", "account show", "account create", "explain"] {
            let told = db.ledger().run_words(&format!("{look} --user-id 5 --format json")).expect_code(6);
            assert_eq!(told.error_code(), "integrity", "{look}");
            assert!(told.stderr.contains("`ledger verify-sync --user-id 5 --currency USD --fix`"), "{}", told.stderr);
        }
        // Who is looked for among others does not hide them, nor is it hidden.
        let listed = db.ledger().run_words("account list --format json").expect_code(6).data();
        let figure = |at: usize, name: &str| listed["accounts"][at][name].clone();
        assert_eq!((figure(0, "user_id"), figure(0, "balance"), figure(0, "last_seq")), ("5".into(), Value::Null, Value::Null));
        assert_eq!((figure(1, "user_id"), figure(1, "balance")), ("6".into(), "0.00".into()));
        let people = db.ledger().run_words("account list").expect_code(6).stdout;
        assert!(people.contains("missing") && people.contains("ledger verify-sync --fix"), "{people}");
        // What is made of the entries does not need the row.
        let past = db.ledger().run_words("balance --user-id 5 --at 2026-03-01T12:00:00Z --format json").expect_code(0);
        assert_eq!(past.data()["balance"], "100.00");
        db.ledger().run_words("history --user-id 5").expect_code(0);
        db.ledger().run_words("verify-sync --user-id 5 --currency USD --fix").expect_code(0);
        assert_eq!(balance(&db), "100.00");
    }

    fn history_is_newest_first_filtered_and_paged(db: TestDatabase) {
        with_balance(&db, "100");
        for n in 1..=5 {
            charge(&db, &n.to_string(), &format!("k{n}")).expect_code(0);
        }
        let page = |more: &str| db.ledger().run_words(&format!("history --user-id 5 --format json {more}")).expect_code(0).data();
        let seqs = |data: &serde_json::Value| -> Vec<i64> {
            data["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_i64().unwrap()).collect()
        };
        let first = page("--limit 4");
        assert_eq!((seqs(&first), first["next_before"].as_i64()), (vec![6, 5, 4, 3], Some(3)));
        let second = page("--limit 4 --before 3");
        assert_eq!((seqs(&second), second["next_before"].as_i64()), (vec![2, 1], None));
        assert_eq!(seqs(&page("--kind recharge")), [1]);
        assert_eq!(seqs(&page("--service vps --limit 1")), [6]);
        for (hour, reference) in [("13", "seven"), ("14", "eight")] {
            let args = ["charge", "--user-id", "5", "--amount", "1", "--service", "dns", "--reference", reference];
            db.ledger().at(&format!("2026-03-01T{hour}:00:00Z")).run(&args).expect_code(0);
        }
        // From the moment of the first on, and up to before the second.
        assert_eq!(seqs(&page("--since 2026-03-01T12:00:00.000001Z")), [8, 7]);
        assert_eq!(seqs(&page("--since 2026-03-01T13:00:00Z")), [8, 7]);
        assert_eq!(seqs(&page("--since 2026-03-01T13:00:00.000001Z")), [8]);
        assert_eq!(seqs(&page("--until 2026-03-01T14:00:00.000001Z --limit 2")), [8, 7]);
        assert_eq!(seqs(&page("--until 2026-03-01T14:00:00Z --limit 2")), [7, 6]);
        assert_eq!(seqs(&page("--until 2026-03-01T12:00:00Z")), Vec::<i64>::new());
        assert_eq!(seqs(&page("--since 2026-03-01T13:00:00Z --until 2026-03-01T14:00:00Z")), [7]);
        db.ledger().run_words("history --user-id 5 --kind nonsense").expect_code(2);
    }

    fn explain_says_what_the_balance_is_made_of(db: TestDatabase) {
        with_balance(&db, "100");
        charge(&db, "30", "a").expect_code(0);
        charge(&db, "20", "b").expect_code(0);
        let data = db.ledger().run_words("explain --user-id 5 --format json").expect_code(0).data();
        assert_eq!(data["balance"], "50.00");
        let parts = data["parts"].as_array().unwrap();
        assert_eq!((parts[0]["kind"].as_str(), parts[0]["balance"].as_str()), (Some("recharge"), Some("100.00")));
        assert_eq!((parts[1]["counter_account"].as_str(), parts[1]["entries"].as_i64()), (Some("revenue:vps"), Some(2)));
    }

    fn explain_adds_up_beyond_the_range_of_a_figure(db: TestDatabase) {
        let most = "92233720368547758.07";
        with_balance(&db, "0.01");
        charge(&db, "0.01", "a").expect_code(0);
        for (key, again) in [("b", "c"), ("d", "e")] {
            let up = ["adjust", "--user-id", "5", "--amount", most, "--reason", "x", "--idempotency-key", again];
            db.ledger().run(&up).expect_code(0);
            let down = format!("-{most}");
            let down = ["adjust", "--user-id", "5", "--amount", &down, "--reason", "x", "--idempotency-key", key];
            db.ledger().run(&down).expect_code(0);
        }
        for key in ["f", "g"] {
            let up = ["adjust", "--user-id", "5", "--amount", most, "--reason", "x", "--idempotency-key", key];
            db.ledger().run(&up).expect_code(0);
            if key == "f" {
                charge(&db, most, "h").expect_code(2);
            }
            if key == "f" {
                charge(&db, "92233720368547758.06", "i").expect_code(0);
                charge(&db, "0.01", "j").expect_code(2);
                let down = ["adjust", "--user-id", "5", "--amount", "-0.01", "--reason", "x"];
                db.ledger().run(&down).expect_code(0);
            }
        }
        let data = db.ledger().run_words("explain --user-id 5 --format json").expect_code(0).data();
        let parts = data["parts"].as_array().unwrap();
        let adjusted = parts.iter().find(|part| part["kind"] == "adjustment").unwrap();
        assert_eq!(adjusted["balance"], "184467440737095516.13");
        db.ledger().run_words("verify-sync").expect_code(0);
    }
}
