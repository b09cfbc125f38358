//! A connection that the server cuts in the middle of an operation: the program connects again and finds out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ledger::ledger::post::{Outcome, post};

use super::{Attempt, assert_exactly_once, funded_account, open};
use crate::common::{Engine, TestDatabase};

const ROUNDS_OF_CUTTING: usize = 60;
const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[test]
fn an_operation_survives_a_cut_connection_and_is_applied_once() {
    let database = TestDatabase::fresh(Engine::Postgres);
    funded_account(&database.ledger());
    let mut ledger = open(&database.url);
    let done = AtomicBool::new(false);
    let mut attempts = Vec::new();

    let cut: usize = thread::scope(|scope| {
        let cutting = scope.spawn(|| {
            let _done_even_after_a_panic = Done(&done);
            let rounds = (0..ROUNDS_OF_CUTTING).map(|_| {
                thread::sleep(Duration::from_millis(fastrand::u64(20..60)));
                database.sql(CUT).parse::<usize>().unwrap()
            });
            rounds.sum()
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

    assert!(cut >= ROUNDS_OF_CUTTING / 2, "only {cut} connections were cut");
    let acknowledged = attempts.iter().map(|attempt| attempt.key.clone()).collect();
    assert_exactly_once(&database.url, |text| database.sql(text), &attempts, &acknowledged);
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
