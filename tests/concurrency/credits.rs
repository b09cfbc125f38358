//! The job that brings credits, against deactivations, against itself, and killed.

use std::time::Duration;

use serde_json::Value;

use super::at_once;
use super::locks::Lock;
use crate::common::gate::{Gate, await_until};
use crate::common::{Engine, KILLED, Ledger, Output, TestDatabase, on_both_engines};

/// How often the job and a deactivation are started together; a campaign asks for a thousand.
const RACES_VARIABLE: &str = "LEDGER_TEST_RACES";

fn races() -> usize {
    let given = std::env::var(RACES_VARIABLE).ok();
    given.map_or(40, |text| text.parse().expect("a number of races"))
}

fn points(database: &TestDatabase) -> Ledger {
    let ledger = database.ledger().env("LEDGER_CURRENCY", "POINTS");
    ledger.run_words("currency add POINTS --exponent 0").expect_code(0);
    ledger
}

/// Accounts `1..=accounts`, each with as many credits of 3 points due from the moment 1 on.
fn fill(database: &TestDatabase, accounts: usize, each: usize) {
    let rows: Vec<String> = (1..=accounts)
        .flat_map(|account| (1..=each).map(move |number| format!("({account}, {number}")))
        .collect();
    for chunk in rows.chunks(1_000) {
        let values = |rest: &str| {
            let lines: Vec<String> = chunk.iter().map(|row| format!("{row}, {rest})")).collect();
            lines.join(", ")
        };
        database.sql(&format!(
            "INSERT INTO purchases (account_id, number, paid, paid_currency, paid_exponent, credits, created_at, \
             created_by) VALUES {}",
            values("300000, 'VND', 0, 3, 0, 'shop'")
        ));
        database.sql(&format!(
            "INSERT INTO pending_credits (account_id, number, credits, due_at) VALUES {}",
            values("3, 1")
        ));
    }
}

/// Every credit has come once, by the entry it names, and no entry came without one.
#[track_caller]
fn assert_brought_once(database: &TestDatabase, credits: usize) {
    let count = |text: &str| database.sql(text);
    assert_eq!(
        count("SELECT COUNT(*) FROM entries WHERE kind = 'credit'"),
        credits.to_string()
    );
    let matched = "SELECT COUNT(*) FROM pending_credits c JOIN entries e \
         ON e.account_id = c.account_id AND e.seq = c.entry_seq AND e.kind = 'credit' AND e.balance_delta = c.credits \
         WHERE c.state IN ('transferred', 'taken_back')";
    assert_eq!(count(matched), credits.to_string());
}

fn brought(database: &TestDatabase) -> usize {
    let count = database.sql("SELECT COUNT(*) FROM pending_credits WHERE state = 'transferred'");
    count.parse().unwrap()
}

/// A credit that is not among the thousand of the first transaction, with a hundred to each account.
const BEHIND_THE_FIRST: &str = "NEW.account_id = 12 AND NEW.seq = 1";

