//! A SQLite ledger of an older version is copied before its schema changes, and it is said where.

use rusqlite::Connection;

use crate::cli::with_balance;
use crate::common::{Engine, Output, TestDatabase};

const VERSIONS: &str = "SELECT COUNT(*) FROM __diesel_schema_migrations";

/// As the version before left it: its last migration changes nothing on SQLite.
fn older() -> (TestDatabase, String) {
    let db = TestDatabase::fresh(Engine::Sqlite);
    with_balance(&db, "10");
    let newest = db.sql("SELECT MAX(version) FROM __diesel_schema_migrations");
    db.sql(&format!(
        "DELETE FROM __diesel_schema_migrations WHERE version = '{newest}'"
    ));
    (db, format!("ledger.db.before-{newest}.backup"))
}

/// The number of migrations in the copy.
fn copied(db: &TestDatabase, name: &str) -> i64 {
    let copy = Connection::open(db.directory().join(name)).unwrap();
    copy.query_row(VERSIONS, [], |row| row.get(0)).unwrap()
}

#[test]
fn migrate_up_says_where_the_copy_is() {
    let (db, name) = older();
    let before: i64 = db.sql(VERSIONS).parse().unwrap();
    let up = || db.ledger().run_words("migrate up --format json").expect_code(0).data();
    let done = up();
    assert_eq!(done["applied"].as_array().unwrap().len(), 1);
    assert!(done["backup"].as_str().unwrap().ends_with(&name), "{done}");
    assert_eq!(copied(&db, &name), before);
    assert_eq!(up()["backup"], serde_json::Value::Null);
}

#[test]
fn commands_that_meet_an_older_ledger_at_once_leave_a_copy_of_what_was_before() {
    for _ in 0..5 {
        let (db, name) = older();
        let before: i64 = db.sql(VERSIONS).parse().unwrap();
        let started: Vec<_> = (0..8)
            .map(|_| db.ledger().spawn(&["balance", "--user-id", "5"]))
            .collect();
        let outputs: Vec<Output> = started.into_iter().map(|one| Output::of(one).expect_code(0)).collect();
        let told = outputs.iter().filter(|output| output.stderr.contains(&name)).count();
        assert!(told > 0, "{outputs:#?}");
        assert_eq!(copied(&db, &name), before);
    }
}
