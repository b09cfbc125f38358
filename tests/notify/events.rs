//! What is written, and with which cause.

use std::fs;

use serde_json::{Value, json};

use super::{funded, kinds, kinds_of, refused, words};
use crate::common::{Output, TestDatabase, on_both_engines};

fn charge(db: &TestDatabase, amount: &str, key: &str) -> Output {
    words(
        db,
        &format!("charge --user-id 5 --amount {amount} --service vps --idempotency-key {key}"),
    )
}

fn payloads(db: &TestDatabase) -> Vec<Value> {
    let rows = db.sql("SELECT payload FROM outbox ORDER BY account_id, number");
    rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect()
}

on_both_engines! {
    fn each_cause_has_its_event(db: TestDatabase) {
        funded(&db, "5", "100");
        charge(&db, "50.01", "a").expect_code(0);
        words(&db, "charge --user-id 5 --amount 80 --service vps --reference V:1 --idempotency-key b --suspend").expect_code(1);
        words(&db, "recharge --user-id 5 --amount 60 --method momo --pending --reference I:2").expect_code(0);
        words(&db, "recharge complete r1-2").expect_code(0);
        words(&db, "suspend --user-id 5 --reason abuse").expect_code(0);
        words(&db, "resume --user-id 5").expect_code(0);

        assert_eq!(kinds_of(&db, 1), [
            "recharge_completed", "low_balance", "charge_refused", "suspended", "recharge_completed", "resumed",
            "suspended", "resumed",
        ]);
        let payloads = payloads(&db);
        assert_eq!(payloads[1], json!({"balance": "49.99", "threshold": "50.00", "entry": 2}));
        assert_eq!((&payloads[2]["reference"], &payloads[2]["details"]["short_of"]), (&"V:1".into(), &"30.01".into()));
        assert_eq!((&payloads[3]["reason"], &payloads[3]["required"]), (&"could not pay for vps".into(), &"80.00".into()));
        assert_eq!((&payloads[4]["recharge"], &payloads[4]["balance"]), (&"r1-2".into(), &"109.99".into()));
        assert_eq!((&payloads[7]["reason"], &payloads[7]["resumed_by"]), (&"abuse".into(), &"tester".into()));
    }

    fn a_balance_is_low_once_per_crossing(db: TestDatabase) {
        funded(&db, "5", "100");
        let low = || kinds_of(&db, 1).iter().filter(|kind| *kind == "low_balance").count();
        // To the threshold, below it, further down, up again, and down by whatever takes it there.
        for (line, expected) in [
            ("charge --user-id 5 --amount 50 --service vps", 0),
            ("charge --user-id 5 --amount 0.01 --service vps", 1),
            ("charge --user-id 5 --amount 1 --service vps", 1),
            ("penalty --user-id 5 --amount 1 --reason late", 1),
            ("recharge --user-id 5 --amount 52.01 --method momo", 1),
            ("freeze --user-id 5 --amount 90", 2),
            ("refund --hold h1-6", 2),
            ("adjust --user-id 5 --amount -90 --reason test", 3),
        ] {
            let line = line.replace("h1-6", &db.sql("SELECT 'h1-' || MAX(number) FROM holds"));
            words(&db, &line).expect_code(0);
            assert_eq!(low(), expected, "{line}");
        }
        // A threshold that is moved is not a balance that moves.
        words(&db, "account set --user-id 5 --low-balance-threshold 1000").expect_code(0);
        assert_eq!(low(), 3);
    }

    fn without_a_threshold_a_charge_writes_nothing_more(db: TestDatabase) {
        words(&db, "account create --user-id 5").expect_code(0);
        words(&db, "recharge --user-id 5 --amount 100 --method momo").expect_code(0);
        charge(&db, "100", "a").expect_code(0);
        assert_eq!(kinds_of(&db, 1), ["recharge_completed"]);
    }

    fn a_key_that_comes_again_tells_nothing_again(db: TestDatabase) {
        funded(&db, "5", "100");
        for _ in 0..3 {
            charge(&db, "60", "a").expect_code(0);
        }
        charge(&db, "70", "a").expect_code(1);
        words(&db, "intents replay a --user-id 5").expect_code(0);
        assert_eq!(kinds_of(&db, 1), ["recharge_completed", "low_balance"]);
        // A refused one is judged anew under its key: another attempt, another refusal.
        charge(&db, "70", "b").expect_code(1);
        charge(&db, "70", "b").expect_code(1);
        assert_eq!(kinds_of(&db, 1).len(), 4);
        assert_eq!(db.sql("SELECT COUNT(*) FROM intents WHERE state = 'refused'"), "2");
    }

    fn what_is_rolled_back_tells_nothing(db: TestDatabase) {
        funded(&db, "5", "100");
        let file = db.directory().join("lines.ndjson");
        let line = |amount: &str, key: &str| {
            format!(r#"{{"op":"charge","user_id":"5","amount":"{amount}","service":"vps","idempotency_key":"{key}"}}"#)
        };
        fs::write(&file, format!("{}\n{}\n", line("60", "a"), line("70", "b"))).unwrap();
        words(&db, "apply lines.ndjson --dry-run").expect_code(7);
        words(&db, "apply lines.ndjson --atomic").expect_code(1);
        assert_eq!(kinds_of(&db, 1), ["recharge_completed"]);
        words(&db, "apply lines.ndjson").expect_code(7);
        assert_eq!(kinds_of(&db, 1), ["recharge_completed", "low_balance", "charge_refused"]);
        // Sent again, the applied line tells nothing; the refused one is judged anew.
        words(&db, "apply lines.ndjson").expect_code(7);
        assert_eq!(kinds_of(&db, 1).len(), 4);
    }

    fn an_alert_is_told_when_it_is_opened_and_not_when_it_is_seen_again(db: TestDatabase) {
        funded(&db, "5", "100");
        db.sql("UPDATE balances SET balance = 1");
        for _ in 0..2 {
            words(&db, "verify-sync").expect_code(1);
        }
        assert_eq!(kinds(&db), ["1 1 recharge_completed", "1 2 alert_opened"]);
        let alert = db.sql("SELECT id FROM alerts");
        assert_eq!((&payloads(&db)[1]["alert"], &payloads(&db)[1]["cause"]), (&alert.into(), &"verify:drift".into()));
        words(&db, "verify-sync --fix --no-backup").expect_code(0);
        db.sql("UPDATE balances SET balance = 1");
        words(&db, "verify-sync").expect_code(1);
        assert_eq!(kinds(&db).len(), 3);
    }

    fn a_cause_that_cannot_be_told_does_not_happen(db: TestDatabase) {
        funded(&db, "5", "100");
        let before = db.sql("SELECT COUNT(*) FROM entries");
        // Somebody has broken the outbox: no event is lost in silence.
        db.sql("ALTER TABLE outbox RENAME COLUMN payload TO gone");
        assert_ne!(charge(&db, "60", "a").code, 0);
        charge(&db, "10", "b").expect_code(0);
        db.sql("ALTER TABLE outbox RENAME COLUMN gone TO payload");
        assert_eq!((before, db.sql("SELECT COUNT(*) FROM entries")), ("1".into(), "2".into()));
        charge(&db, "60", "a").expect_code(0);
        assert_eq!(kinds_of(&db, 1), ["recharge_completed", "low_balance"]);
    }

    fn of_processes_that_race_one_finds_the_balance_low(db: TestDatabase) {
        for user in ["5", "6", "7"] {
            funded(&db, user, "100");
            let children: Vec<_> = (0..8)
                .map(|number| {
                    let amount = if number % 2 == 0 { "20" } else { "30" };
                    db.ledger().spawn(&["charge", "--user-id", user, "--amount", amount, "--service", "vps"])
                })
                .collect();
            for child in children {
                let code = Output::of(child).code;
                assert!([0, 1].contains(&code), "exit {code}");
            }
        }
        assert_eq!(db.sql("SELECT account_id, COUNT(*) FROM outbox WHERE kind = 'low_balance' GROUP BY account_id ORDER BY 1"), "1|1\n2|1\n3|1");
        // As many refusals as attempts that were refused, and numbers without gaps.
        assert_eq!(
            db.sql("SELECT COUNT(*) FROM outbox WHERE kind = 'charge_refused'"),
            db.sql("SELECT COUNT(*) FROM intents WHERE state = 'refused'"),
        );
        assert_eq!(db.sql("SELECT COUNT(*) FROM (SELECT account_id FROM outbox GROUP BY account_id HAVING MAX(number) <> COUNT(*)) AS gaps"), "0");
    }

    fn refusals_without_the_accounts_lock_are_numbered_one_after_the_other(db: TestDatabase) {
        funded(&db, "5", "1");
        let children: Vec<_> = (0..12)
            .map(|_| db.ledger().spawn(&["charge", "--user-id", "5", "--amount", "20", "--service", "vps"]))
            .collect();
        for child in children {
            Output::of(child).expect_code(1);
        }
        assert_eq!(db.sql("SELECT COUNT(*), MAX(number), COUNT(DISTINCT delivery_id) FROM outbox"), "13|13|13");
    }

    fn a_bulk_run_and_single_refusals_at_the_same_time_tell_each_their_own(db: TestDatabase) {
        funded(&db, "5", "100");
        let line = |number: usize| {
            format!("{{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"9000\",\"service\":\"vps\",\"idempotency_key\":\"bulk {number}\"}}\n")
        };
        fs::write(db.directory().join("lines.ndjson"), (0..3_000).map(line).collect::<String>()).unwrap();
        let ledger = db.ledger().env("LEDGER_LOCK_TIMEOUT", "30s");
        let bulk = ledger.spawn(&["apply", "lines.ndjson", "-q"]);
        let singles: Vec<_> = (0..12)
            .map(|_| ledger.spawn(&["charge", "--user-id", "5", "--amount", "9000", "--service", "vps"]))
            .collect();
        for single in singles {
            Output::of(single).expect_code(1);
        }
        Output::of(bulk).expect_code(7);
        let told = "SELECT COUNT(*), COUNT(DISTINCT delivery_id), MAX(number) FROM outbox";
        assert_eq!(db.sql(told), "3013|3013|3013");
        assert_eq!(db.sql("SELECT COUNT(*) FROM intents WHERE state = 'refused'"), "3012");
    }

    fn the_outbox_refuses_states_that_cannot_be(db: TestDatabase) {
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        db.sql("INSERT INTO deliveries (account_id, number, channel, state, next_attempt_at) VALUES (1, 1, 'x', 'pending', 0)");
        for change in [
            "state = 'delivered'", "state = 'dead'", "state = 'lost'", "next_attempt_at = NULL", "finished_at = 1",
            "attempts = -1", "channel = ''", "number = 9",
            "state = 'delivered', next_attempt_at = NULL, finished_at = 1",
            "state = 'dead', next_attempt_at = NULL, finished_at = 1, attempts = 1",
        ] {
            let foreign_keys = if db.engine == crate::common::Engine::Sqlite { "PRAGMA foreign_keys = ON; " } else { "" };
            db.sql_fails(&format!("{foreign_keys}UPDATE deliveries SET {change}"));
        }
        db.sql("UPDATE deliveries SET state = 'delivered', next_attempt_at = NULL, finished_at = 1, attempts = 1");
        db.sql_fails("UPDATE outbox SET number = 0 WHERE number = 2");
    }
}
