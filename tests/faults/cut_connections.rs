//! A connection that the server cuts in the middle of an operation: the program connects again and finds out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ledger::ledger::post::{Outcome, post};

use super::{Attempt, assert_exactly_once, funded_account, open};
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::{Engine, Raise, TestDatabase};

const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

pub fn cut(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let database = TestDatabase::fresh(Engine::Postgres);
    funded_account(&database.ledger());
    let mut ledger = open(&database.url);
    let done = AtomicBool::new(false);
    let mut attempts = Vec::new();

    let (rounds, cut) = thread::scope(|scope| {
        let cutting = scope.spawn(|| {
            let _done_even_after_a_panic = Raise(&done);
            let (mut rounds, mut cut) = (0, 0);
            while effort.wants_more(rounds) {
                thread::sleep(Duration::from_millis(random.u64(20..60)));
                cut += database.sql(CUT).parse::<usize>().unwrap();
                rounds += 1;
            }
            (rounds, cut)
        });
        while !done.load(Ordering::Relaxed) {
            let attempt = Attempt::new(attempts.len());
            let answer = post(&mut ledger, &attempt.request()).unwrap();
            // Even where the first try had succeeded unseen: to the caller it is done now.
            assert!(matches!(answer.outcome, Outcome::Applied(_)), "{attempt:?}: {answer:?}");
            attempts.push(attempt);
        }
        cutting.join().unwrap()
    });

    assert!(cut >= rounds / 2, "only {cut} connections were cut");
    let acknowledged = attempts.iter().map(|attempt| attempt.key.clone()).collect();
    assert_exactly_once(&database.url, |text| database.sql(text), &attempts, &acknowledged);
    Tally::rounds(cut)
}

#[test]
fn an_operation_survives_a_cut_connection_and_is_applied_once() {
    cut(smoke_seed(), Effort::Rounds(60));
}
