//! The job that charges what recurs: against itself, killed, and against cancellations.

use std::time::{Duration, SystemTime};

use super::at_once;
use crate::common::gate::{Gate, await_until};
use crate::common::{KILLED, Ledger, Output, TestDatabase, on_both_engines};

/// Days from the first of February to noon of the first of March.
const PERIODS: usize = 29;

/// Accounts with enough for every period, each with a daily charge since the first of February.
fn agreed(database: &TestDatabase, accounts: usize) -> Ledger {
    let ledger = database.ledger();
    ledger.import_funded_users(accounts, 100);
    database.sql(
        "INSERT INTO recurring_charges (account_id, number, amount, service, every, at_minute, timezone, starts_on, \
         next_on, next_at, try_at, created_at, created_by) SELECT id, 1, 100, 'vps', 'day', 0, 'UTC', '2026-02-01', \
         '2026-02-01', 1769904000000000, 1769904000000000, 0, 'shop' FROM accounts",
    );
    ledger
}

/// Each period of each account by one entry.
#[track_caller]
fn assert_charged_once(database: &TestDatabase, ledger: &Ledger, accounts: usize) {
    let charges = "FROM entries WHERE kind = 'service_fee'";
    let expected = (accounts * PERIODS).to_string();
    assert_eq!(database.sql(&format!("SELECT COUNT(*) {charges}")), expected);
    let names = format!("SELECT COUNT(*) FROM (SELECT DISTINCT account_id, idempotency_key {charges}) AS named");
    assert_eq!(database.sql(&names), expected);
    assert_eq!(database.sql("SELECT SUM(charged) FROM recurring_charges"), expected);
    assert_eq!(
        database.sql("SELECT SUM(balance) FROM balances"),
        (accounts * (100 - PERIODS) * 100).to_string()
    );
    ledger.proven();
}

const RUN: [&str; 5] = ["recurring", "run", "--format", "json", "--lock-timeout"];

fn run(timeout: &str) -> Vec<&str> {
    RUN.into_iter().chain([timeout]).collect()
}

on_both_engines! {
    fn runs_at_once_charge_each_period_once(database: TestDatabase) {
        let ledger = agreed(&database, 10);

        let outputs = at_once(&ledger, &vec![run("120s"); 4]);

        let charged: u64 = outputs.into_iter().map(|output| output.expect_code(0).data()["charged"].as_u64().unwrap()).sum();
        assert_eq!(charged, 10 * PERIODS as u64);
        assert_charged_once(&database, &ledger, 10);
    }

    fn the_lease_of_a_run_outlasts_whatever_it_may_wait_for(database: TestDatabase) {
        let ledger = agreed(&database, 1);
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let gate = Gate::before(&database, "NEW.seq = 5");
        let begun = now();
        let child = ledger.spawn(&run("180s"));
        let lease = || database.sql("SELECT lease_until / 1000000 FROM jobs WHERE lease_until IS NOT NULL");
        await_until("it holds the lease", || !lease().is_empty());
        let until: u64 = lease().parse().unwrap();
        assert!((begun + 2 * 180..=now() + 2 * 180 + 60).contains(&until), "{begun} {until}");
        gate.open();
        Output::of(child).expect_code(0);
        assert_charged_once(&database, &ledger, 1);
    }

    fn a_run_killed_at_any_moment_is_finished_by_the_next(database: TestDatabase) {
        let ledger = agreed(&database, 15);
        let charged = || database.sql("SELECT COUNT(*) FROM entries WHERE kind = 'service_fee'");
        let gate = Gate::before(&database, "NEW.account_id = 8 AND NEW.seq = 10");
        let mut child = ledger.spawn(&run("60s"));
        await_until("some periods are charged", || charged() != "0");
        child.kill().unwrap();
        assert_eq!(Output::of(child).code, KILLED);
        gate.open();
        assert_ne!(charged(), (15 * PERIODS).to_string());
        for _ in 0..30 {
            let mut child = ledger.spawn(&run("60s"));
            std::thread::sleep(Duration::from_micros(fastrand::u64(3_000..80_000)));
            child.kill().unwrap();
            match Output::of(child).code {
                KILLED => {}
                0 => break,
                other => panic!("exit {other}"),
            }
        }

        ledger.run(&run("60s")).expect_code(0);

        assert_charged_once(&database, &ledger, 15);
        let nothing = ledger.run(&run("60s")).expect_code(0).data();
        assert_eq!((&nothing["charged"], &nothing["already"]), (&0.into(), &0.into()));
    }

    fn once_it_is_cancelled_nothing_more_is_charged(database: TestDatabase) {
        let ledger = agreed(&database, 10);
        let line = run("120s");
        let runs: Vec<_> = (0..2).map(|_| ledger.spawn(&line)).collect();
        for account in [10, 5, 1] {
            let id = format!("c{account}-1");
            ledger.run(&["recurring", "cancel", &id, "--reason", "x", "--lock-timeout", "120s"]).expect_code(0);
            let entries = format!("SELECT COUNT(*) FROM entries WHERE account_id = {account}");
            let when_told = database.sql(&entries);
            let row = format!("SELECT charged FROM recurring_charges WHERE account_id = {account}");
            assert_eq!(database.sql(&row).parse::<u64>().unwrap() + 1, when_told.parse::<u64>().unwrap());
            ledger.run(&line).expect_code(0);
            assert_eq!(database.sql(&entries), when_told);
        }
        for child in runs {
            assert_eq!(Output::of(child).code, 0);
        }
        ledger.proven();
    }
}
