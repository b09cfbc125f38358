//! Reaching a database: addresses, secrets, schemas, durability.

use std::os::unix::fs::PermissionsExt;

use super::with_balance;
use crate::common::layout::shared_server;
use crate::common::{Engine, Ledger, Output, TestDatabase, on_both_engines, postgres};

#[test]
fn a_sqlite_file_is_created_private_migrated_and_in_write_ahead_mode() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    db.ledger().run_words("account create --user-id 5").expect_code(0);
    let mode = std::fs::metadata(db.directory().join("ledger.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(db.sql("PRAGMA journal_mode"), "wal");
}

#[test]
fn a_postgres_database_is_migrated_only_when_asked() {
    let db = TestDatabase::unmigrated(Engine::Postgres);
    let refused = db
        .ledger()
        .run_words("account create --user-id 5 --format json")
        .expect_code(3);
    assert_eq!(refused.error_code(), "schema");
    assert!(refused.stderr.contains("ledger migrate up"), "{}", refused.stderr);
    db.ledger().run_words("migrate status").expect_code(1);
    db.ledger().run_words("migrate up").expect_code(0);
    db.ledger().run_words("migrate up").expect_code(0);
    db.ledger().run_words("migrate status").expect_code(0);
    db.ledger().run_words("account create --user-id 5").expect_code(0);
}

on_both_engines! {
    fn a_newer_schema_is_refused(db: TestDatabase) {
        db.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
        for command in ["balance --user-id 5", "migrate up", "verify-sync"] {
            let refused = db.ledger().run_words(&format!("{command} --format json")).expect_code(3);
            assert_eq!(refused.error_code(), "schema");
            assert!(refused.stderr.contains("newer"), "{}", refused.stderr);
        }
        db.ledger().run_words("migrate status").expect_code(3);
    }
}

#[test]
fn an_address_that_cannot_be_used_says_why_without_the_password() {
    let cases = [
        ("postgres://bob:s3cret@127.0.0.1:1/ledger", 4, "unreachable"),
        ("postgres://bob:s3cret@127.0.0.1:notaport/ledger", 3, "configuration"),
        ("postgres://bob:s3cr%zzet@127.0.0.1/ledger", 3, "configuration"),
        ("postgres:///x?host=/nowhere/at/all&password=s3cret", 4, "unreachable"),
        ("postgres://bob:s3cret@127.0.0.1/ledger?nonsense=1", 3, "configuration"),
        ("mysql://bob:s3cret@127.0.0.1/ledger", 3, "configuration"),
        ("host=127.0.0.1 password=s3cret", 3, "configuration"),
        ("", 3, "configuration"),
        ("sqlite:///nowhere/at/all/ledger.db", 3, "configuration"),
        ("/dev/null/ledger.db", 3, "configuration"),
    ];
    for (url, code, name) in cases {
        for verbosity in ["-q", "-vv"] {
            let output = Ledger::new(url).run(&["balance", "--user-id", "5", "--format", "json", verbosity]);
            assert_eq!(
                (output.code, output.error_code().as_str()),
                (code, name),
                "{url}\n{}",
                output.stderr
            );
            assert!(
                !output.stderr.contains("s3c") && !output.stdout.contains("s3c"),
                "{}",
                output.stderr
            );
        }
    }
    let help = Ledger::new("postgres://bob:s3cret@127.0.0.1/ledger")
        .run(&["charge", "--help"])
        .expect_code(0);
    assert!(!help.stdout.contains("s3cret"), "{}", help.stdout);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    std::fs::write(
        db.directory().join("ledger.db"),
        "this is not a database, it only looks like a file of some size",
    )
    .unwrap();
    assert_eq!(
        db.ledger()
            .run_words("verify-sync --format json")
            .expect_code(3)
            .error_code(),
        "configuration"
    );
}

#[test]
fn a_database_or_role_that_does_not_exist_is_a_configuration_error() {
    let no_database = shared_server().url("nobody_made_this");
    let no_role = shared_server()
        .url("postgres")
        .replace("user=ledger", "user=nobody_is_called_this");
    for (url, what) in [(no_database, "nobody_made_this"), (no_role, "the role")] {
        let output = Ledger::new(&url)
            .run_words("balance --user-id 5 --format json")
            .expect_code(3);
        let said = &output.stderr;
        assert!(said.contains(what) && said.contains("does not exist"), "{said}");
    }
}

#[test]
fn a_server_that_does_not_sync_is_refused_and_a_lazy_one_warned_of() {
    let db = TestDatabase::fresh(Engine::Postgres);
    let name = db.sql("SELECT current_database()");
    db.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let warned = db.ledger().run_words("account create --user-id 5").expect_code(0);
    assert!(warned.stderr.contains("synchronous_commit"), "{}", warned.stderr);
    let careless = postgres::Server::start();
    careless.create_database("careless");
    careless.psql("careless", "ALTER SYSTEM SET fsync = off");
    careless.psql("careless", "SELECT pg_reload_conf()");
    let url = careless.url("careless");
    let waiting = std::time::Instant::now();
    while careless.psql("careless", "SHOW fsync") != "off" {
        assert!(waiting.elapsed().as_secs() < 20, "the server does not take the setting");
    }
    let refused = Ledger::new(&url).run_words("migrate up --format json").expect_code(3);
    assert!(refused.stderr.contains("fsync"), "{}", refused.stderr);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    with_balance(&db, "1000");
    let line = |n: usize| {
        format!(
            "{{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"0.01\",\"service\":\"vps\",\"idempotency_key\":\"{n}\"}}\n"
        )
    };
    let lines: String = (0..1_000).map(line).collect();
    std::fs::write(db.directory().join("lines.ndjson"), lines).unwrap();
    for words in [
        "apply -q lines.ndjson",
        "history --user-id 5 --limit 1000",
        "history --user-id 5 --format ndjson",
        "--help",
    ] {
        let mut child = db.ledger().spawn(&words.split(' ').collect::<Vec<_>>());
        drop(child.stdout.take());
        let output = Output::of(child);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{words}");
    }
    // What nobody reads any more is done all the same.
    assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), "1001");
}

#[test]
fn the_demo_breaks_finds_and_heals() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let output = db.ledger().real_clock().run_words("demo").expect_code(0);
    for line in ["1000000      ┆ 900000", "exit 1", "Fixed: 1", "Exit 0."] {
        assert!(output.stdout.contains(line), "{}", output.stdout);
    }
    assert!(!db.directory().join("ledger.db").exists());
}