on_both_engines! {
    fn the_job_and_a_deactivation_at_once_end_in_one_order_or_the_other(database: TestDatabase) {
        let ledger = points(&database);
        let races = races();
        ledger.import_users(races);
        fill(&database, races, 1);
        // Each race has a moment of its own at which its credit alone is newly due.
        database.sql("UPDATE pending_credits SET due_at = 1800000000000000 + account_id * 1000000");
        let (mut came_first, mut gone_first) = (0, 0);

        for race in 1..=races {
            let micros = 1_800_000_000 + race as i64;
            let now = chrono::DateTime::from_timestamp(micros, 0).unwrap().to_rfc3339();
            let purchase = format!("p{race}-1");
            let job = vec!["process-pending-credits", "--now", &now, "--format", "json"];
            let gone = vec!["deactivate-purchase", &purchase, "--reason", "race", "--now", &now, "--format", "json"];
            let lines = if race % 2 == 0 { [job, gone] } else { [gone, job] };

            let outputs = at_once(&ledger, &lines);

            let told: Vec<Value> = outputs.into_iter().map(|output| output.expect_code(0).data()).collect();
            let (job, gone) = if race % 2 == 0 { (&told[0], &told[1]) } else { (&told[1], &told[0]) };
            assert_eq!(gone["outcome"], "applied");
            match job["transferred"].as_u64() {
                Some(1) => {
                    came_first += 1;
                    assert_eq!(gone["purchase"]["credit_state"], "taken_back", "{gone}");
                }
                Some(0) => {
                    gone_first += 1;
                    assert_eq!(gone["purchase"]["credit_state"], "inactive", "{gone}");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(gone["balance"], "0");
        }

        assert_eq!(came_first + gone_first, races);
        assert!(races < 200 || (came_first > 0 && gone_first > 0), "{came_first} and {gone_first}: no race at all");
        let entries = database.sql("SELECT kind, COUNT(*) FROM entries GROUP BY kind ORDER BY kind");
        let expected = if came_first == 0 { String::new() } else { format!("clawback|{came_first}\ncredit|{came_first}") };
        assert_eq!(entries, expected);
        assert_eq!(database.sql("SELECT SUM(balance), SUM(debt) FROM balances"), "0|0");
        ledger.proven();
    }

    fn jobs_at_once_bring_nothing_twice(database: TestDatabase) {
        let ledger = points(&database);
        ledger.import_users(40);
        fill(&database, 40, 25);
        let job = vec!["process-pending-credits", "--lock-timeout", "60s", "--format", "json"];

        let outputs = at_once(&ledger, &vec![job; 4]);

        let brought: u64 = outputs
            .into_iter()
            .map(|output| output.expect_code(0).data()["transferred"].as_u64().unwrap())
            .sum();
        assert_eq!(brought, 1_000);
        assert_brought_once(&database, 1_000);
        assert_eq!(database.sql("SELECT SUM(balance) FROM balances"), "3000");
        ledger.proven();
    }

    fn charges_go_on_while_the_job_runs(database: TestDatabase) {
        let ledger = points(&database);
        ledger.import_users(20);
        fill(&database, 20, 200);
        for user in 1..=20 {
            let line = ["adjust", "--user-id", &user.to_string(), "--amount", "100", "--reason", "opening"];
            ledger.run(&line).expect_code(0);
        }
        let mut lines: Vec<Vec<String>> = vec![vec!["process-pending-credits".into()]];
        lines.extend((1..=40).map(|turn| {
            let user = (turn % 20 + 1).to_string();
            ["charge", "--amount", "1", "--service", "shop", "--user-id", &user].map(str::to_owned).to_vec()
        }));
        let lines: Vec<Vec<&str>> = lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();

        for output in at_once(&ledger, &lines) {
            output.expect_code(0);
        }

        assert_brought_once(&database, 4_000);
        assert_eq!(database.sql("SELECT SUM(balance) FROM balances"), (20 * 100 - 40 + 3 * 4_000).to_string());
        ledger.proven();
    }

    fn a_job_killed_at_any_moment_is_finished_by_the_next(database: TestDatabase) {
        let ledger = points(&database);
        ledger.import_users(60);
        fill(&database, 60, 100);
        let job = ["process-pending-credits", "--format", "json", "--lock-timeout", "60s"];
        let gate = Gate::before(&database, BEHIND_THE_FIRST);
        let mut child = ledger.spawn(&job);
        await_until("some credits have come", || brought(&database) > 0);
        child.kill().unwrap();
        assert_eq!(Output::of(child).code, KILLED);
        gate.open();
        assert!(brought(&database) < 6_000);
        for _ in 0..60 {
            let mut child = ledger.spawn(&job);
            std::thread::sleep(Duration::from_micros(fastrand::u64(3_000..80_000)));
            child.kill().unwrap();
            match Output::of(child).code {
                KILLED => {}
                0 => break,
                other => panic!("exit {other}"),
            }
        }

        ledger.run(&job).expect_code(0);

        assert_brought_once(&database, 6_000);
        assert_eq!(database.sql("SELECT COUNT(*) FROM pending_credits WHERE state <> 'transferred'"), "0");
        assert_eq!(database.sql("SELECT SUM(balance) FROM balances"), "18000");
        ledger.proven();
        assert_eq!(ledger.run(&job).expect_code(0).data()["transferred"], 0);
    }

    /// On SQLite there is but one lock. On PostgreSQL the other accounts are brought theirs.
    fn a_job_that_cannot_get_a_lock_leaves_what_it_is_about_to_the_next(database: TestDatabase) {
        let ledger = points(&database);
        ledger.import_users(8);
        fill(&database, 8, 2);
        let lock = Lock::take(&database);
        let job = ledger.run_words("process-pending-credits --lock-timeout 300ms --format json");
        lock.release();
        let left = match database.engine {
            Engine::Sqlite => {
                assert_eq!(job.expect_code(5).error_code(), "busy");
                16
            }
            Engine::Postgres => {
                assert_eq!(job.expect_code(7).data()["transferred"], 14);
                2
            }
        };

        let run = ledger.run_words("process-pending-credits --format json").expect_code(0).data();

        assert_eq!(run["transferred"], left);
        assert_brought_once(&database, 16);
        ledger.proven();
    }

    fn an_interrupted_job_says_so_and_the_next_goes_on(database: TestDatabase) {
        let ledger = points(&database);
        ledger.import_users(60);
        fill(&database, 60, 100);
        let gate = Gate::before(&database, BEHIND_THE_FIRST);
        let child = ledger.spawn(&["process-pending-credits", "--format", "json", "--lock-timeout", "60s"]);
        await_until("some credits have come", || brought(&database) > 0);
        child.signal("INT");
        gate.open();
        let output = Output::of(child).expect_code(130);
        assert_eq!((output.error_code().as_str(), output.stdout.as_str()), ("interrupted", ""));
        let left = 6_000 - brought(&database);
        assert!(left > 0, "it went on to the end");

        let next = ledger.run_words("process-pending-credits --format json").expect_code(0);

        assert_eq!(next.data()["transferred"], left);
        assert_brought_once(&database, 6_000);
        ledger.proven();
    }
}

/// A server that ends the connection each time, as by a trigger that brings it down.
#[test]
fn a_job_whose_connection_is_lost_again_and_again_gives_up() {
    let database = TestDatabase::fresh(Engine::Postgres);
    let ledger = points(&database);
    ledger.import_users(3);
    fill(&database, 3, 2);
    database.sql(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
         CREATE TRIGGER cut BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION cut()",
    );
    let job = ledger.run_words("process-pending-credits --format json").expect_code(4);
    assert_eq!(job.error_code(), "unreachable");
    database.sql("DROP TRIGGER cut ON entries; DROP FUNCTION cut");

    ledger.run_words("process-pending-credits").expect_code(0);

    assert_brought_once(&database, 6);
    ledger.proven();
}
