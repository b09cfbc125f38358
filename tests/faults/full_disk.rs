//! The disk is full: whoever is refused hears so, what was acknowledged is there, and with room again all goes on.

use std::collections::BTreeSet;

use super::disk::{Disk, copy_ledger};
use super::{Attempt, assert_exactly_once, funded_account};
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::{Engine, TestDatabase};

/// Kilobytes: a new ledger fits into the least, and the most is full after some charges.
const SIZES: std::ops::Range<usize> = 700..860;
const FULL: i32 = 4;

fn fill(kilobytes: usize) {
    let database = TestDatabase::fresh(Engine::Sqlite);
    let ledger = database.ledger();
    funded_account(&ledger);
    let disk = Disk::small(kilobytes);
    copy_ledger(database.directory(), &disk.path());
    let file = disk.path().join("ledger.db").display().to_string();
    let on_disk = ledger.clone().env("DATABASE_URL", &file);
    let mut attempts = Vec::new();
    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    while refused < 5 {
        let attempt = Attempt::new(attempts.len());
        let output = attempt.run(&on_disk);
        match output.code {
            0 => {
                acknowledged.insert(attempt.key.clone());
            }
            FULL => {
                assert_eq!(output.error_code(), "storage", "{}", output.transcript());
                refused += 1;
            }
            _ => panic!("{}", output.transcript()),
        }
        attempts.push(attempt);
        assert!(attempts.len() < 5_000, "{kilobytes} kB are never full");
    }
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(database.directory().join(name));
    }
    copy_ledger(&disk.path(), database.directory());
    assert_exactly_once(&database.url, |text| database.sql(text), &attempts, &acknowledged);
}

pub fn filled(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    while effort.wants_more(tally.rounds) {
        let kilobytes = random.usize(SIZES);
        tally.round(
            || format!("{kilobytes} kB, with {SEED_VARIABLE}={seed}"),
            || fill(kilobytes),
        );
    }
    tally
}

#[test]
fn a_full_disk_refuses_clearly_and_loses_nothing() {
    if Disk::can_be_made("a full disk") {
        filled(smoke_seed(), Effort::Rounds(2)).assert_clean();
    }
}
