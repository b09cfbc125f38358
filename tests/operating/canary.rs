//! A secret is never printed, whatever the command, the level of the log, and the way it ends.

use std::process::Command;

use ledger::domain::code::Exit;
use ledger::render::{Format, Writer};

use crate::common::callback::{body, signature};
use crate::common::story::{Step, commands, prepare, steps};
use crate::common::{Engine, Ledger, Output, TestDatabase};

const CANARY: &str = "c4n4ry-s3cr3t";

/// Knows the secret in every way that there is, and logs as much as it can.
fn talkative(ledger: Ledger) -> Ledger {
    ledger
        .env("RUST_LOG", "trace")
        .env("PGPASSWORD", CANARY)
        .env("LEDGER_CALLBACK_SECRET_MOMO", CANARY)
        .env("LEDGER_CALLBACK_SECRET_PAYPAL", CANARY)
}

#[track_caller]
fn silent(output: &Output, line: &str) {
    let told = output.transcript();
    assert!(!told.contains("c4n4ry") && !told.contains("s3cr3t"), "{line}\n{told}");
}

#[test]
fn not_by_a_story_that_goes_well() {
    let db = TestDatabase::fresh(Engine::Postgres);
    prepare(&db);
    let ledger = talkative(db.ledger()).env("DATABASE_URL", &format!("{}&password={CANARY}", db.url));
    let callback = body("r1-5", "completed", "20.00");
    for Step { line, stdin } in steps() {
        let line = match stdin.as_str() {
            "" => line,
            _ => format!(
                "recharge callback --method momo --signature {}",
                signature(CANARY, &callback)
            ),
        };
        let words: Vec<&str> = line.split(' ').chain(["-vv"]).collect();
        let output = ledger.run_with_stdin(&words, &stdin).expect_code(0);
        silent(&output, &line);
    }
    for file in ["export.ndjson", "ledger.prom"] {
        let text = std::fs::read_to_string(db.directory().join(file)).unwrap();
        assert!(!text.contains(CANARY), "{file}");
    }
}

#[test]
fn not_by_a_command_that_fails() {
    let steps = steps();
    for (at, url) in [
        format!("postgres://bob:{CANARY}@127.0.0.1:1/ledger"),
        format!("postgres://bob:{CANARY}@127.0.0.1:notaport/ledger"),
        format!("postgres://bob:{CANARY}%zz@/ledger?host=/nowhere"),
        format!("mysql://bob:{CANARY}@127.0.0.1/ledger"),
        format!("host=127.0.0.1 password={CANARY}"),
    ]
    .iter()
    .enumerate()
    {
        let ledger = talkative(Ledger::new(url));
        // Each way to fail with a fifth of the commands, each command with one of the ways at least.
        for step in steps
            .iter()
            .skip(at)
            .step_by(5)
            .chain(steps.iter().filter(|step| step.line == "doctor"))
        {
            let further = ["-vv", "--format", ["table", "json"][at % 2]];
            silent(&step.run(&ledger, &further), &step.line);
        }
    }
}

#[test]
fn not_by_wrong_usage_nor_by_help() {
    let url = format!("postgres://bob:{CANARY}@127.0.0.1:1/ledger");
    let ledger = talkative(Ledger::new(&url));
    for name in commands() {
        for wrong in ["--nonsense", "--help", "--format=nonsense"] {
            let line = format!("{name} {wrong} --database-url {url}");
            silent(&ledger.run_words(&line), &line);
        }
    }
}

/// Run by the next test in a process of its own, where it is told to.
#[test]
fn a_defect() {
    if std::env::var_os("LEDGER_TEST_DEFECT").is_some() {
        let writer = Writer {
            format: Format::Table,
            quiet: true,
        };
        let exit = ledger::cli::panics::caught(writer, || panic!("{CANARY}"));
        assert_eq!(exit, Exit::Internal);
    }
}

#[test]
fn not_by_a_defect_of_the_program() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "operating::canary::a_defect", "--nocapture"])
        .env("LEDGER_TEST_DEFECT", "1")
        .output()
        .unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("internal error at tests/operating/canary.rs:"), "{told}");
    assert!(!told.contains(CANARY), "{told}");
}
