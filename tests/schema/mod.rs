//! The schema: the same on both engines, keyed by account, and refusing what must never be written.

mod away;
mod distribution;
mod routing;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{Engine, TestDatabase, on_both_engines};

/// Lists that do not grow with use, or whose rows belong to no account.
const NOT_BY_ACCOUNT: [&str; 5] = ["accounts", "currencies", "jobs", "job_runs", "closes"];

pub fn tables(db: &TestDatabase) -> BTreeSet<String> {
    let query = match db.engine {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'"
        }
        Engine::Postgres => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_\\_%'"
        }
    };
    db.sql(query).lines().map(str::to_string).collect()
}

/// `table.column nullable?` of every column.
fn columns(db: &TestDatabase) -> BTreeSet<String> {
    let lines = match db.engine {
        Engine::Sqlite => tables(db).iter().map(|table| {
            db.sql(&format!("SELECT '{table}.' || name || CASE WHEN \"notnull\" = 0 AND pk = 0 THEN ' NULL' ELSE '' END FROM pragma_table_info('{table}')"))
        }).collect::<Vec<_>>().join("\n"),
        Engine::Postgres => db.sql("SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN ' NULL' ELSE '' END FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_\\_%'"),
    };
    lines.lines().map(str::to_string).collect()
}

/// `table(column, ...)` of every primary and unique key.
fn keys(db: &TestDatabase) -> BTreeSet<String> {
    let lines = match db.engine {
        Engine::Sqlite => tables(db).iter().map(|table| {
            let primary = db.sql(&format!("SELECT '{table}(' || group_concat(name, ',') || ')' FROM (SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk)"));
            let unique = db.sql(&format!("SELECT '{table}(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) || ')' FROM pragma_index_list('{table}') l WHERE l.\"unique\" = 1"));
            format!("{primary}\n{unique}")
        }).collect::<Vec<_>>().join("\n"),
        Engine::Postgres => db.sql("SELECT c.relname || '(' || string_agg(a.attname, ',' ORDER BY k.n) || ')' FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace s ON s.oid = c.relnamespace AND s.nspname = 'public', unnest(i.indkey) WITH ORDINALITY k(att, n) JOIN pg_attribute a ON true WHERE a.attrelid = i.indrelid AND a.attnum = k.att AND i.indisunique AND c.relname NOT LIKE '\\_\\_%' GROUP BY i.indexrelid, c.relname"),
    };
    lines
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_string)
        .collect()
}

#[test]
fn both_engines_have_the_same_tables_columns_and_keys() {
    let [sqlite, postgres] = Engine::BOTH.map(TestDatabase::fresh);
    assert_eq!(tables(&sqlite), tables(&postgres));
    assert!(tables(&sqlite).contains("entries"));
    assert_eq!(columns(&sqlite), columns(&postgres));
    assert_eq!(keys(&sqlite), keys(&postgres));
}

/// `view.column` of every view.
fn views(db: &TestDatabase) -> BTreeSet<String> {
    let query = match db.engine {
        Engine::Sqlite => {
            "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'view'"
        }
        Engine::Postgres => {
            "SELECT table_name || '.' || column_name FROM information_schema.columns JOIN information_schema.views USING (table_schema, table_name) WHERE table_schema = 'public'"
        }
    };
    db.sql(query).lines().map(str::to_string).collect()
}

#[test]
fn both_engines_have_the_same_views() {
    let [sqlite, postgres] = Engine::BOTH.map(TestDatabase::fresh);
    assert_eq!(views(&sqlite), views(&postgres));
    assert!(views(&sqlite).contains("health_findings.severity"));
}

