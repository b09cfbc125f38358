//! Two runs of one job never overlap, and a dead run holds nobody up.

use std::fs;
use std::process::Command;

use super::at_once;
use crate::common::{Ledger, TestDatabase, on_both_engines};

const FAR_FUTURE: i64 = 253_402_300_799_000_000;

fn leave_lease(database: &TestDatabase, holder: &str) {
    database.sql(&format!(
        "DELETE FROM jobs; INSERT INTO jobs (job, fence, holder, lease_until) \
         VALUES ('verify-sync', 7, '{holder}', {FAR_FUTURE})"
    ));
}

#[track_caller]
fn assert_busy(ledger: &Ledger) {
    let line = vec!["verify-sync", "--lock-timeout", "200ms", "--format", "json"];
    for output in at_once(ledger, &[line.clone(), line]) {
        assert_eq!(output.clone().expect_code(5).error_code(), "busy");
    }
}

fn this_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().to_owned()
}

/// The start of the machine and the space in which processes are numbered.
fn numbering() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    format!("{}/{}", boot.trim(), namespace.display())
}

/// When the process started, in ticks since boot: the 22nd field.
fn started_at(process_id: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    let behind_the_name = stat.rsplit_once(')').unwrap().1;
    behind_the_name.split_whitespace().nth(19).unwrap().to_owned()
}

/// The number of a process that has ended.
fn ended_process() -> u32 {
    let mut process = Command::new("true").spawn().unwrap();
    process.wait().unwrap();
    process.id()
}

on_both_engines! {
    fn a_run_waits_for_the_lease_of_another_host_and_then_says_busy(database: TestDatabase) {
        let ledger = database.ledger();
        leave_lease(&database, "elsewhere:4711:99");

        assert_busy(&ledger);

        database.sql("UPDATE jobs SET holder = NULL, lease_until = NULL");
        ledger.run(&["verify-sync", "--lock-timeout", "200ms"]).expect_code(0);
    }

    fn a_part_of_the_ledger_waits_for_nobody(database: TestDatabase) {
        leave_lease(&database, "elsewhere:4711:99");
        database.ledger().run_words("verify-sync --accounts 1-").expect_code(0);
    }

    fn a_lease_of_another_host_that_has_run_out_is_taken_over(database: TestDatabase) {
        leave_lease(&database, "elsewhere:4711:99");
        database.sql("UPDATE jobs SET lease_until = 1000000");

        database.ledger().run(&["verify-sync", "--lock-timeout", "200ms"]).expect_code(0);

        assert_eq!(database.sql("SELECT fence, holder, lease_until FROM jobs"), "8||");
    }

    fn the_lease_of_a_living_process_of_this_host_is_respected(database: TestDatabase) {
        let this = std::process::id();
        leave_lease(&database, &format!("{}:{this}:{} {}", this_host(), started_at(this), numbering()));

        assert_busy(&database.ledger());
    }

    fn the_lease_of_a_killed_process_of_this_host_is_taken_over_at_once(database: TestDatabase) {
        let ledger = database.ledger();
        // Given a number that nobody has, and one that somebody else has got since
        let gone = [format!("{}:1", ended_process()), format!("{}:1", std::process::id())];
        for process in gone {
            leave_lease(&database, &format!("{}:{process} {}", this_host(), numbering()));

            ledger.run(&["verify-sync", "--lock-timeout", "200ms"]).expect_code(0);

            assert_eq!(database.sql("SELECT fence, holder, lease_until FROM jobs"), "8||");
        }
    }

    /// A container of the same name, the machine before it was started anew, and who does not say.
    fn the_lease_of_a_process_that_cannot_be_seen_from_here_is_respected(database: TestDatabase) {
        let process = format!("{}:{}:1", this_host(), ended_process());
        let (boot, namespace) = numbering().split_once('/').map(|(boot, space)| (boot.to_owned(), space.to_owned())).unwrap();
        for elsewhere in [format!(" {boot}/pid:[1]"), format!(" 0-0/{namespace}"), " ".to_owned(), String::new()] {
            leave_lease(&database, &format!("{process}{elsewhere}"));
            let busy = database.ledger().run_words("verify-sync --lock-timeout 50ms --format json").expect_code(5);
            let message = busy.error()["error"]["message"].as_str().unwrap().to_owned();
            assert_eq!(message, format!("busy: verify-sync is already being run by {process}; try again later"));
        }
    }

    fn of_many_runs_at_once_each_has_its_turn(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.run(&["account", "create", "--user-id", "5"]).expect_code(0);

        let outputs = at_once(&ledger, &vec![vec!["verify-sync", "--lock-timeout", "20s"]; 8]);

        assert!(outputs.iter().all(|output| output.code == 0), "{outputs:#?}");
        assert_eq!(database.sql("SELECT fence, holder FROM jobs"), "8|");
        assert_eq!(database.sql("SELECT COUNT(*) FROM job_runs WHERE exit_code = 0"), "8");
    }

    fn of_twenty_runs_at_once_one_works_and_the_others_are_busy_in_time(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.run(&["account", "create", "--user-id", "5"]).expect_code(0);
        leave_lease(&database, "elsewhere:1:0");
        let waiting = at_once(&ledger, &vec![vec!["verify-sync", "--lock-timeout", "300ms"]; 20]);
        assert!(waiting.iter().all(|output| output.code == 5), "{waiting:#?}");
        assert_eq!(database.sql("SELECT COUNT(*) FROM job_runs"), "0");

        database.sql("UPDATE jobs SET holder = NULL, lease_until = NULL");
        let outputs = at_once(&ledger, &vec![vec!["verify-sync", "--lock-timeout", "0s"]; 20]);
        let with = |code: i32| outputs.iter().filter(|output| output.code == code).count();
        assert_eq!(with(0) + with(5), 20, "{outputs:#?}");
        assert!(with(0) >= 1, "{outputs:#?}");
        assert_eq!(database.sql("SELECT COUNT(*) FROM job_runs WHERE exit_code = 0"), with(0).to_string());
    }
}
