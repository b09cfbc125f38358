//! Processes that set aside, spend and give back the same money at the same moment.

use std::collections::BTreeSet;

use super::{at_once, with_code};
use crate::common::{Ledger, Output, TestDatabase, on_both_engines};

const FREEZE: &str = "freeze --user-id 5 --amount 5 --lock-timeout 60s --format json";

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[track_caller]
fn held(ledger: &Ledger) -> String {
    let shown = ledger
        .run_words("account show --user-id 5 --format json")
        .expect_code(0)
        .data();
    shown["held"].as_str().unwrap().to_owned()
}

/// In sync, and nothing that cannot be.
#[track_caller]
fn sound(ledger: &Ledger) {
    ledger.proven();
    ledger.run_words("health --format json").expect_code(0);
}

fn became(output: &Output) -> String {
    let error = output.error();
    assert_eq!(
        (output.code, &error["error"]["code"], &error["error"]["status"]),
        (1, &"already_final".into(), &409.into())
    );
    error["error"]["details"]["became"].as_str().unwrap().to_owned()
}

/// What is asked of one hold, and the answers.
struct Race<'a> {
    hold: &'a str,
    lines: Vec<Vec<String>>,
    outputs: Vec<Output>,
}

impl Race<'_> {
    /// Two commits under one key, a refund of its own, and a commit of its own.
    fn lines(hold: &str) -> Vec<Vec<String>> {
        let key = format!("end of {hold}");
        let line = |command: &str, key: &[&str]| {
            let fixed = [command, "--hold", hold, "--lock-timeout", "60s", "--format", "json"];
            [&fixed, key].concat().into_iter().map(str::to_owned).collect()
        };
        let under_key = ["--idempotency-key", &key];
        vec![
            line("commit", &under_key),
            line("refund", &[]),
            line("commit", &under_key),
            line("commit", &[]),
        ]
    }

    /// Exactly one has won, and everybody else was told of it; the status that the hold has now.
    fn judge(&self, db: &TestDatabase) -> String {
        let number = self.hold.split('-').next_back().unwrap();
        let status = db.sql(&format!("SELECT status FROM holds WHERE number = {number}"));
        let mut winners = 0;
        for (line, output) in self.lines.iter().zip(&self.outputs) {
            if output.code == 0 {
                let ended = if line[0] == "commit" { "committed" } else { "refunded" };
                assert_eq!(status, ended, "{line:?} of {}", self.hold);
                winners += usize::from(output.data()["outcome"] == "applied");
            } else {
                assert_eq!(became(output), status, "{line:?} of {}", self.hold);
            }
        }
        assert_eq!(
            winners,
            usize::from(status != "expired"),
            "winners of {} that is {status}",
            self.hold
        );
        status
    }
}

