//! Runs the binary and measures it as a whole: its time and its peak of memory.
#![allow(dead_code)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Run {
    pub output: String,
    pub seconds: f64,
    pub peak_megabytes: f64,
}

/// Runs `ledger` to its end, which must be a good one.
pub fn run(arguments: &[&str], url: &str) -> Run {
    let started = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0.0_f64;
    let ended = loop {
        if let Some(ended) = process.try_wait().unwrap() {
            break ended;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = started.elapsed().as_secs_f64();
    let output = std::io::read_to_string(process.stdout.take().unwrap()).unwrap();
    assert!(ended.success(), "ledger {arguments:?}: {ended}: {output}");
    Run {
        output,
        seconds,
        peak_megabytes: peak / 1024.0,
    }
}
