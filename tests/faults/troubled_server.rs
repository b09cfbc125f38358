//! A PostgreSQL server in trouble while charges are made: it dies as by a power cut, its disk fails, its disk is full.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::strace::{Blow, Plagued, Point};
use super::{Attempt, assert_exactly_once, funded_account};
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::postgres::Server;
use crate::common::{Ledger, Raise};

const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);
const DONE: i32 = 0;
const NOT_REACHABLE: i32 = 4;

/// What was made and what of it acknowledged.
struct Charged {
    attempts: Vec<Attempt>,
    acknowledged: BTreeSet<String>,
}

impl Charged {
    fn assert_exactly_once(&self, server: &Server, database: &str) {
        let Self { attempts, acknowledged } = self;
        let sql = |text: &str| server.psql(database, text);
        assert_exactly_once(&server.url(database), sql, attempts, acknowledged);
    }
}

/// Attempts in flight from several processes for as long as the trouble lasts. Who is not served hears one of those.
fn charge_through(ledger: &Ledger, answers: &[&str], trouble: impl FnOnce(&Progress)) -> Charged {
    let progress = Progress::default();
    let over = AtomicBool::new(false);
    let acknowledged = Mutex::new(BTreeSet::new());
    let charge = || {
        while !over.load(Ordering::Relaxed) {
            let attempt = Attempt::new(progress.attempts.fetch_add(1, Ordering::Relaxed));
            let output = attempt.run(ledger);
            match output.code {
                DONE => {
                    progress.served.fetch_add(1, Ordering::Relaxed);
                    acknowledged.lock().unwrap().insert(attempt.key);
                }
                // It says so, and that the same key may be sent again.
                NOT_REACHABLE => {
                    let told = answers.contains(&output.error_code().as_str());
                    assert!(told, "{attempt:?}: {}", output.transcript());
                    progress.refused.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(25));
                }
                _ => panic!("{attempt:?}: {}", output.transcript()),
            }
        }
    };
    thread::scope(|scope| {
        (0..AT_ONCE).for_each(|_| drop(scope.spawn(charge)));
        let _over_even_after_a_panic = Raise(&over);
        trouble(&progress);
    });
    Charged {
        attempts: (0..progress.attempts.into_inner()).map(Attempt::new).collect(),
        acknowledged: acknowledged.into_inner().unwrap(),
    }
}

#[derive(Default)]
struct Progress {
    attempts: AtomicUsize,
    served: AtomicUsize,
    refused: AtomicUsize,
}

impl Progress {
    fn wait_for_more(&self, number: usize, of: &AtomicUsize) {
        let enough = of.load(Ordering::Relaxed) + number;
        let most = self.attempts.load(Ordering::Relaxed) + 20_000;
        let started = Instant::now();
        while of.load(Ordering::Relaxed) < enough {
            let goes_on = self.attempts.load(Ordering::Relaxed) < most && started.elapsed() < PATIENCE;
            assert!(goes_on, "that never happens");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn funded_ledger(server: &Server, database: &str) -> Ledger {
    server.create_database(database);
    let ledger = Ledger::new(&server.url(database));
    ledger.run(&["migrate", "up"]).expect_code(0);
    funded_account(&ledger);
    ledger
}

pub fn crashed(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut crashes = 0;
    let server = Server::start();
    let ledger = funded_ledger(&server, "ledger");
    let charged = charge_through(&ledger, &["unreachable"], |progress| {
        while effort.wants_more(crashes) {
            crashes += 1;
            progress.wait_for_more(1, &progress.served);
            thread::sleep(Duration::from_millis(random.u64(20..150)));
            server.crash();
            server.start_again();
        }
    });
    charged.assert_exactly_once(&server, "ledger");
    Tally::rounds(crashes)
}

/// What fails, in every process of the server. A server whose log fails ends all of them and recovers.
const BLOWS: [(&str, Blow); 5] = [
    ("fdatasync", Blow::Failed("EIO")),
    ("pwrite64", Blow::Failed("EIO")),
    ("pwrite64", Blow::Failed("ENOSPC")),
    ("fsync", Blow::Failed("EIO")),
    ("pread64", Blow::Failed("EIO")),
];

pub fn failing_disk(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::start();
    let mut tally = Tally::default();
    let (mut dealt, mut served) = (0, 0);
    while effort.wants_more(tally.rounds) {
        let database = format!("ledger{}", tally.rounds);
        let (call, blow) = BLOWS[tally.rounds % BLOWS.len()];
        // A process serves one charge, with few calls of a kind.
        let number = random.usize(1..=3);
        let point = Point { call, number, blow };
        let lasts = Duration::from_millis(random.u64(100..400));
        tally.round(
            || format!("{point:?} for {lasts:?}, with {SEED_VARIABLE}={seed}"),
            || {
                let ledger = funded_ledger(&server, &database);
                let charged = charge_through(&ledger, &["unreachable", "storage"], |_| {
                    let plagued = Plagued::start(&server.process().expect("it runs"), point);
                    // What was written so far has to reach the disk now.
                    let _ = server.try_psql("postgres", "CHECKPOINT");
                    thread::sleep(lasts);
                    dealt += plagued.end();
                    server.recover();
                });
                served += charged.acknowledged.len();
                charged.assert_exactly_once(&server, &database);
                server.psql("postgres", &format!("DROP DATABASE {database}"));
            },
        );
    }
    tally.notes = format!("{dealt} calls failed, {served} acknowledged charges");
    if dealt == 0 {
        tally.findings.push("no call failed: this tried nothing".to_owned());
    }
    tally
}

/// Kilobytes that a new server and a ledger in it need, with its log; what is left is a matter of chance.
const NEEDED: usize = 100_000;

pub fn full_disk(seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = Disk::small(NEEDED);
    let server = Server::start_on(&disk.path());
    let mut tally = Tally::default();
    let mut served = 0;
    while effort.wants_more(tally.rounds) {
        let database = format!("ledger{}", tally.rounds);
        let left = random.usize(1..600);
        tally.round(
            || format!("{left} kB left, with {SEED_VARIABLE}={seed}"),
            || {
                let ledger = funded_ledger(&server, &database);
                let charged = charge_through(&ledger, &["unreachable", "storage"], |progress| {
                    disk.fill_but(left);
                    progress.wait_for_more(5, &progress.refused);
                    disk.empty();
                    server.recover();
                });
                served += charged.acknowledged.len();
                charged.assert_exactly_once(&server, &database);
                server.psql("postgres", &format!("DROP DATABASE {database}"));
            },
        );
    }
    tally.notes = format!("{served} acknowledged charges");
    tally
}

#[test]
fn what_a_crashed_server_acknowledged_is_there_after_its_recovery() {
    crashed(smoke_seed(), Effort::Rounds(50));
}

#[test]
fn what_a_server_with_a_failing_disk_acknowledged_is_there() {
    if Disk::can_be_made("a failing disk of a server") {
        failing_disk(smoke_seed(), Effort::Rounds(5)).assert_clean();
    }
}

#[test]
fn a_server_with_a_full_disk_refuses_clearly_and_loses_nothing() {
    if Disk::can_be_made("a full disk of a server") {
        full_disk(smoke_seed(), Effort::Rounds(1)).assert_clean();
    }
}
