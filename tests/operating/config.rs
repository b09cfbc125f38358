//! `config show`: what wins is the option, then the environment, then `.env`, then the default.

use serde_json::Value;

use crate::common::{Engine, Output, TestDatabase};

fn setting(output: &Output, variable: &str) -> (Value, Value) {
    let data = output.data();
    let settings = data["settings"].as_array().unwrap();
    let row = settings.iter().find(|row| row["variable"] == variable).unwrap();
    (row["value"].clone(), row["origin"].clone())
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite).ledger();
    std::fs::write(
        ledger.directory().join(".env"),
        "LEDGER_LOCK_TIMEOUT=9s\nLEDGER_CURRENCY=VND\nLEDGER_ACTOR=nobody\nLEDGER_AUDIT_CYCLES=4\nRUST_LOG=info\n",
    )
    .unwrap();
    let ledger = ledger.env("LEDGER_CURRENCY", "EUR").env("LEDGER_PENDING_HOURS", "24");

    let shown = ledger.run_words("config show --format json --actor bob").expect_code(0);

    for (variable, value, origin) in [
        ("LEDGER_FORMAT", "json", "option"),
        ("LEDGER_ACTOR", "bob", "option"),
        ("LEDGER_CURRENCY", "EUR", "environment"),
        ("LEDGER_PENDING_HOURS", "24", "environment"),
        ("LEDGER_LOCK_TIMEOUT", "9s", ".env"),
        ("LEDGER_AUDIT_CYCLES", "4", ".env"),
        ("RUST_LOG", "info", ".env"),
        ("LEDGER_AUDIT_FAILURES", "20", "default"),
    ] {
        assert_eq!(setting(&shown, variable), (value.into(), origin.into()), "{variable}");
    }
    assert_eq!(
        setting(&shown, "LEDGER_PURCHASE_CURRENCY"),
        (Value::Null, "default".into())
    );
}

#[test]
fn no_secret_is_shown() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .env(
            "DATABASE_URL",
            "postgres://bob:s3cret@db.example/ledger?password=s3cret",
        )
        .env("LEDGER_CALLBACK_SECRET_MOMO", "s3cret")
        .env("LEDGER_CALLBACK_SECRET_PAYPAL_FILE", "/etc/ledger/s3cret");
    for format in ["table", "json", "ndjson", "csv"] {
        let shown = ledger.run(&["config", "show", "--format", format]).expect_code(0);
        assert!(
            shown.stdout.contains("postgres://bob@db.example/ledger"),
            "{}",
            shown.stdout
        );
        assert!(shown.stdout.contains("LEDGER_CALLBACK_SECRET_MOMO"), "{}", shown.stdout);
        assert!(!shown.transcript().contains("s3cret"), "{}", shown.transcript());
    }
}
