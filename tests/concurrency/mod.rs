//! Many processes at the same accounts: nothing is lost, doubled, overdrawn or mistaken.

mod access;
mod audit;
mod apply;
mod credits;
mod holds;
mod jobs;
mod locks;
mod pooler;
mod races;
mod recurring;
mod suspensions;

use crate::common::{Ledger, Output};

fn charge<'a>(user_id: &'a str, amount: &'a str) -> Vec<&'a str> {
    let words = "charge --service vps --format json".split(' ');
    words.chain(["--user-id", user_id, "--amount", amount]).collect()
}

/// Runs one process per command line, all at the same time.
fn at_once(ledger: &Ledger, command_lines: &[Vec<&str>]) -> Vec<Output> {
    let started: Vec<_> = command_lines.iter().map(|line| ledger.spawn(line)).collect();
    started.into_iter().map(Output::of).collect()
}

fn with_code(outputs: &[Output], code: i32) -> Vec<&Output> {
    outputs.iter().filter(|output| output.code == code).collect()
}

/// How many of them say that outcome; every one must have succeeded.
#[track_caller]
fn with_outcome(outputs: &[Output], outcome: &str) -> usize {
    let told = outputs.iter().map(|output| output.clone().expect_code(0).data());
    told.filter(|data| data["outcome"] == outcome).count()
}
