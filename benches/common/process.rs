//! Runs the binary and measures it as a whole: its time and its peak of memory.
#![allow(dead_code)]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Run {
    pub output: String,
    pub seconds: f64,
    pub peak_megabytes: f64,
}

/// Runs `ledger` to its end, which must be a good one.
pub fn run(arguments: &[&str], url: &str) -> Run {
    watched(arguments, url, Stdio::piped())
}

/// The same; what it says goes to a file.
pub fn run_into(arguments: &[&str], url: &str, output: &Path) -> Run {
    watched(arguments, url, File::create(output).unwrap().into())
}

fn watched(arguments: &[&str], url: &str, output: Stdio) -> Run {
    let started = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdout(output)
        .stderr(Stdio::null())
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
    let output = process
        .stdout
        .take()
        .map(|output| std::io::read_to_string(output).unwrap());
    let output = output.unwrap_or_default();
    assert!(ended.success(), "ledger {arguments:?}: {ended}: {output}");
    Run {
        output,
        seconds,
        peak_megabytes: peak / 1024.0,
    }
}
