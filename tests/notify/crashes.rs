//! Runs that overlap, and runs that die.

use super::{delivery_ids, funded, hooked, ids_written, impatient_of_some, later, names, refused, run, states, told};
use crate::common::receiver::{Answer, Receiver};
use crate::common::{KILLED, Output, on_both_engines};

on_both_engines! {
    fn two_runs_never_overlap(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver).env("LEDGER_NOTIFY_TIMEOUT", "30s");
        funded(&db, "5", "1");
        receiver.will([Answer::Hang]);
        let mut first = ledger.spawn(&["notify"]);
        receiver.await_one();
        let second = ledger.run_words("notify --lock-timeout 100ms --format json").expect_code(5);
        assert_eq!(second.error_code(), "busy");
        first.kill().unwrap();
        assert_eq!(Output::of(first).code, KILLED);
        // Whoever was killed is not waited for.
        assert_eq!(told(&ledger, 0)["delivered"], 1);
    }

    fn a_run_killed_while_it_sends_sends_again_under_the_same_id(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver).env("LEDGER_NOTIFY_TIMEOUT", "30s");
        funded(&db, "5", "1");
        for number in 2..=6 {
            refused(&db, "5", &format!("R:{number}"));
        }
        // Killed with the second, the third ... on its way.
        for _ in 0..4 {
            receiver.will([Answer::Take, Answer::Hang]);
            let mut child = ledger.spawn(&["notify"]);
            receiver.await_one();
            receiver.await_one();
            child.kill().unwrap();
            assert_eq!(Output::of(child).code, KILLED);
        }
        assert_eq!(run(&ledger).expect_code(0).data()["pending"], 0);
        let taken = names(&receiver.taken());
        assert_eq!(taken, ["e1-1 recharge_completed", "e1-2 charge_refused", "e1-3 charge_refused", "e1-4 charge_refused", "e1-5 charge_refused", "e1-6 charge_refused"]);
        assert_eq!(delivery_ids(&receiver.taken()), ids_written(&db));
        let again: Vec<String> = names(&receiver.seen()).into_iter().filter(|name| name.starts_with("e1-2")).collect();
        assert_eq!(again.len(), 2);
        assert_eq!(delivery_ids(&receiver.seen()).len(), 6);
    }

    fn a_run_that_is_asked_to_stop_finishes_its_attempt_and_says_so(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        funded(&db, "5", "1");
        funded(&db, "6", "1");
        for (minutes, signal, code) in [(0, "TERM", 143), (5, "INT", 130)] {
            receiver.will([Answer::Hang]);
            let child = impatient_of_some(&later(&ledger, minutes)).spawn(&["notify", "--format", "json"]);
            receiver.await_one();
            child.signal(signal);
            let output = Output::of(child).expect_code(code);
            assert_eq!((output.error_code().as_str(), output.stdout.as_str()), ("interrupted", ""));
        }
        assert_eq!(states(&db), "1|1|webhook|pending|2\n2|1|webhook|pending|0");
        assert_eq!(told(&later(&ledger, 60), 0)["delivered"], 2);
    }
}
