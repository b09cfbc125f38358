//! SIGKILL at any moment of a process's life.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Attempt, assert_exactly_once, funded_account};
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::{Engine, KILLED, Output, TestDatabase, on_both_engines};

const AT_ONCE: usize = 3;

/// Kills as many as that.
pub fn killed(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let database = TestDatabase::fresh(engine);
    let mut random = fastrand::Rng::with_seed(seed);
    let ledger = database.ledger();
    funded_account(&ledger);
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut acknowledged = BTreeSet::new();
    let mut killed = 0;
    let mut lives: Vec<Duration> = Vec::new();

    while effort.wants_more(killed) {
        assert!(
            attempts.len() < 200 + 20 * killed,
            "only {killed} of {} were killed in time",
            attempts.len()
        );
        let batch: Vec<Attempt> = (0..AT_ONCE).map(|more| Attempt::new(attempts.len() + more)).collect();
        let started = Instant::now();
        let mut children: Vec<_> = batch.iter().map(|attempt| attempt.start(&ledger)).collect();
        // The first ones live, to learn how long a life is.
        let spared = lives.len() < 5;
        if !spared {
            std::thread::sleep(lives[lives.len() / 2].mul_f64(random.f64()));
            for child in &mut children {
                child.kill().unwrap();
            }
        }
        for (attempt, child) in batch.iter().zip(children) {
            match Output::of(child) {
                Output { code: 0, .. } => {
                    acknowledged.insert(attempt.key.clone());
                }
                Output { code: KILLED, .. } => killed += 1,
                other => panic!("{attempt:?}: {}", other.transcript()),
            }
        }
        if spared {
            lives.push(started.elapsed());
            lives.sort();
        }
        attempts.extend(batch);
    }

    assert_exactly_once(&database.url, |text| database.sql(text), &attempts, &acknowledged);
    Tally::rounds(killed)
}

on_both_engines! {
    fn a_process_killed_at_any_moment_leaves_all_or_nothing(database: TestDatabase) {
        killed(database.engine, smoke_seed(), Effort::Rounds(120));
    }
}
