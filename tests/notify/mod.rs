//! Events: written with their cause, told on every channel, at least once and in order, whatever receivers do.

mod channels;
mod command;
mod crashes;
mod encrypted;
mod events;
mod mail;
mod secrets;
mod settings;
mod webhook;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::receiver::{Post, Receiver};
use crate::common::{Ledger, NOW, Output, TestDatabase};

/// The secret that receivers in these tests check signatures with.
const SECRET: &str = "webhook canary secret";

/// The command, patient enough for receivers on a busy machine.
fn patient(db: &TestDatabase) -> Ledger {
    db.ledger()
        .env("LEDGER_NOTIFY_TIMEOUT", "20s")
        .env("LEDGER_LOCK_TIMEOUT", "30s")
}

/// The same where nobody is going to answer.
fn impatient(ledger: &Ledger) -> Ledger {
    ledger.clone().env("LEDGER_NOTIFY_TIMEOUT", "400ms")
}

/// The same where somebody does not answer and others do.
fn impatient_of_some(ledger: &Ledger) -> Ledger {
    ledger.clone().env("LEDGER_NOTIFY_TIMEOUT", "3s")
}

/// One that tells this receiver.
fn hooked(db: &TestDatabase, receiver: &Receiver<Post>) -> Ledger {
    patient(db)
        .env("LEDGER_NOTIFY_WEBHOOK_URL", &receiver.url())
        .env("LEDGER_NOTIFY_WEBHOOK_SECRET", SECRET)
}

/// Its run with that exit code; what it did on its one channel.
#[track_caller]
fn told(ledger: &Ledger, code: i32) -> Value {
    let data = run(ledger).expect_code(code).data();
    data["channels"][0].clone()
}

fn run(ledger: &Ledger) -> Output {
    ledger.run_words("notify --format json")
}

fn words(db: &TestDatabase, line: &str) -> Output {
    db.ledger().run_words(line)
}

/// An account of that user with that balance, which is low below 50.
#[track_caller]
fn funded(db: &TestDatabase, user: &str, amount: &str) {
    db.ledger().fund_with(user, amount, &["--low-balance-threshold", "50"]);
}

/// A charge of more than there is: refused, which is an event.
fn refused(db: &TestDatabase, user: &str, reference: &str) {
    words(
        db,
        &format!("charge --user-id {user} --amount 9000 --service vps --reference {reference}"),
    )
    .expect_code(1);
}

/// `account number kind` of every event, in the order of each account.
fn kinds(db: &TestDatabase) -> Vec<String> {
    let rows = db.sql("SELECT account_id, number, kind FROM outbox ORDER BY account_id, number");
    rows.lines().map(|row| row.replace('|', " ")).collect()
}

fn kinds_of(db: &TestDatabase, account: i64) -> Vec<String> {
    let rows = db.sql(&format!(
        "SELECT kind FROM outbox WHERE account_id = {account} ORDER BY number"
    ));
    rows.lines().map(str::to_owned).collect()
}

/// The same minutes later, when everything that failed is due again.
fn later(ledger: &Ledger, minutes: u32) -> Ledger {
    assert!(NOW.contains("T12:00:00"));
    ledger
        .clone()
        .at(&format!("2026-03-01T{:02}:{:02}:00Z", 12 + minutes / 60, minutes % 60))
}

/// `id kind` of each, in the order in which they came.
fn names(posts: &[Post]) -> Vec<String> {
    let name = |post: &Post| {
        let body = post.json();
        format!("{} {}", body["id"].as_str().unwrap(), body["event"].as_str().unwrap())
    };
    posts.iter().map(name).collect()
}

fn delivery_ids(posts: &[Post]) -> BTreeSet<String> {
    posts
        .iter()
        .map(|post| post.header("x-ledger-delivery").to_owned())
        .collect()
}

fn ids_written(db: &TestDatabase) -> BTreeSet<String> {
    db.sql("SELECT delivery_id FROM outbox")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn states(db: &TestDatabase) -> String {
    db.sql("SELECT account_id, number, channel, state, attempts FROM deliveries ORDER BY account_id, number, channel")
}
