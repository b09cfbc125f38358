//! A load test: processes that charge one line after another, each waiting for its answer, against a ledger of yours.
//!
//!     LEDGER_BENCH_URL=postgres://ledger@db/load cargo bench --bench load
//!
//! The ledger must have been migrated; accounts of its own (`load-...`) are created and stay. Without an address, a
//! SQLite file and a private PostgreSQL server are driven. A line whose answer never came (the server gone, the process
//! killed) is sent again under its key in the end: then its outcome is known. At last `verify-sync` passes over all.
//! There is no floor to compare with: what is shown is what callers see, and whether anybody is starved.
//! `LEDGER_BENCH_PROCESSES`, `LEDGER_BENCH_ACCOUNTS`, `LEDGER_BENCH_SECONDS`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::size;
use serde_json::{Value, json};

#[derive(Clone, Copy)]
struct Load {
    processes: usize,
    accounts: usize,
    lasting: Duration,
    /// Keeps the accounts and keys of several runs apart.
    run: u64,
}

impl Load {
    fn user(self, account: usize) -> String {
        format!("load-{}-{account}", self.run)
    }

    /// One in fifty asks for more than there is.
    fn charge(self, process: usize, turn: usize) -> String {
        let account = process.wrapping_mul(7919).wrapping_add(turn.wrapping_mul(104_729)) % self.accounts;
        let amount = if turn % 50 == 49 { "10000000" } else { "0.05" };
        let key = format!("{}-{process}-{turn}", self.run);
        json!({"op": "charge", "user_id": self.user(account), "amount": amount, "service": "vps", "idempotency_key": key})
            .to_string()
    }
}

fn ledger(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.args(arguments).env("DATABASE_URL", url).stderr(Stdio::null());
    command
}

/// A process that answers line by line.
struct Caller {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Caller {
    fn start(url: &str) -> Self {
        let mut process = ledger(url, &["apply", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            questions: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// `None` when the process has gone without an answer.
    fn ask(&mut self, line: &str) -> Option<Value> {
        writeln!(self.questions, "{line}").ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        serde_json::from_str(&answer).ok()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What one process has seen.
#[derive(Default)]
struct Seen {
    waited: Vec<Duration>,
    applied: usize,
    refused: usize,
    /// Lines that have had no answer, or one that leaves the outcome open.
    unknown: Vec<String>,
}

fn drive(url: &str, load: Load, process: usize) -> Seen {
    let mut seen = Seen::default();
    let mut caller = Caller::start(url);
    let end = Instant::now() + load.lasting;
    for turn in 0.. {
        if Instant::now() >= end {
            break;
        }
        let line = load.charge(process, turn);
        let asked = Instant::now();
        let answer = caller.ask(&line);
        seen.waited.push(asked.elapsed());
        match answer {
            Some(answer) if answer["ok"] == true => seen.applied += 1,
            Some(answer) if answer["error"]["code"] == "insufficient_balance" => seen.refused += 1,
            _ => {
                seen.unknown.push(line);
                caller = Caller::start(url);
            }
        }
    }
    seen
}

/// Recharges every account once.
fn fund(url: &str, load: Load) {
    let mut caller = Caller::start(url);
    for account in 0..load.accounts {
        let user = load.user(account);
        let created = ledger(url, &["account", "create", "--user-id", &user])
            .stdout(Stdio::null())
            .status();
        assert!(created.unwrap().success(), "the account {user} cannot be created");
        let line = json!({"op": "recharge", "user_id": user, "amount": "1000000", "method": "momo"}).to_string();
        let answer = caller.ask(&line).expect("the ledger answers");
        assert_eq!(answer["ok"], true, "{answer}");
    }
}

/// The same lines under the same keys; how many still have no outcome.
fn resolve(url: &str, unknown: &[String]) -> usize {
    let mut caller = Caller::start(url);
    let open = |line: &&String| {
        let answer = caller.ask(line).unwrap_or_default();
        !(answer["ok"] == true || answer["error"]["code"] == "insufficient_balance")
    };
    unknown.iter().filter(open).count()
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

#[allow(clippy::cast_precision_loss)]
fn report(what: &str, url: &str, load: Load) {
    fund(url, load);
    let seen: Vec<Seen> = thread::scope(|scope| {
        let drivers: Vec<_> = (0..load.processes)
            .map(|process| scope.spawn(move || drive(url, load, process)))
            .collect();
        drivers.into_iter().map(|driver| driver.join().unwrap()).collect()
    });
    let mut waited: Vec<Duration> = seen.iter().flat_map(|seen| seen.waited.iter().copied()).collect();
    waited.sort_unstable();
    let asked = waited.len();
    let applied: usize = seen.iter().map(|seen| seen.applied).sum();
    let refused: usize = seen.iter().map(|seen| seen.refused).sum();
    let unknown: Vec<String> = seen.iter().flat_map(|seen| seen.unknown.iter().cloned()).collect();
    let milliseconds = |percent: usize| {
        let at = asked.saturating_sub(1) * percent / 100;
        waited.get(at).map_or(0.0, |waited| waited.as_secs_f64() * 1000.0)
    };
    let each = || seen.iter().map(|seen| seen.waited.len());
    println!(
        "\n{what}: {} processes, {} accounts, {} s",
        load.processes,
        load.accounts,
        load.lasting.as_secs()
    );
    println!(
        "  charges a second        {:>10.0}",
        asked as f64 / load.lasting.as_secs_f64()
    );
    println!(
        "  of one process          {:>10} to {}",
        each().min().unwrap_or(0),
        each().max().unwrap_or(0)
    );
    println!(
        "  waited, ms              {:>10.2} median, {:.2} of 99 %, {:.2} at most",
        milliseconds(50),
        milliseconds(99),
        milliseconds(100)
    );
    println!("  applied                 {:>9.3} %", percent(applied, asked));
    println!("  refused                 {:>9.3} %", percent(refused, asked));
    println!("  unknown                 {:>9.3} %", percent(unknown.len(), asked));
    println!("  unknown after a repeat  {:>10}", resolve(url, &unknown));
    let verified = ledger(url, &["verify-sync", "--quiet"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    println!(
        "  verify-sync             {:>10}",
        if verified.success() { "clean" } else { "NOT CLEAN" }
    );
}

fn main() {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let load = Load {
        processes: size("LEDGER_BENCH_PROCESSES", 8),
        accounts: size("LEDGER_BENCH_ACCOUNTS", 200),
        lasting: Duration::from_secs(size("LEDGER_BENCH_SECONDS", 10)),
        run: started.as_secs(),
    };
    if let Ok(url) = std::env::var("LEDGER_BENCH_URL") {
        // The address may hold a password.
        report("The given ledger", &url, load);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    report(
        "SQLite",
        &format!("sqlite://{}", directory.path().join("ledger.db").display()),
        load,
    );
    let (_server, url) = server::with_ledger();
    report("PostgreSQL", &url, load);
}