on_both_engines! {
    fn of_a_hundred_freezes_that_exceed_the_balance_fifty_succeed(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "250");

        let outputs = at_once(&ledger, &vec![words(FREEZE); 100]);

        let (frozen, refused) = (with_code(&outputs, 0), with_code(&outputs, 1));
        assert_eq!((frozen.len(), refused.len()), (50, 50), "{outputs:#?}");
        assert!(refused.iter().all(|output| output.error_code() == "insufficient_balance"));
        assert!(outputs.iter().all(|output| output.stdout.is_empty() != output.stderr.is_empty()), "{outputs:#?}");
        let ids: BTreeSet<String> = frozen.iter().map(|output| output.data()["hold"]["id"].to_string()).collect();
        assert_eq!(ids.len(), 50, "each has a hold of its own");
        assert_eq!((ledger.balance("5"), held(&ledger)), ("0.00".into(), "250.00".into()));
        let journal = "SELECT kind, COUNT(*), SUM(held_delta) FROM entries GROUP BY kind ORDER BY kind";
        assert_eq!(database.sql(journal), "freeze|50|25000\nrecharge|1|0");
        assert_eq!(database.sql("SELECT status, COUNT(*), SUM(remaining) FROM holds GROUP BY status"), "open|50|25000");
        sound(&ledger);
    }

    fn every_hold_has_exactly_one_end(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "250");
        // Of every three holds one never runs out, one runs out at 12:20, and one has before anybody asks.
        for number in 0..18 {
            let expires = ["", " --expires-in 20m", " --expires-in 5m"][number % 3];
            ledger.run_words(&format!("{FREEZE}{expires}")).expect_code(0);
        }
        let holds: Vec<String> = (1..=18).map(|number| format!("h1-{number}")).collect();
        let in_time = ledger.clone().at("2026-03-01T12:10:00Z");
        let job = ledger.clone().at("2026-03-01T12:30:00Z");
        let expire = words("expire-holds --lock-timeout 60s --format json");

        let lines: Vec<_> = holds.iter().map(|hold| Race::lines(hold)).collect();
        let (mut started, mut jobs) = (Vec::new(), Vec::new());
        for (number, lines) in lines.iter().enumerate() {
            started.push(lines.iter().map(|line| in_time.spawn(line)).collect::<Vec<_>>());
            if number % 6 == 3 {
                jobs.push(job.spawn(&expire));
            }
        }
        let races = started.into_iter().zip(lines).zip(&holds).map(|((children, lines), hold)| Race {
            hold,
            lines,
            outputs: children.into_iter().map(Output::of).collect(),
        });
        let ends: Vec<String> = races.map(|race| race.judge(&database)).collect();
        for output in jobs.into_iter().map(Output::of) {
            output.expect_code(0);
        }

        assert!(ends.iter().skip(2).step_by(3).all(|end| end == "expired"), "{ends:?}");
        assert!(ends.iter().step_by(3).all(|end| end != "expired"), "{ends:?}");
        let committed = ends.iter().filter(|end| *end == "committed").count();
        assert!(committed > 0, "{ends:?}");
        assert_eq!((ledger.balance("5"), held(&ledger)), (format!("{}.00", 250 - 5 * committed), "0.00".into()));
        let written = "SELECT COUNT(*) FROM entries WHERE kind IN ('commit', 'release')";
        assert_eq!(database.sql(written), "18");
        assert_eq!(database.sql("SELECT COUNT(*) FROM entries WHERE kind = 'commit'"), committed.to_string());
        sound(&ledger);
    }

    fn parts_of_one_hold_never_come_to_more_than_it(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "100");
        ledger.run_words("freeze --user-id 5 --amount 30 --format json").expect_code(0);
        let part = "--hold h1-1 --amount 4 --lock-timeout 60s --format json";
        let (commit, refund) = (format!("commit {part} --keep-open"), format!("refund {part}"));
        let lines: Vec<_> = (0..16).map(|number| words(if number % 2 == 0 { &commit } else { &refund })).collect();

        let outputs = at_once(&ledger, &lines);

        let (done, refused) = (with_code(&outputs, 0), with_code(&outputs, 1));
        assert_eq!((done.len(), refused.len()), (7, 9), "{outputs:#?}");
        for output in refused {
            assert_eq!(output.error_code(), "exceeds_remaining");
            assert_eq!(output.error()["error"]["details"]["remaining"], "2.00");
        }
        assert_eq!(database.sql("SELECT remaining, committed + released, status FROM holds"), "200|2800|open");
        assert_eq!(held(&ledger), "2.00");
        sound(&ledger);
    }

    fn refunds_of_one_charge_never_come_to_more_than_it(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "100");
        ledger.run_words("charge --user-id 5 --amount 50 --service vps --format json").expect_code(0);

        let refund = words("refund --user-id 5 --entry 2 --amount 20 --lock-timeout 60s --format json");
        let outputs = at_once(&ledger, &vec![refund; 8]);

        assert_eq!((with_code(&outputs, 0).len(), with_code(&outputs, 1).len()), (2, 6), "{outputs:#?}");
        for output in with_code(&outputs, 1) {
            assert_eq!(output.error()["error"]["details"]["remaining"], "10.00");
        }
        assert_eq!(ledger.balance("5"), "90.00");
        sound(&ledger);
    }

    fn an_overdue_hold_is_given_back_once_however_many_touch_it(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "40");
        ledger.run_words("freeze --user-id 5 --amount 40 --expires-in 20m --format json").expect_code(0);
        let late = ledger.clone().at("2026-03-01T12:20:00Z");
        let charge = words("charge --user-id 5 --amount 5 --service vps --lock-timeout 60s --format json");
        let mut lines = vec![charge; 10];
        lines.insert(3, words("expire-holds --lock-timeout 60s --format json"));

        let outputs = at_once(&late, &lines);

        assert_eq!((with_code(&outputs, 0).len(), with_code(&outputs, 1).len()), (9, 2), "{outputs:#?}");
        assert!(with_code(&outputs, 1).iter().all(|output| output.error_code() == "insufficient_balance"));
        assert_eq!(database.sql("SELECT COUNT(*) FROM entries WHERE kind = 'release'"), "1");
        assert_eq!((ledger.balance("5"), held(&ledger)), ("0.00".into(), "0.00".into()));
        sound(&ledger);
    }
}
