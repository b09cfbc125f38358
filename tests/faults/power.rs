//! The power goes while charges are made: what was acknowledged is on the disk, whatever was not is whole or absent.
//!
//! The control: with every sync left out, the same must lose what it has acknowledged, or the test would prove nothing.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::disk::{Disk, copy_ledger};
use super::strace::{Blow, Point, strike_ledger};
use super::{Attempt, assert_exactly_once, funded_account, keys_written};
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::postgres::Server;
use crate::common::{Engine, Ledger, Output, Raise, TestDatabase};

const AT_ONCE: usize = 3;

/// How those who charge wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncs {
    Done,
    LeftOut,
}

/// Attempts in flight on several processes until the power is gone; which were made and which acknowledged.
fn charge_until_dark(ledger: &Ledger, disk: &Disk, lit: Duration, syncs: Syncs) -> (Vec<Attempt>, BTreeSet<String>) {
    let (next, acknowledged) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let (dark, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let give = |attempt: &Attempt| -> Output {
        match syncs {
            Syncs::Done => attempt.run(ledger),
            Syncs::LeftOut => {
                let everywhere = Point {
                    call: "fdatasync",
                    number: 1,
                    blow: Blow::Skipped,
                };
                strike_ledger(ledger, &attempt.line(), everywhere)
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let attempt = Attempt::new(next.fetch_add(1, Ordering::SeqCst));
                    if give(&attempt).code != 0 {
                        break;
                    }
                    if !dark.load(Ordering::SeqCst) {
                        acknowledged.lock().unwrap().insert(attempt.key);
                    }
                }
            });
        }
        let _over_even_after_a_panic = Raise(&over);
        std::thread::sleep(lit);
        // Whoever hears of a success from now on may hear it from a machine without power.
        dark.store(true, Ordering::SeqCst);
        disk.lose_power();
    });
    let attempts = (0..next.into_inner()).map(Attempt::new).collect();
    (attempts, acknowledged.into_inner().unwrap())
}

/// A ledger on a disk, all of it synced.
fn on_sqlite(disk: &Disk) -> (TestDatabase, Ledger) {
    let database = TestDatabase::fresh(Engine::Sqlite);
    let ledger = database.ledger().real_clock();
    funded_account(&ledger);
    copy_ledger(database.directory(), &disk.path());
    disk.sync();
    let file = disk.path().join("ledger.db").display().to_string();
    (database, ledger.env("DATABASE_URL", &file))
}

/// The ledger of the disk, after its power has come back, where it can be examined.
fn recovered(disk: &Disk, database: &TestDatabase) {
    disk.start_again();
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(database.directory().join(name));
    }
    copy_ledger(&disk.path(), database.directory());
}

pub fn of_sqlite(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = Disk::image(24);
    let mut tally = Tally::default();
    let mut survived = 0;
    while effort.wants_more(tally.rounds) {
        let lit = Duration::from_millis(random.u64(5..150));
        tally.round(
            || format!("power lost after {lit:?}, with {SEED_VARIABLE}={seed}"),
            || {
                let (database, ledger) = on_sqlite(&disk);
                let (attempts, acknowledged) = charge_until_dark(&ledger, &disk, lit, Syncs::Done);
                recovered(&disk, &database);
                survived += acknowledged.len();
                assert_exactly_once(&database.url, |text| database.sql(text), &attempts, &acknowledged);
            },
        );
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let _ = std::fs::remove_file(disk.path().join(name));
        }
    }
    tally.notes = format!("{survived} acknowledged charges");
    tally
}

/// How much is lost of what was acknowledged when nobody waits for the disk.
fn lost_without_syncs() -> usize {
    let disk = Disk::image(24);
    let (database, ledger) = on_sqlite(&disk);
    let (_, acknowledged) = charge_until_dark(&ledger, &disk, Duration::from_millis(1_000), Syncs::LeftOut);
    recovered(&disk, &database);
    assert!(!acknowledged.is_empty(), "nothing was acknowledged");
    let written = keys_written(&|text: &str| database.sql(text));
    acknowledged.difference(&written).count()
}

pub fn of_postgres(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = Disk::image(400);
    let server = Server::start_on(&disk.path());
    let mut tally = Tally::default();
    let mut survived = 0;
    while effort.wants_more(tally.rounds) {
        let name = format!("ledger{}", tally.rounds);
        let lit = Duration::from_millis(random.u64(20..400));
        tally.round(
            || format!("power lost after {lit:?}, with {SEED_VARIABLE}={seed}"),
            || {
                server.create_database(&name);
                let ledger = Ledger::new(&server.url(&name))
                    .real_clock()
                    .env("LEDGER_LOCK_TIMEOUT", "100ms");
                ledger.run(&["migrate", "up"]).expect_code(0);
                funded_account(&ledger);
                disk.sync();
                let (attempts, acknowledged) = charge_until_dark(&ledger, &disk, lit, Syncs::Done);
                server.crash();
                disk.start_again();
                server.start_again();
                survived += acknowledged.len();
                let url = server.url(&name);
                assert_exactly_once(&url, |text| server.psql(&name, text), &attempts, &acknowledged);
                server.psql("postgres", &format!("DROP DATABASE {name}"));
            },
        );
    }
    tally.notes = format!("{survived} acknowledged charges");
    tally
}

#[test]
fn what_was_acknowledged_is_on_the_disk_when_the_power_goes() {
    if Disk::can_be_made("power loss") {
        of_sqlite(smoke_seed(), Effort::Rounds(6)).assert_clean();
        of_postgres(smoke_seed(), Effort::Rounds(2)).assert_clean();
    }
}

#[test]
fn without_syncs_a_power_loss_loses_what_was_acknowledged() {
    if Disk::can_be_made("the control of power loss") {
        assert!(lost_without_syncs() > 0, "the test of power loss proves nothing");
    }
}
