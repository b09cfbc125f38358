//! What the suite tries for seconds, tried for as long as you like:
//!
//!     cargo test --release --test campaign -- --minutes 30 --seed 7 [FAULT ...]
//!
//! Without faults all of them share the time. Each failure says how to repeat it; the exit status is 1 if there is one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::pedantic,
    dead_code,
    unused_imports
)]

mod common;
mod faults;
mod oracles;
mod properties;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use common::Engine;
use common::effort::{Effort, Tally};
use faults::disk::Disk;
use faults::{clocks, cut_connections, every_call, full_disk, killed_apply, killed_processes};
use faults::{hostile, lost_replies, power, serial, soak, troubled_server, upgrade};

#[derive(Debug, Parser)]
struct Arguments {
    /// Which faults; all unless given
    faults: Vec<String>,
    /// How long in all
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many rounds of each fault instead, whatever time they take
    #[arg(long, conflicts_with = "minutes")]
    rounds: Option<usize>,
    /// Repeats a campaign
    #[arg(long)]
    seed: Option<u64>,
    /// Say which faults there are
    #[arg(long)]
    list: bool,
}

type Campaign = fn(u64, Effort) -> Tally;

/// What is tried, by name.
const FAULTS: &[(&str, Campaign)] = &[
    ("killed-at-calls-sqlite", |seed, effort| {
        every_call::killed(Engine::Sqlite, seed, effort)
    }),
    ("killed-at-calls-postgres", |seed, effort| {
        every_call::killed(Engine::Postgres, seed, effort)
    }),
    ("failed-calls-sqlite", every_call::failed),
    ("killed-processes-sqlite", |seed, effort| {
        killed_processes::killed(Engine::Sqlite, seed, effort)
    }),
    ("killed-processes-postgres", |seed, effort| {
        killed_processes::killed(Engine::Postgres, seed, effort)
    }),
    ("killed-apply-sqlite", |seed, effort| {
        killed_apply::killed(Engine::Sqlite, seed, effort)
    }),
    ("killed-apply-postgres", |seed, effort| {
        killed_apply::killed(Engine::Postgres, seed, effort)
    }),
    ("crashed-server", troubled_server::crashed),
    ("failing-disk-postgres", troubled_server::failing_disk),
    ("cut-connections", cut_connections::cut),
    ("lost-replies", lost_replies::lost),
    ("power-loss-sqlite", power::of_sqlite),
    ("power-loss-postgres", power::of_postgres),
    ("full-disk-sqlite", full_disk::filled),
    ("full-disk-postgres", troubled_server::full_disk),
    ("upgrade-sqlite", |seed, effort| {
        upgrade::killed(Engine::Sqlite, seed, effort)
    }),
    ("upgrade-postgres", |seed, effort| {
        upgrade::killed(Engine::Postgres, seed, effort)
    }),
    ("hostile-input-sqlite", |seed, effort| {
        hostile::given(Engine::Sqlite, seed, effort)
    }),
    ("hostile-input-postgres", |seed, effort| {
        hostile::given(Engine::Postgres, seed, effort)
    }),
    ("histories-sqlite", |seed, effort| {
        serial::serialisable(Engine::Sqlite, seed, effort)
    }),
    ("histories-postgres", |seed, effort| {
        serial::serialisable(Engine::Postgres, seed, effort)
    }),
    ("clocks-sqlite", |seed, effort| {
        clocks::jumped(Engine::Sqlite, seed, effort)
    }),
    ("clocks-postgres", |seed, effort| {
        clocks::jumped(Engine::Postgres, seed, effort)
    }),
    ("soak-sqlite", |seed, effort| soak::soaked(Engine::Sqlite, seed, effort)),
    ("soak-postgres", |seed, effort| {
        soak::soaked(Engine::Postgres, seed, effort)
    }),
    ("model-sqlite", |seed, effort| {
        properties::lived(Engine::Sqlite, seed, effort)
    }),
    ("model-postgres", |seed, effort| {
        properties::lived(Engine::Postgres, seed, effort)
    }),
    ("model-cli-sqlite", |seed, effort| {
        properties::lived_by_commands(Engine::Sqlite, seed, effort)
    }),
    ("model-cli-postgres", |seed, effort| {
        properties::lived_by_commands(Engine::Postgres, seed, effort)
    }),
];

/// What only root can try.
const OF_ROOT: [&str; 5] = [
    "failing-disk-postgres",
    "power-loss-sqlite",
    "power-loss-postgres",
    "full-disk-sqlite",
    "full-disk-postgres",
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        FAULTS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let unknown = arguments
        .faults
        .iter()
        .find(|name| FAULTS.iter().all(|(known, _)| known != name));
    if let Some(name) = unknown {
        eprintln!("{name} is no fault that is tried here; --list shows them");
        return ExitCode::from(2);
    }
    let wanted = |name: &str| arguments.faults.is_empty() || arguments.faults.iter().any(|fault| fault == name);
    let chosen: Vec<_> = FAULTS.iter().filter(|(name, _)| wanted(name)).collect();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let mut failed = false;
    for (at, (name, campaign)) in chosen.iter().enumerate() {
        if OF_ROOT.contains(name) && !Disk::can_be_made(name) {
            println!("{name:28} NOT TRIED: needs root");
            continue;
        }
        let effort = arguments.rounds.map_or_else(
            || {
                // What one leaves of its time goes to the others.
                let left = end.saturating_duration_since(Instant::now());
                Effort::lasting(left / (chosen.len() - at) as u32)
            },
            Effort::Rounds,
        );
        let started = Instant::now();
        let done = std::panic::catch_unwind(|| campaign(seed, effort));
        let seconds = started.elapsed().as_secs();
        match done {
            Ok(tally) => {
                println!("{name:28} {:>4} s  {tally}  {} findings", seconds, tally.findings.len());
                tally.findings.iter().for_each(|finding| println!("    {finding}"));
                failed |= !tally.findings.is_empty();
            }
            Err(_) => {
                println!("{name:28} {seconds:>4} s  FAILED, with --seed {seed}");
                failed = true;
            }
        }
    }
    ExitCode::from(u8::from(failed))
}
