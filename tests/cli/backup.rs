//! SQLite: the ledger is copied beside itself before it is repaired or migrated.

use std::path::Path;

use super::with_balance;
use crate::common::{Engine, TestDatabase};
use crate::faults::upgrade::take_back;

/// What a copy says to a query for one number.
fn in_copy(copy: &Path, query: &str) -> i64 {
    let copy = rusqlite::Connection::open(copy).unwrap();
    copy.query_row(query, [], |row| row.get(0)).unwrap()
}

/// A ledger with a balance that is wrong.
fn damaged() -> TestDatabase {
    let db = TestDatabase::fresh(Engine::Sqlite);
    with_balance(&db, "10");
    db.sql("UPDATE balances SET balance = 77, held = 77 WHERE account_id = 1");
    db
}

#[test]
fn a_copy_is_as_the_ledger_was_before_it_was_repaired() {
    for (line, code) in [
        ("verify-sync --fix --format json", 0),
        ("health --fix --format json", 0),
        ("rebuild --format json", 0),
    ] {
        let db = damaged();
        let told = db.ledger().run_words(line).expect_code(code).data();
        let copy = db.directory().join(told["backup"].as_str().unwrap());
        assert_eq!(in_copy(&copy, "SELECT balance FROM balances"), 77, "{line}");
        assert_eq!(db.sql("SELECT balance FROM balances"), "1000", "{line}");
    }
}

#[test]
fn a_copy_is_as_the_ledger_was_before_it_was_migrated() {
    const APPLIED: &str = "SELECT COUNT(*) FROM __diesel_schema_migrations";
    let db = TestDatabase::fresh(Engine::Sqlite);
    with_balance(&db, "10");
    let all: i64 = db.sql(APPLIED).parse().unwrap();
    take_back(&db, 1);

    db.ledger().run_words("migrate up").expect_code(0);

    let files = std::fs::read_dir(db.directory()).unwrap();
    let copies: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "backup"))
        .collect();
    let [copy] = copies.as_slice() else {
        panic!("{copies:?}")
    };
    assert_eq!(in_copy(copy, APPLIED), 1);
    assert_eq!(in_copy(copy, "SELECT balance FROM balances"), 1000);
    assert_eq!(db.sql(APPLIED), all.to_string());
    db.ledger().run_words("verify-sync").expect_code(0);
    // A new ledger has nothing to copy, nor has one that is up to date.
    db.ledger().run_words("migrate up").expect_code(0);
    let new = TestDatabase::unmigrated(Engine::Sqlite);
    new.ledger().run_words("migrate up").expect_code(0);
    let backups = |db: &TestDatabase| {
        let files = std::fs::read_dir(db.directory()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".backup")).count()
    };
    assert_eq!((backups(&db), backups(&new)), (1, 0));
}
