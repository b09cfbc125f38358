//! Operating it: help, manual and completions, quiet jobs, schedules, metrics, `doctor`, roles, and no secret ever shown.

mod canary;
mod config;
mod doctor;
mod examples;
mod help;
mod metrics;
mod ping;
mod quiet;
mod roles;
mod schedule;
mod shells;
mod texts;

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a program that must be installed and end well; what it printed on both streams.
#[track_caller]
fn program(name: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(name)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name} is needed, see .ci/run: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}\n{said}");
    said
}
