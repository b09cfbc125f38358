//! A server of a cluster that is away: its accounts are refused, the others are served, and the night names what it has
//! not seen.
//!
//! Imitated by policies that say what a coordinator says, as soon as a row of such an account is touched.

use crate::common::{Engine, Ledger, TestDatabase};

/// Who connects is bound by the policies, unlike the owner of the tables.
const IMITATION: &str = "
    CREATE TABLE away (account BIGINT);
    CREATE FUNCTION is_there(account BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF EXISTS (SELECT FROM away WHERE away.account = $1) THEN
            RAISE 'connection to the remote node ledger@worker-2:5432 failed with the following error: Connection refused'
            USING ERRCODE = '08006';
        END IF;
        RETURN true;
    END $$;
    DO $$
    DECLARE name TEXT;
    BEGIN
        EXECUTE format('CREATE ROLE clerk_%s LOGIN', current_database());
        EXECUTE format('GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk_%s', current_database());
        FOR name IN
            SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name)
            WHERE columns.table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'account_id'
        LOOP
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY node ON %I USING (is_there(account_id))', name);
        END LOOP;
    END $$";

/// Users 1 to 6 with 100 each; accounts 2 and 5 are on the server that will be away.
fn cluster() -> (TestDatabase, Ledger) {
    let db = TestDatabase::fresh(Engine::Postgres);
    for user in 1..=6 {
        db.ledger().fund(&user.to_string(), "100");
    }
    db.sql(IMITATION);
    let clerk = format!("user=clerk_{}", db.sql("SELECT current_database()"));
    let clerk = db.url.replace("user=ledger", &clerk);
    let ledger = db.ledger().env("DATABASE_URL", &clerk);
    (db, ledger)
}

fn leave(db: &TestDatabase) {
    db.sql("INSERT INTO away VALUES (2), (5)");
}

fn come_back(db: &TestDatabase) {
    db.sql("DELETE FROM away");
}

#[test]
fn its_accounts_are_refused_and_no_others() {
    let (db, ledger) = cluster();
    leave(&db);
    for user in 1..=6 {
        let key = format!("k{user}");
        let charge = |ledger: &Ledger| {
            let words =
                format!("charge --user-id {user} --amount 1 --service vps --idempotency-key {key} --format json");
            ledger.run_words(&words)
        };
        if [2, 5].contains(&user) {
            let refused = charge(&ledger).expect_code(4);
            assert_eq!(refused.error_code(), "unreachable");
            let message = refused.error()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains("worker-2") && message.contains(&key), "{message}");
        } else {
            assert_eq!(charge(&ledger).expect_code(0).data()["outcome"], "applied");
        }
    }
    come_back(&db);
    for user in [2, 5] {
        let words = format!("charge --user-id {user} --amount 1 --service vps --idempotency-key k{user} --format json");
        assert_eq!(ledger.run_words(&words).expect_code(0).data()["outcome"], "applied");
    }
}

#[test]
fn a_file_goes_on_without_its_accounts_and_is_completed_later() {
    let (db, ledger) = cluster();
    let line = |number: usize| {
        let user = number % 6 + 1;
        format!(r#"{{"op":"charge","user_id":"{user}","amount":"1","service":"vps","idempotency_key":"{number}"}}"#)
            + "\n"
    };
    let file: String = (0..60).map(line).collect();
    leave(&db);
    let rows = ledger
        .run_with_stdin(&["apply", "-"], &file)
        .expect_code(7)
        .json_lines();
    for (number, row) in rows.iter().enumerate() {
        if [2, 5].contains(&(number % 6 + 1)) {
            assert_eq!(row["error"]["code"], "unreachable", "{row}");
        } else {
            assert_eq!(row["ok"], true, "{row}");
        }
    }
    come_back(&db);
    let rows = ledger
        .run_with_stdin(&["apply", "-"], &file)
        .expect_code(0)
        .json_lines();
    assert!(rows.iter().all(|row| row["ok"] == true));
    assert_eq!(db.sql("SELECT DISTINCT balance FROM balances"), "9000");
    ledger.run_words("verify-sync --deep").expect_code(0);
}

#[test]
fn the_night_looks_at_all_others_and_names_what_it_has_not_seen() {
    let (db, ledger) = cluster();
    leave(&db);
    for depth in ["", " --since-last", " --deep", " --accounts 1-6"] {
        let report = ledger
            .run_words(&format!("verify-sync{depth} --format json"))
            .expect_code(4)
            .data();
        assert_eq!(
            (&report["checked"], &report["in_sync"]),
            (&4.into(), &4.into()),
            "{report}"
        );
        assert_eq!(report["digest"], serde_json::Value::Null);
        let unseen = report["unseen"].as_array().unwrap().iter();
        let unseen: Vec<_> = unseen.map(|account| account["user_id"].as_str().unwrap()).collect();
        assert_eq!(unseen, ["2", "5"], "{depth}");
    }
    let told = ledger.run_words("verify-sync").expect_code(4);
    assert!(
        told.stdout.contains("Not looked at: user 2 in USD, user 5 in USD"),
        "{}",
        told.stdout
    );
}

#[test]
fn what_can_be_seen_is_mended_meanwhile() {
    let (db, ledger) = cluster();
    db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id IN (2, 3)");
    leave(&db);
    ledger.run_words("verify-sync").expect_code(1);
    let report = ledger
        .run_words("verify-sync --fix --format json")
        .expect_code(4)
        .data();
    assert_eq!((&report["fixed"], &report["needs_attention"]), (&1.into(), &0.into()));
    ledger.run_words("rebuild").expect_code(4);
    come_back(&db);
    let report = ledger
        .run_words("verify-sync --fix --format json")
        .expect_code(0)
        .data();
    assert_eq!((&report["fixed"], &report["checked"]), (&1.into(), &6.into()));
}
