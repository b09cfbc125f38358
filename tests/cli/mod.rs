//! The commands as people and scripts use them: the real binary, whole outputs.

mod account;
mod bad_input;
mod charge;
mod database;
mod inspect;
mod output;
mod purchase;
mod recharge;
mod verify;

use crate::common::{Output, TestDatabase};

/// An account of user 5 with that balance, in USD.
fn with_balance(db: &TestDatabase, amount: &str) {
    db.ledger().run(&["account", "create", "--user-id", "5"]).expect_code(0);
    db.ledger()
        .run(&["recharge", "--user-id", "5", "--amount", amount, "--method", "momo"])
        .expect_code(0);
}

fn balance(db: &TestDatabase) -> String {
    let output = db
        .ledger()
        .run_words("balance --user-id 5 --format json")
        .expect_code(0);
    output.data()["balance"].as_str().unwrap().to_string()
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
    let report = db.ledger().run_words("verify-sync --format json").expect_code(0);
    report.data()["digest"].as_str().unwrap().to_string()
}
