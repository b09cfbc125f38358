//! `doctor`: what is not right is named, each with its remedy; it changes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use ledger::domain::schedule::JOBS;

use crate::common::{Engine, Ledger, Output, TestDatabase, on_both_engines};

/// A ledger whose jobs have all run just now.
fn well(db: &TestDatabase) {
    for job in JOBS {
        db.ledger().run_words(job.command).expect_code(0);
    }
    db.ledger().run_words("doctor -q").expect_code(0);
}

/// What is not right according to an output in JSON: level, check, message, remedy.
fn findings(output: &Output) -> Vec<[String; 4]> {
    let data = output.data();
    let rows = data["findings"].as_array().unwrap().iter();
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.map(|row| ["level", "check", "message", "remedy"].map(|name| field(row, name)))
        .filter(|[level, ..]| level != "ok")
        .collect()
}

/// Exactly one thing is wrong with the ledger: its exit code, level, check, and parts of message and remedy.
#[track_caller]
fn one_finding(ledger: &Ledger, code: i32, [level, check, message, remedy]: [&str; 4]) {
    let output = ledger.run_words("doctor --format json").expect_code(code);
    let found = findings(&output);
    let [[its_level, its_check, its_message, its_remedy]] = &found[..] else {
        panic!("not one finding: {found:?}");
    };
    assert_eq!((its_level.as_str(), its_check.as_str()), (level, check), "{found:?}");
    assert!(
        its_message.contains(message) && its_remedy.contains(remedy),
        "{found:?}"
    );
}

on_both_engines! {
    fn a_ledger_that_is_well(db: TestDatabase) {
        well(&db);
        let shown = db.ledger().run_words("doctor").expect_code(0).stdout;
        assert!(shown.contains("ok       schema      up to date"), "{shown}");
        assert!(!shown.contains("->"), "{shown}");
    }

    fn a_job_that_did_not_run_is_missed(db: TestDatabase) {
        let output = db.ledger().run_words("doctor --format json").expect_code(1);
        let never: Vec<String> = findings(&output).into_iter().map(|[_, _, message, _]| message).collect();
        assert_eq!(never.len(), JOBS.len(), "{never:?}");
        assert!(never.contains(&"verify-sync has never run".to_owned()), "{never:?}");
        well(&db);
        // The monthly one is not due after two days.
        let late = db.ledger().at("2026-03-03T12:00:00Z").run_words("doctor --format json").expect_code(1);
        let late = findings(&late);
        assert_eq!(late.len(), JOBS.len() - 1, "{late:?}");
        let [_, check, message, remedy] = late.iter().find(|found| found[2].starts_with("verify-sync")).unwrap();
        assert_eq!((check.as_str(), message.contains("and not since")), ("jobs", true));
        assert!(remedy.starts_with("ledger verify-sync --fix; "), "{remedy}");
        db.ledger().at("2026-03-01T11:55:00Z").run_words("doctor").expect_code(0);
        let set_back = db.ledger().at("2026-03-01T11:00:00Z").run_words("doctor").expect_code(1);
        assert!(set_back.stdout.contains("has the clock been set back?"), "{}", set_back.stdout);
    }

    fn a_job_that_ended_badly_is_told(db: TestDatabase) {
        well(&db);
        db.sql("UPDATE job_runs SET exit_code = 6 WHERE job = 'health'");
        one_finding(&db.ledger(), 1, ["warning", "jobs", "health ended with exit 6", "ledger health"]);
    }

    fn a_lease_of_a_dead_run_is_told(db: TestDatabase) {
        well(&db);
        db.sql("UPDATE jobs SET holder = 'elsewhere:1:1', lease_until = 1 WHERE job = 'rebuild'");
        one_finding(&db.ledger(), 1, ["warning", "leases", "a run of rebuild by elsewhere:1:1 has died", "ledger rebuild"]);
        db.sql("UPDATE jobs SET lease_until = 9000000000000000 WHERE job = 'rebuild'");
        let running = db.ledger().run_words("doctor").expect_code(0);
        assert!(running.stdout.contains("rebuild is being run by elsewhere:1:1"), "{}", running.stdout);
    }

    fn attempts_that_a_crash_left_behind_are_told(db: TestDatabase) {
        well(&db);
        db.ledger().fund("5", "10");
        db.sql("UPDATE intents SET state = 'pending', first_seq = NULL, last_seq = NULL, subject = NULL");
        let later = db.ledger().at("2026-03-01T12:10:00Z");
        one_finding(&later, 1, ["warning", "attempts", "1 have been pending", "ledger intents resolve"]);
    }

    fn alerts_that_nobody_has_taken_notice_of_are_told(db: TestDatabase) {
        well(&db);
        db.sql("INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen) \
                VALUES (0, 'a', 'c', 'CRITICAL', 'm', 1, 1)");
        one_finding(&db.ledger(), 3, ["error", "alerts", "1 CRITICAL open, 1 of them unnoticed", "ledger alerts list"]);
        db.ledger().run_words("alerts ack a").expect_code(0);
        db.ledger().run_words("doctor -q").expect_code(0);
    }

    fn a_newer_schema_is_told_and_nothing_asked_of_it(db: TestDatabase) {
        db.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
        one_finding(&db.ledger(), 3, ["error", "schema", "newer than this program", "install a newer"]);
    }
}

