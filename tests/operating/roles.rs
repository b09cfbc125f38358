//! Roles in PostgreSQL: the auditor reads, the operator operates and cannot touch an entry, the admin owns.

use std::collections::BTreeMap;

use crate::common::story::{command_of, prepare, steps};
use crate::common::{Engine, Ledger, TestDatabase};

const ROLES: [&str; 3] = ["auditor", "operator", "admin"];

/// A migrated ledger in which the printed SQL has been run, as it is and once more, with a login of each role.
fn with_roles() -> TestDatabase {
    let db = TestDatabase::fresh(Engine::Postgres);
    let prefix = prefix(&db);
    let sql = db
        .ledger()
        .run(&["roles", "sql", "--prefix", &prefix])
        .expect_code(0)
        .stdout;
    db.sql(&sql);
    db.sql(&sql);
    for role in ROLES {
        db.sql(&format!(
            "CREATE ROLE {prefix}{role}_login LOGIN IN ROLE {prefix}{role}"
        ));
    }
    db
}

/// Roles belong to the server, which the tests share.
fn prefix(db: &TestDatabase) -> String {
    format!("{}_", db.sql("SELECT current_database()"))
}

/// The binary, connected as somebody with that role.
fn as_role(db: &TestDatabase, role: &str) -> Ledger {
    let url = db
        .url
        .replace("user=ledger", &format!("user={}{role}_login", prefix(db)));
    assert_ne!(url, db.url);
    db.ledger().env("DATABASE_URL", &url)
}

#[test]
fn what_each_role_may_do() {
    let mut matrix: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for role in ROLES {
        let db = with_roles();
        prepare(&db);
        for step in steps() {
            let output = step.run(&as_role(&db, role), &["--format", "json"]);
            let told = match output.code {
                0 => "may",
                3 | 7 => {
                    // A line of `apply` is refused by itself.
                    let error = if output.code == 3 {
                        output.error()
                    } else {
                        output.json()
                    };
                    assert_eq!(
                        error["error"]["code"],
                        "denied",
                        "{role}: {}\n{}",
                        step.line,
                        output.transcript()
                    );
                    // Somebody else does it, so that the story goes on.
                    step.run(&db.ledger(), &[]).expect_code(0);
                    "-"
                }
                _ => panic!("{role}: {}\n{}", step.line, output.transcript()),
            };
            matrix.entry(command_of(&step.line)).or_default().insert(role, told);
        }
    }
    let lines = matrix.iter().map(|(command, cells)| {
        let cells: Vec<String> = ROLES.iter().map(|role| format!("{:9}", cells[role])).collect();
        format!("{command:24} {}", cells.join(" ").trim_end())
    });
    let head = format!(
        "{:24} {}",
        "",
        ROLES.map(|role| format!("{role:9}")).join(" ").trim_end()
    );
    insta::assert_snapshot!(
        "roles",
        std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn an_operator_forgets_what_has_been_told_and_removes_what_nobody_owns() {
    let db = with_roles();
    let operator = as_role(&db, "operator");
    operator.run_words("account create --user-id 5").expect_code(0);
    for number in 1..=2 {
        let line = format!("charge --user-id 5 --amount 1 --service vps --reference R:{number}");
        operator.run_words(&line).expect_code(1);
    }
    let later = operator.env("LEDGER_NOTIFY_EVENTS", "none").at("2026-06-01T12:00:00Z");
    later.run_words("notify").expect_code(0);
    let pruned = later.run_words("notify --prune 1d --format json").expect_code(0);
    assert_eq!(pruned.data()["pruned"], 1);

    db.sql("SET session_replication_role = replica; INSERT INTO balances (account_id, chain_head) SELECT 99, chain_head FROM balances");
    later.run_words("verify-sync --fix -q").expect_code(0);
    assert_eq!(db.sql("SELECT COUNT(*) FROM balances WHERE account_id = 99"), "0");
}

#[test]
fn an_operator_cannot_touch_an_entry() {
    let db = with_roles();
    db.ledger().fund("5", "10");
    let operator = format!("SET ROLE {}operator; ", prefix(&db));
    for attempt in [
        "UPDATE entries SET description = 'x'",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "TRUNCATE entries, accounts CASCADE",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "ALTER TABLE entries DROP CONSTRAINT entries_arithmetic",
        "ALTER TABLE entries ADD COLUMN x BIGINT",
        "DROP TRIGGER entries_no_change ON entries",
        "CREATE RULE r AS ON UPDATE TO entries DO INSTEAD NOTHING",
        "CREATE TRIGGER t BEFORE INSERT ON entries EXECUTE FUNCTION entries_are_append_only()",
        "CREATE OR REPLACE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP TABLE entries CASCADE",
        "CREATE TABLE mine (x BIGINT)",
        "SET session_replication_role = replica",
        "UPDATE operations SET actor = 'x'",
        "DELETE FROM operations",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('1')",
    ] {
        let refused = db.sql_fails(&format!("{operator}{attempt}"));
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{attempt}: {refused}"
        );
    }
    assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), "1");
    let refused = db.sql_fails(&format!(
        "SET ROLE {}auditor; UPDATE balances SET balance = 0",
        prefix(&db)
    ));
    assert!(refused.contains("permission denied"), "{refused}");
}

#[test]
fn a_refusal_says_what_is_missing() {
    let db = with_roles();
    db.ledger().run_words("account create --user-id 5").expect_code(0);
    let refused = as_role(&db, "auditor")
        .run_words("recharge --user-id 5 --amount 5 --method momo")
        .expect_code(3);
    insta::assert_snapshot!(refused.stderr, @"error: the database refuses it: permission denied for table intents; the role that is connected may not do this, see `ledger roles sql` (403 denied)");
}

#[test]
fn doctor_tells_the_role() {
    let db = with_roles();
    for (role, told) in [
        ("auditor", "may read, and nothing else"),
        ("operator", "may operate"),
        ("admin", "owns the tables"),
    ] {
        let shown = as_role(&db, role).run_words("doctor").stdout;
        assert!(shown.contains(told), "{shown}");
    }
}

#[test]
fn sqlite_has_no_roles_and_names_are_plain() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let refused = db.ledger().run_words("roles sql").expect_code(2);
    assert!(
        refused.stderr.contains("SQLite has no roles") && refused.stderr.contains(".backup"),
        "{}",
        refused.stderr
    );
    for arguments in [
        ["--schema", "a;b"],
        ["--schema", ""],
        ["--prefix", "Ledger_"],
        ["--prefix", "1x"],
    ] {
        let line = ["roles", "sql", "--database-url", "postgres:///ledger"];
        db.ledger().run(&[&line[..], &arguments[..]].concat()).expect_code(2);
    }
}
