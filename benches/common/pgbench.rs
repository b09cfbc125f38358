//! pgbench as a floor, and as many connections of ours beside it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use ledger::ledger::post::{Request, post};

use crate::common;
use crate::server::{self, Server};

/// Transactions per second of a script.
pub fn rate(server: &Server, database: &str, script: &Path, clients: usize, seconds: u64) -> f64 {
    let output = Command::new(server::program("pgbench"))
        .args(["-n", "-M", "prepared", "-j", "2"])
        .args(["-c", &clients.to_string(), "-T", &seconds.to_string()])
        .arg("-f")
        .arg(script)
        .arg(server.url(database))
        .output()
        .expect("pgbench can be run");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "pgbench: {complaint}");
    let said = String::from_utf8(output.stdout).unwrap();
    let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = tps.and_then(|rest| rest.split(' ').next());
    tps.expect("pgbench says its tps").parse().unwrap()
}

/// Requests per second of so many connections; `next` makes the request of a connection's turn.
pub fn ours(url: &str, connections: usize, seconds: u64, next: impl Fn(usize, usize) -> Request + Sync) -> f64 {
    let barrier = Barrier::new(connections);
    let run = |connection: usize| {
        let mut ledger = common::open(url);
        barrier.wait();
        let (started, span) = (Instant::now(), Duration::from_secs(seconds));
        let mut done = 0_u32;
        while started.elapsed() < span {
            let request = next(connection, done as usize);
            common::applied(&post(&mut ledger, &request).unwrap());
            done += 1;
        }
        f64::from(done) / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || run(connection)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