#[test]
fn a_database_that_is_not_migrated() {
    let db = TestDatabase::unmigrated(Engine::Postgres);
    one_finding(
        &db.ledger(),
        3,
        ["error", "schema", "migrations are pending", "ledger migrate up"],
    );
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    one_finding(
        &db.ledger(),
        1,
        [
            "warning",
            "database",
            "there is no ledger yet at",
            "ledger account create",
        ],
    );
    assert!(!db.directory().join("ledger.db").exists(), "looking creates nothing");
}

#[test]
fn a_database_that_cannot_be_used() {
    for (url, code, message, remedy) in [
        (
            "postgres://bob:s3cret@127.0.0.1:1/ledger",
            4,
            "not reachable",
            "is the server running",
        ),
        (
            "postgres://bob:s3cret@127.0.0.1:notaport/ledger",
            3,
            "not a usable address",
            "DATABASE_URL",
        ),
    ] {
        one_finding(&Ledger::new(url), code, ["error", "database", message, remedy]);
    }
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let file = db.directory().join("ledger.db");
    std::fs::write(&file, "this is not a database, it only looks like a file of some size").unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    one_finding(
        &db.ledger(),
        3,
        ["error", "database", "not a SQLite database", "DATABASE_URL"],
    );
}

#[test]
fn files_that_others_may_read() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    well(&db);
    let settings = db.directory().join(".env");
    std::fs::write(&settings, "").unwrap();
    std::fs::set_permissions(&settings, Permissions::from_mode(0o640)).unwrap();
    one_finding(
        &db.ledger(),
        1,
        ["warning", "files", "others may read or write .env", "chmod 600 .env"],
    );
}

on_both_engines! {
    fn a_journal_that_may_be_changed(db: TestDatabase) {
        well(&db);
        let (off, guard) = match db.engine {
            Engine::Sqlite => ("DROP TRIGGER entries_no_replace", "entries_no_replace is gone"),
            Engine::Postgres => ("ALTER TABLE entries DISABLE TRIGGER entries_no_truncate", "entries_no_truncate is gone"),
        };
        db.sql(off);
        one_finding(&db.ledger(), 3, ["error", "entries", guard, "verify-sync --deep --anchor"]);
    }
}

#[test]
fn a_careless_server_and_a_clock_that_is_wrong() {
    let db = TestDatabase::fresh(Engine::Postgres);
    well(&db);
    let name = db.sql("SELECT current_database()");
    db.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    one_finding(
        &db.ledger(),
        1,
        [
            "warning",
            "durability",
            "synchronous_commit = off",
            "set synchronous_commit = on",
        ],
    );
    db.sql(&format!(
        "ALTER DATABASE {name} RESET ALL; CREATE SCHEMA wrong; \
         CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT now() - interval '1 hour' $$; \
         ALTER DATABASE {name} SET search_path = wrong, pg_catalog, public"
    ));
    one_finding(&db.ledger(), 1, ["warning", "clock", "-3600 s away", "synchronise"]);
}

#[test]
fn a_cluster_whose_tables_are_not_where_they_should_be() {
    let db = TestDatabase::on_citus_stub();
    let shown = db.ledger().run_words("doctor").stdout;
    assert!(shown.contains("Citus 13.2-1 on 2 nodes, PostgreSQL 1"), "{shown}");
    assert!(
        shown.contains("layout      what belongs to an account is on one node"),
        "{shown}"
    );
    db.sql(
        "DELETE FROM citus_stub.pg_dist_partition WHERE logicalrelid IN ('holds'::regclass, 'jobs'::regclass); \
         UPDATE citus_stub.pg_dist_partition SET colocationid = 3 WHERE logicalrelid = 'gifts'::regclass; \
         UPDATE citus_stub.pg_dist_partition SET partkey = 'number' WHERE logicalrelid = 'purchases'::regclass",
    );
    let found = findings(&db.ledger().run_words("doctor --format json"));
    let layout: Vec<String> = found
        .into_iter()
        .filter(|[_, check, ..]| check == "layout")
        .map(|[level, _, message, remedy]| format!("{level}: {message} -> {remedy}"))
        .collect();
    insta::assert_snapshot!(layout.join("\n"), @r"
    warning: gifts is not distributed by account_id along with the balances -> SELECT alter_distributed_table('gifts', distribution_column => 'account_id', colocate_with => 'balances')
    warning: holds grows with use and is on one node alone -> SELECT create_distributed_table('holds', 'account_id', colocate_with => 'balances')
    warning: jobs is a small list and not on every node -> SELECT create_reference_table('jobs')
    warning: purchases is not distributed by account_id along with the balances -> SELECT alter_distributed_table('purchases', distribution_column => 'account_id', colocate_with => 'balances')
    ");
}

#[test]
fn a_single_server_has_no_layout_to_look_at() {
    let db = TestDatabase::fresh(Engine::Postgres);
    let shown = db.ledger().run_words("doctor").stdout;
    assert!(shown.contains("PostgreSQL") && !shown.contains("Citus"), "{shown}");
    db.sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ledger.sharded = TRUE', current_database()); END $$");
    let told = db.ledger().run_words("doctor").stdout;
    assert!(told.contains(", with ledger.sharded = on"), "{told}");
    assert!(!shown.contains("layout"), "{shown}");
}
