//! A PostgreSQL server that dies as by a power cut, again and again.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Attempt, Raise, assert_exactly_once, funded_account};
use crate::common::Ledger;
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::postgres::Server;

const DONE: i32 = 0;
const NOT_REACHABLE: i32 = 4;

pub fn crashed(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut crashes = 0;
    let server = Server::start();
    server.create_database("ledger");
    let ledger = Ledger::new(&server.url("ledger"));
    ledger.run(&["migrate", "up"]).expect_code(0);
    funded_account(&ledger);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acknowledged = Mutex::new(BTreeSet::new());

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let attempt = Attempt::new(next.fetch_add(1, Ordering::Relaxed));
                    let output = attempt.run(&ledger);
                    match output.code {
                        DONE => {
                            acknowledged.lock().unwrap().insert(attempt.key);
                        }
                        // It says so, and that the same key may be sent again.
                        NOT_REACHABLE => {
                            assert_eq!(output.error_code(), "unreachable");
                            thread::sleep(Duration::from_millis(25));
                        }
                        _ => panic!("{attempt:?}: {}", output.transcript()),
                    }
                }
            });
        }
        let _stopped_even_by_a_panic = Raise(&stop);
        while effort.wants_more(crashes) {
            crashes += 1;
            thread::sleep(Duration::from_millis(random.u64(20..150)));
            server.crash();
            server.start_again();
        }
    });

    let attempts: Vec<Attempt> = (0..next.into_inner()).map(Attempt::new).collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(
        acknowledged.len() > crashes,
        "only {} charges succeeded",
        acknowledged.len()
    );
    assert_exactly_once(
        &server.url("ledger"),
        |text| server.psql("ledger", text),
        &attempts,
        &acknowledged,
    );
    Tally::rounds(crashes)
}

#[test]
fn what_a_crashed_server_acknowledged_is_there_after_its_recovery() {
    crashed(smoke_seed(), Effort::Rounds(50));
}