#[test]
fn both_engines_have_migrations_of_the_same_names() {
    let names = |engine: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

on_both_engines! {
    fn every_growing_tables_keys_begin_with_the_account(db: TestDatabase) {
        let by_account = |key: &String| key.contains("(account_id");
        let (good, bad): (Vec<String>, Vec<String>) = keys(&db)
            .into_iter()
            .filter(|key| !NOT_BY_ACCOUNT.iter().any(|table| key.starts_with(&format!("{table}("))))
            .partition(by_account);
        assert_eq!(bad, Vec::<String>::new());
        assert!(good.len() >= 5, "{good:?}");
    }

    fn the_down_scripts_undo_everything_and_up_works_again(db: TestDatabase) {
        let before = columns(&db);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(db.engine.to_string());
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        for path in names.iter().rev() {
            db.sql(&fs::read_to_string(path.join("down.sql")).unwrap());
        }
        assert!(tables(&db).is_empty());
        db.sql("DELETE FROM __diesel_schema_migrations");
        db.ledger().run_words("migrate up").expect_code(0);
        assert_eq!(columns(&db), before);
    }

    fn entries_cannot_be_changed_deleted_replaced_or_truncated(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --amount 5 --method momo").expect_code(0);
        let mut attempts = vec!["UPDATE entries SET description = 'x'", "DELETE FROM entries"];
        attempts.push(match db.engine {
            Engine::Sqlite => "INSERT OR REPLACE INTO entries SELECT * FROM entries",
            Engine::Postgres => "TRUNCATE entries CASCADE",
        });
        for attempt in attempts {
            let refused = db.sql_fails(attempt);
            assert!(refused.contains("append-only"), "{attempt}: {refused}");
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), "1");
    }

    fn the_database_refuses_figures_and_arithmetic_that_cannot_be(db: TestDatabase) {
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        db.ledger().run_words("recharge --user-id 5 --amount 5 --method momo").expect_code(0);
        for figure in ["balance", "held", "debt", "total_recharged", "last_seq"] {
            db.sql_fails(&format!("UPDATE balances SET {figure} = -1"));
        }
        let hash = match db.engine {
            Engine::Sqlite => "zeroblob(32)",
            Engine::Postgres => "decode(repeat('00', 32), 'hex')",
        };
        // Deltas of balance, held and debt, and whether that kind may make them; before it 500, 100 held, 100 owed.
        let cases = [
            ("recharge", (1, 0, 0), true), ("recharge", (-1, 0, 0), false), ("recharge", (1, 1, 0), false), ("recharge", (0, 0, 0), false),
            ("service_fee", (-1, 0, 0), true), ("service_fee", (1, 0, 0), false), ("service_fee", (-1, 0, 1), false),
            ("refund", (1, 0, 0), true), ("refund", (-1, 0, 0), false),
            ("adjustment", (1, 0, 0), true), ("adjustment", (-1, 0, 0), true), ("adjustment", (0, 0, 0), false),
            ("penalty", (-1, 0, 0), true), ("penalty", (1, 0, 0), false),
            ("freeze", (-1, 1, 0), true), ("freeze", (-1, 2, 0), false), ("freeze", (1, -1, 0), false),
            ("commit", (0, -1, 0), true), ("commit", (-1, -1, 0), false), ("commit", (0, 1, 0), false),
            ("release", (1, -1, 0), true), ("release", (1, -2, 0), false),
            ("credit", (1, 0, 0), true), ("credit", (-1, 0, 0), false), ("gift", (1, 0, 0), true), ("gift", (1, 0, 1), false),
            ("clawback", (-1, 0, 0), true), ("clawback", (-1, 0, 1), true), ("clawback", (0, 0, 1), true), ("clawback", (0, 0, 0), false), ("clawback", (1, 0, 0), false),
            ("debt_recovery", (-1, 0, -1), true), ("debt_recovery", (-1, 0, -2), false), ("debt_recovery", (1, 0, 1), false),
            ("theft", (-1, 0, 0), false),
        ];
        for (kind, (balance, held, debt), allowed) in cases {
            let insert = format!(
                "BEGIN; INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, debt_after, at, hash, counter_account, actor) \
                 VALUES (1, 2, {balance}, {held}, {debt}, '{kind}', {}, {}, {}, 0, {hash}, 'x', 'x'); ROLLBACK",
                500 + balance, 100 + held, 100 + debt,
            );
            if allowed { db.sql(&insert); } else { db.sql_fails(&insert); }
        }
        db.ledger().run_words("account create --user-id 6").expect_code(0);
        // Number, entry reversed, balance after, length of the hash: each wrong in one thing, the last one right.
        let cases = [
            (0, "NULL", 0, 32, false), (2, "0", 0, 32, false), (2, "2", 0, 32, false), (2, "1", -1, 32, false), (2, "1", -2, 32, false),
            (1, "NULL", 0, 32, false), (2, "1", 0, 31, false), (2, "1", 0, 32, true),
        ];
        for (seq, reverses, after, length, allowed) in cases {
            let hash = hash.replace("32", &length.to_string());
            let insert = format!(
                "BEGIN; INSERT INTO entries (account_id, seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, debt_after, reverses, at, hash, counter_account, actor) \
                 VALUES (2, {seq}, -1, 0, 0, 'service_fee', {after}, 0, 0, {reverses}, 0, {hash}, 'x', 'x'); ROLLBACK"
            );
            if allowed { db.sql(&insert); } else { db.sql_fails(&insert); }
        }
        db.sql_fails("UPDATE balances SET balance = '12,5'");
    }

    fn the_database_refuses_outcomes_of_an_intent_that_cannot_be(db: TestDatabase) {
        let cases = [
            ("'pending', NULL, NULL, NULL, 1", true), ("'pending', 1, 1, NULL, 1", false), ("'pending', NULL, NULL, 'x', 1", false), ("'pending', NULL, NULL, NULL, 0", false),
            ("'applied', 1, 1, NULL, 1", true), ("'applied', NULL, NULL, NULL, 1", true), ("'applied', 1, NULL, NULL, 1", false), ("'applied', NULL, 1, NULL, 1", false), ("'applied', 1, 1, 'x', 1", false),
            ("'refused', NULL, NULL, 'x', 1", true), ("'refused', NULL, NULL, NULL, 1", false), ("'refused', 1, 1, 'x', 1", false),
            ("'failed', NULL, NULL, 'x', 1", true), ("'failed', NULL, NULL, NULL, 1", false), ("'failed', 1, 1, 'x', 1", false),
            ("'lost', NULL, NULL, 'x', 1", false),
        ];
        for (outcome, allowed) in cases {
            let insert = format!(
                "BEGIN; INSERT INTO intents (account_id, idempotency_key, operation, payload, actor, created_at, state, first_seq, last_seq, reason, attempt) \
                 VALUES (1, 'k', 'charge', '{{}}', 'x', 0, {outcome}); ROLLBACK"
            );
            if allowed { db.sql(&insert); } else { db.sql_fails(&insert); }
        }
    }
}
