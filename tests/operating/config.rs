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

/// Otherwise another ledger than the one it names would be worked on.
#[test]
fn no_ledger_is_opened_beside_settings_that_cannot_be_read() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .without_env("DATABASE_URL");
    let settings = ledger.directory().join(".env");
    let refused = |why: &str| {
        let refused = ledger
            .run_words("account create --user-id 5 --format json")
            .expect_code(3);
        assert_eq!(refused.error_code(), "configuration");
        let said = refused.stderr;
        assert!(said.contains(why) && said.contains("mend or remove it"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        let made = std::fs::read_dir(ledger.directory()).unwrap().count();
        assert_eq!(made, 1, "a ledger was made");
    };
    std::fs::write(&settings, "FOO s3cret\nDATABASE_URL=sqlite://other.db\n").unwrap();
    refused("not valid near character");
    std::fs::remove_file(&settings).unwrap();
    std::fs::create_dir(&settings).unwrap();
    refused("is not a file");
    std::fs::remove_dir(&settings).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&settings).status().unwrap();
    assert!(made.success());
    refused("is not a file");
    std::fs::remove_file(&settings).unwrap();
    std::fs::write(&settings, b"A=\xff\n").unwrap();
    refused("cannot be read");
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
