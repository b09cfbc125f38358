//! The commands as people and scripts use them: the real binary, whole outputs.

mod access;
mod account;
mod alert;
pub(crate) mod apply;
mod audit;
mod backup;
mod bad_input;
mod callback;
mod charge;
mod database;
mod export;
mod health;
mod hold;
mod inspect;
mod intents;
mod language;
mod limits;
mod operations;
mod migrate;
mod output;
mod purchase;
mod recharge;
mod recurring;
mod refund;
mod report;
mod require;
mod seed;
mod suspension;
pub(crate) mod verify;

use serde_json::Value;

use crate::common::{NOW, Output, TestDatabase};

/// An account of user 5 with that balance, in USD.
#[track_caller]
fn with_balance(db: &TestDatabase, amount: &str) {
    db.ledger().fund("5", amount);
}

#[track_caller]
fn balance(db: &TestDatabase) -> String {
    db.ledger().balance("5")
}

fn charge(db: &TestDatabase, amount: &str, key: &str) -> Output {
    let args = [
        "charge",
        "--user-id",
        "5",
        "--amount",
        amount,
        "--service",
        "vps",
        "--idempotency-key",
        key,
    ];
    db.ledger().run(&[&args[..], &["--format", "json"]].concat())
}

/// The digest of the whole ledger, proven on the way.
fn digest(db: &TestDatabase) -> String {
    db.ledger().proven_digest()
}

/// A line of words, with its answer in JSON.
fn json(db: &TestDatabase, line: &str) -> Output {
    json_at(db, NOW, line)
}

/// As [`json`], at another time.
fn json_at(db: &TestDatabase, time: &str, line: &str) -> Output {
    db.ledger().at(time).run_words(&format!("{line} --format json"))
}

/// What is available and what is held, as the account shows them.
#[track_caller]
fn figures(db: &TestDatabase) -> (String, String) {
    let shown = json(db, "account show --user-id 5").expect_code(0).data();
    let figure = |name: &str| shown[name].as_str().unwrap().to_owned();
    (figure("balance"), figure("held"))
}

/// The details of a rule's "no" with that code.
#[track_caller]
fn refused(output: Output, code: &str) -> Value {
    let output = output.expect_code(1);
    assert_eq!((output.error_code().as_str(), output.stdout.as_str()), (code, ""));
    output.error()["error"]["details"].take()
}

/// Damages what a check constraint protects; on PostgreSQL its name is given.
fn behind_its_back(db: &TestDatabase, (table, constraint): (&str, &str), statement: &str) {
    match db.engine {
        crate::common::Engine::Sqlite => db.sql(&format!("PRAGMA ignore_check_constraints = ON; {statement}")),
        crate::common::Engine::Postgres => db.sql(&format!(
            "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}; {statement}"
        )),
    };
}
