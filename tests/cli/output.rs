//! Whole outputs, as snapshots: what people see and scripts depend on.

use super::with_balance;
use crate::common::{Engine, TestDatabase, on_both_engines};

/// A small ledger with nothing random in it.
fn small_ledger(db: &TestDatabase) {
    db.ledger()
        .run_words("account create --user-id 5 --low-balance-threshold 100")
        .expect_code(0);
    db.ledger()
        .run_words("recharge --user-id 5 --amount 500 --method zalo_pay --reference Invoice:1 --idempotency-key r")
        .expect_code(0);
    db.ledger()
        .run_words("charge --user-id 5 --amount 12.5 --service vps --reference VpsUsage:123 --idempotency-key c")
        .expect_code(0);
}

/// The same story in every format; both engines must tell it alike, to the byte.
#[test]
fn every_format_is_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        small_ledger(&db);
        let mut told = String::new();
        for command in [
            "charge --user-id 5 --amount 12.5 --service vps --reference VpsUsage:123 --idempotency-key c",
            "charge --user-id 5 --amount 900 --service vps --idempotency-key d",
            "recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m --idempotency-key p",
            "balance --user-id 5",
            "history --user-id 5",
            "explain --user-id 5",
            "recharge list",
            "account list",
            "migrate status",
        ] {
            for format in ["table", "json", "ndjson", "csv"] {
                let output = db.ledger().run_words(&format!("{command} --format {format}"));
                told.push_str(&format!(
                    "$ ledger {command} --format {format}\n{}\n",
                    output.transcript()
                ));
            }
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("every_format", sqlite);
}

#[test]
fn the_whole_help() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let mut told = String::new();
    for command in [
        "",
        "account",
        "account create",
        "account show",
        "account list",
        "account import",
        "account lock",
        "account unlock",
        "account close",
        "account set",
        "recharge",
        "recharge complete",
        "recharge list",
        "expire-recharges",
        "charge",
        "adjust",
        "penalty",
        "balance",
        "history",
        "explain",
        "currency add",
        "currency list",
        "notify",
        "notify list",
        "notify resend",
        "operations list",
        "intents list",
        "intents show",
        "intents resolve",
        "intents replay",
        "forecast",
        "report revenue",
        "report usage",
        "report churn",
        "report topups",
        "report daily",
        "trial-balance",
        "export",
        "verify-sync",
        "rebuild",
        "recurring add",
        "recurring list",
        "recurring cancel",
        "recurring run",
        "migrate status",
        "migrate up",
        "demo",
    ] {
        let output = db.ledger().run_words(&format!("{command} --help")).expect_code(0);
        assert!(output.stdout.contains("Usage:"), "{command}");
        told.push_str(&format!("$ ledger {command} --help\n{}\n", output.stdout));
    }
    insta::assert_snapshot!("help", told);
}

on_both_engines! {
    fn quiet_and_nothing_wrong_says_nothing(db: TestDatabase) {
        with_balance(&db, "100");
        for command in ["verify-sync -q", "verify-sync --fix -q", "rebuild -q", "expire-recharges -q", "recurring run -q", "migrate status -q",
            "migrate up -q", "charge --user-id 5 --amount 1 --service vps -q", "account lock --user-id 5 -q", "demo -q"] {
            let output = db.ledger().run_words(command).expect_code(0);
            assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{command}");
        }
        db.sql("UPDATE balances SET balance = 1");
        let wrong = db.ledger().run_words("verify-sync -q").expect_code(1);
        assert!(wrong.stdout.contains("ledger verify-sync --fix"), "{}", wrong.stdout);
    }
}
