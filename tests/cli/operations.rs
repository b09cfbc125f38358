//! `operations list`: every administrative act, who did it, from where, and what it changed.

use serde_json::{Value, json};

use super::{charge, json, json_at, with_balance};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// The acts that a list shows, newest first.
fn acts(db: &TestDatabase, filter: &str) -> Vec<Value> {
    let listed = json(db, &format!("operations list {filter}")).expect_code(0).data();
    listed["operations"].as_array().unwrap().clone()
}

/// The newest act, which must be of that command and of user 5, unless it is about the ledger as a whole.
#[track_caller]
fn newest(db: &TestDatabase, command: &str) -> Value {
    let act = acts(db, "--limit 1").remove(0);
    assert_eq!(act["command"], command);
    assert_eq!(act["actor"], "tester");
    let origin = act["origin"].as_str().unwrap();
    assert!(
        origin
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "{origin}"
    );
    act
}

/// What stood there before and after, of one field.
fn change<'a>(act: &'a Value, field: &str) -> (&'a Value, &'a Value) {
    (&act["before"][field], &act["after"][field])
}

on_both_engines! {
    fn every_administrative_command_leaves_its_record(db: TestDatabase) {
        assert!(newest(&db, "migrate up")["after"]["applied"].as_array().unwrap().len() > 3);
        json(&db, "currency add POINTS --exponent 0").expect_code(0);
        assert_eq!(newest(&db, "currency add")["after"], json!({"code": "POINTS", "exponent": 0}));
        json(&db, "account create --user-id 5 --low-balance-threshold 7").expect_code(0);
        let act = newest(&db, "account create");
        assert_eq!((&act["before"], &act["after"]["low_balance_threshold"]), (&Value::Null, &700.into()));
        assert_eq!((&act["user_id"], &act["currency"]), (&"5".into(), &"USD".into()));
        db.ledger().run_with_stdin(&["account", "import", "-"], "user_id\n5\n6\n").expect_code(0);
        assert_eq!(newest(&db, "account import")["user_id"], "6");

        json(&db, "account set --user-id 5 --charges-per-minute 60").expect_code(0);
        assert_eq!(change(&newest(&db, "account set"), "charges_per_minute"), (&Value::Null, &60.into()));
        json(&db, "account lock --user-id 5 --reason chargeback").expect_code(0);
        let act = newest(&db, "account lock");
        assert_eq!(change(&act, "locked"), (&false.into(), &true.into()));
        assert_eq!(act["after"]["reason"], "chargeback");
        json(&db, "account unlock --user-id 5").expect_code(0);
        assert_eq!(change(&newest(&db, "account unlock"), "locked"), (&true.into(), &false.into()));
        json(&db, "suspend --user-id 5 --reason abuse").expect_code(0);
        assert_eq!(change(&newest(&db, "suspend"), "suspended"), (&false.into(), &true.into()));
        json(&db, "resume --user-id 5").expect_code(0);
        assert_eq!(change(&newest(&db, "resume"), "suspended"), (&true.into(), &false.into()));

        json(&db, "recharge --user-id 5 --amount 10 --method momo").expect_code(0);
        json(&db, "freeze --user-id 5 --amount 3").expect_code(0);
        db.sql("UPDATE balances SET balance = 1 WHERE account_id = 1");
        let run = json(&db, "verify-sync --fix --no-backup").expect_code(0).data();
        let act = newest(&db, "verify-sync --fix");
        assert_eq!(change(&act, "balance"), (&1.into(), &700.into()));
        assert_eq!(act["run_id"], run["run_id"]);
        db.sql("UPDATE balances SET balance = 2 WHERE account_id = 1");
        json(&db, "rebuild --no-backup").expect_code(0);
        assert_eq!(change(&newest(&db, "rebuild"), "balance"), (&2.into(), &700.into()));
        db.sql("UPDATE balances SET held = 1 WHERE account_id = 1");
        json(&db, "health").expect_code(1);
        let alert = json(&db, "alerts list").expect_code(0).data()["alerts"][0]["id"].as_str().unwrap().to_owned();
        json(&db, &format!("alerts ack {alert}")).expect_code(0);
        let act = newest(&db, "alerts ack");
        assert_eq!((act["after"]["alert"].as_str(), change(&act, "acknowledged")), (Some(alert.as_str()), (&false.into(), &true.into())));
        json(&db, "health --fix --no-backup").expect_code(0);
        assert_eq!(change(&newest(&db, "health --fix"), "held"), (&1.into(), &300.into()));

        charge(&db, "1", "k").expect_code(0);
        db.sql("UPDATE intents SET state = 'pending', first_seq = NULL, last_seq = NULL WHERE idempotency_key = 'k'");
        json(&db, "intents resolve --older-than 0s").expect_code(0);
        assert_eq!(change(&newest(&db, "intents resolve"), "state"), (&"pending".into(), &"applied".into()));
        json(&db, "account close --user-id 6").expect_code(0);
        assert_eq!(change(&newest(&db, "account close"), "closed"), (&false.into(), &true.into()));
    }

    fn what_changes_nothing_leaves_no_record(db: TestDatabase) {
        with_balance(&db, "10");
        json(&db, "account lock --user-id 5").expect_code(0);
        let before = db.sql("SELECT id FROM operations ORDER BY id");
        for (words, code) in [
            ("account create --user-id 5", 0), ("account lock --user-id 5", 0), ("account close --user-id 5", 1),
            ("resume --user-id 5", 0), ("verify-sync --fix", 0), ("rebuild", 0), ("health --fix", 0),
            ("migrate up", 0), ("intents resolve", 0), ("operations list", 0), ("account unlock --user-id 404", 1),
            ("currency add USD --exponent 2", 0),
        ] {
            json(&db, words).expect_code(code);
        }
        assert_eq!(db.sql("SELECT id FROM operations ORDER BY id"), before);
    }

    fn the_log_is_filtered(db: TestDatabase) {
        for user in ["5", "6"] {
            json(&db, &format!("account create --user-id {user}")).expect_code(0);
        }
        json_at(&db, "2026-03-02T00:00:00Z", "account lock --user-id 5").expect_code(0);
        json_at(&db, "2026-03-03T00:00:00Z", "account unlock --user-id 5").expect_code(0);
        let commands = |filter: &str| -> Vec<String> {
            acts(&db, filter).iter().map(|act| act["command"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(commands(""), ["account unlock", "account lock", "account create", "account create", "migrate up"]);
        assert_eq!(commands("--user-id 5"), ["account unlock", "account lock", "account create"]);
        assert_eq!(commands("--since 2026-03-02T00:00:00Z"), ["account unlock", "account lock"]);
        assert_eq!(commands("--since 2026-03-02T00:00:00Z --until 2026-03-03T00:00:00Z"), ["account lock"]);
        assert_eq!(commands("--limit 1"), ["account unlock"]);
        let locked = db.ledger().run(&["operations", "list", "--command", "account lock", "--format", "ndjson"]).expect_code(0);
        assert_eq!(locked.json_lines().len(), 1);
        json(&db, "operations list --user-id 404").expect_code(1);
        json(&db, "operations list --since yesterday").expect_code(2);
        // For people only what changed.
        let told = db.ledger().run_words("operations list --limit 1").expect_code(0).stdout;
        assert!(told.contains("┆ locked: true -> false"), "{told}");
        assert_eq!(db.ledger().run_words("operations list -q").expect_code(0).stdout, "");
    }
}

#[test]
fn a_sqlite_file_that_a_command_creates_or_brings_up_to_date_is_recorded() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    json(&db, "account list").expect_code(0);
    assert_eq!(acts(&db, "").len(), 1);
    newest(&db, "migrate up");
    // Without one of the migrations, as an older version left it.
    db.sql(
        "ALTER TABLE operations DROP COLUMN origin; \
         DELETE FROM __diesel_schema_migrations WHERE version = '20261122000300'",
    );
    let upgraded = newest(&db, "migrate up");
    assert_eq!(upgraded["after"], json!({"applied": ["20261122000300"]}));
    assert_eq!(acts(&db, "")[1]["origin"], Value::Null);
}
