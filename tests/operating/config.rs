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
    refused("is not valid in line 1");
    std::fs::write(&settings, "# Who\n\nLEDGER_CALLBACK_SECRET_MOMO=s3cret word\n").unwrap();
    refused("is not valid in line 3: put the value of LEDGER_CALLBACK_SECRET_MOMO in single quotes");
    std::fs::write(&settings, "A=1\nLEDGER_CALLBACK_SECRET_MOMO=s3cret$word\n").unwrap();
    refused("line 2: the $ in the value of LEDGER_CALLBACK_SECRET_MOMO");
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
fn a_value_in_single_quotes_is_taken_as_it_is_written() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .without_env("LEDGER_ACTOR");
    std::fs::write(ledger.directory().join(".env"), "LEDGER_ACTOR='pa$word \"x\"'\n").unwrap();
    let shown = ledger.run_words("config show --format ndjson").expect_code(0).stdout;
    assert!(shown.contains(r#"pa$word \"x\""#), "{shown}");
}

#[test]
fn the_example_of_settings_can_be_used_as_it_stands() {
    let example = include_str!("../../.env.example");
    let settings: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| {
            line.split_once('=')
                .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        })
        .filter(|line| !line.starts_with("DATABASE_URL"))
        .collect();
    assert!(settings.len() > 30);
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .without_env("LEDGER_ACTOR");
    std::fs::write(ledger.directory().join(".env"), settings.join("\n")).unwrap();
    ledger.run_words("account create --user-id 5").expect_code(0);
    let actor = ledger.run_words("operations list --format json").expect_code(0).data();
    assert_eq!(actor["operations"][0]["actor"], "billing-cron");
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
