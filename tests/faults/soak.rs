//! Everything at once for a long time: mixed load from several processes, the nightly jobs every other moment, processes
//! killed at random. In the end nothing is wrong, and the processes that lived on have not grown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::funded_account;
use super::scene::prove;
use super::serial::Clerk;
use crate::common::command::kilobytes;
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::{Engine, Ledger, Raise, TestDatabase};

const JOBS: [&str; 8] = [
    "verify-sync --fix",
    "verify-sync --since-last",
    "health --fix",
    "audit",
    "process-pending-credits",
    "expire-holds",
    "recurring run",
    "rebuild",
];
/// Busy while another is at work is an answer too, and so is a finding of habits that this load does not hide.
const WELL: [i32; 4] = [0, 1, 5, 7];

/// Lines of every kind for one account, under keys of their own.
fn line(number: usize) -> String {
    let amount = number % 7 + 1;
    let rest = match number % 9 {
        0..4 => format!(r#""op":"charge","amount":"{amount}","service":"vps""#),
        // So much that the account never runs out, however long it takes.
        4..7 => format!(r#""op":"recharge","amount":"{}","method":"momo""#, 2 * amount),
        7 => format!(r#""op":"freeze","amount":"{amount}","expires_in":"1s""#),
        _ => format!(r#""op":"penalty","amount":"{amount}","reason":"late""#),
    };
    format!(r#"{{{rest},"user_id":"5","idempotency_key":"soak-{number}"}}"#)
}

/// Kilobytes of memory that a process has in use.
fn memory(process: u32) -> u64 {
    kilobytes(process, "VmRSS").unwrap_or(0)
}

fn jobs(ledger: &Ledger, over: &AtomicBool, done: &AtomicUsize) {
    for job in JOBS.iter().cycle() {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let output = ledger.run_words(job);
        assert!(WELL.contains(&output.code), "{job}: {}", output.transcript());
        assert!(
            job.contains("audit") || output.code != 1,
            "{job}: {}",
            output.transcript()
        );
        done.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn soaked(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let database = TestDatabase::fresh(engine);
    let ledger = database.ledger().real_clock().env("LEDGER_LOCK_TIMEOUT", "60s");
    funded_account(&ledger);
    let mut random = fastrand::Rng::with_seed(seed);
    let (over, next, runs) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let grown = Mutex::new((0, 0));
    let mut rounds = 0;
    std::thread::scope(|scope| {
        let _over_even_after_a_panic = Raise(&over);
        // One clerk lives as long as all this.
        scope.spawn(|| {
            let mut clerk = Clerk::start(&database);
            while !over.load(Ordering::SeqCst) {
                clerk.ask(&line(next.fetch_add(1, Ordering::SeqCst)));
                let now = memory(clerk.process());
                let mut grown = grown.lock().unwrap();
                // What it needs is known after a while.
                if next.load(Ordering::SeqCst) < 2_000 {
                    grown.0 = now.max(grown.0);
                }
                grown.1 = now;
            }
        });
        scope.spawn(|| jobs(&ledger, &over, &runs));
        while effort.wants_more(rounds) {
            rounds += 1;
            let all: String = (0..20)
                .map(|_| line(next.fetch_add(1, Ordering::SeqCst)) + "\n")
                .collect();
            let mut child = ledger.spawn(&["apply", "-"]);
            std::io::Write::write_all(child.stdin.as_mut().expect("piped"), all.as_bytes()).expect("it reads");
            std::thread::sleep(Duration::from_millis(random.u64(0..60)));
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    });
    let (early, late) = grown.into_inner().unwrap();
    assert!(
        late < early + early / 4 + 2_048,
        "a process grew from {early} to {late} kB"
    );
    // Every line again: what was done is known, what was not is done now.
    let asked = next.into_inner();
    let lines: String = (0..asked).map(|number| line(number) + "\n").collect();
    let answers = || ledger.run_with_stdin(&["apply", "-"], &lines).expect_code(0).stdout;
    assert_eq!(answers().lines().count(), asked);
    // There are too many of them after an hour to read each as JSON.
    let known = r#""outcome":"already_applied""#;
    assert_eq!(answers().lines().filter(|answer| answer.contains(known)).count(), asked);
    prove(&ledger);
    Tally {
        rounds,
        notes: format!("{asked} operations, {} job runs, {late} kB", runs.into_inner()),
        ..Tally::default()
    }
}

#[test]
fn a_busy_ledger_stays_right_on_sqlite() {
    soaked(Engine::Sqlite, smoke_seed(), Effort::Rounds(25)).assert_clean();
}

#[test]
fn a_busy_ledger_stays_right_on_postgres() {
    soaked(Engine::Postgres, smoke_seed(), Effort::Rounds(25)).assert_clean();
}
