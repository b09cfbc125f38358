//! What the documents tell people to type, typed: the README in its order, each example of `--help` on a ledger that
//! has what it names. Examples in the other documents are at least calls that the command line understands.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::help::{examples, words_for_ledger};
use crate::common::callback::{SECRET, body, signature};
use crate::common::story::commands;
use crate::common::{Engine, NOW, TestDatabase};

/// Why a line is not run here, if it is not.
fn reason_not_to_run(line: &str) -> Option<&'static str> {
    let rules = [
        ("cargo ", "builds"),
        ("apt ", "installs"),
        ("roles sql", "needs a server"),
        ("postgres://", "needs a server"),
        ("https://", "needs the network"),
        (" /etc/", "writes outside of the test"),
        (" /var/", "writes outside of the test"),
        ("/mnt/", "writes outside of the test"),
    ];
    let rule = rules.iter().find(|(sign, _)| line.contains(sign));
    rule.map(|(_, reason)| *reason)
}

/// The lines of the blocks of shell in a document, without comments.
fn shell_lines(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let command = line.split("  #").next().unwrap_or_default().trim();
            found.extend((!command.is_empty()).then(|| command.to_owned()));
        }
    }
    found
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the document is there")
}

/// How a shell ends that runs the line where the ledger works, with the binary in its path, and what it said.
fn type_in(line: &str, directory: &Path, environment: &[(&str, &str)]) -> (i32, String) {
    let programs = directory.join("bin");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ledger"), programs.join("ledger")).unwrap();
        let generator = programs.join("generate-charges");
        fs::write(&generator, "#!/bin/sh\nsed s/f-1/f-2/ charges.ndjson\n").unwrap();
        fs::set_permissions(generator, Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(directory)
        .env_clear()
        .envs([("PATH", path.as_str()), ("LC_ALL", "C.UTF-8"), ("LEDGER_NOW", NOW)])
        .env("HOME", directory)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().expect("nobody kills it"),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The files that examples read, and the folders that they write to.
fn write_files(directory: &Path) {
    let charge = r#"{"op":"charge","user_id":"5","amount":"9","service":"vps","idempotency_key":"f-1"}"#;
    for folder in [".zfunc", ".config/fish/completions"] {
        fs::create_dir_all(directory.join(folder)).unwrap();
    }
    for (name, text) in [
        ("users.csv", "user_id,currency\n7,USD\n8,USD\n"),
        ("users.ndjson", "{\"user_id\":\"7\"}\n"),
        ("charges.ndjson", &format!("{charge}\n")),
        ("charges.csv", "op,user_id,amount,service\ncharge,5,9,vps\n"),
        ("body.json", &body("r5-1", "completed", "20.00")),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
}

#[test]
fn the_readme_can_be_typed_from_its_beginning_to_its_end() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    write_files(db.directory());
    let (mut left_out, mut not_zero) = (String::new(), String::new());
    for line in shell_lines(&document("README.md")) {
        if let Some(reason) = reason_not_to_run(&line) {
            writeln!(left_out, "{reason}: {line}").unwrap();
            continue;
        }
        let (code, said) = type_in(&line, db.directory(), &[]);
        assert!(code < 2, "exit {code} of {line}\n{said}");
        if code != 0 {
            writeln!(not_zero, "{line}").unwrap();
        }
    }
    insta::assert_snapshot!("readme_left_out", left_out);
    insta::assert_snapshot!("readme_not_zero", not_zero);
}

/// The README's packages, and no others, are what CI sees to.
#[test]
fn the_readme_names_the_packages_that_ci_installs() {
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let lines = shell_lines(&document("README.md"));
    let mut told: Vec<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("apt install "))
        .flat_map(words)
        .collect();
    let ci = document(".ci/run");
    let missing = ci
        .split_once("missing_packages() {")
        .unwrap()
        .1
        .split_once("\n}")
        .unwrap()
        .0;
    let mut installed: Vec<String> = missing
        .lines()
        .filter(|line| !line.trim().starts_with('#'))
        .filter_map(|line| line.rsplit_once("echo "))
        .flat_map(|(_, packages)| words(packages))
        .collect();
    for list in [&mut told, &mut installed] {
        list.sort();
        list.dedup();
    }
    assert_eq!(told, installed);
    assert!(told.contains(&"postgresql".to_owned()), "{told:?}");
}

#[test]
fn what_the_other_documents_call_exists() {
    let mut calls = 0;
    for name in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/anchors.md",
        "docs/export.md",
        "docs/notifications.md",
        "docs/recurring.md",
        "docs/reliability.md",
        "docs/reports.md",
        "docs/scaling.md",
        "packaging/README.md",
    ] {
        let is_call = |line: &String| line.starts_with("ledger ") || line.contains("| ledger ");
        for line in shell_lines(&document(name)).iter().filter(|line| is_call(line)) {
            let parsed = ledger::cli::command().try_get_matches_from(words_for_ledger(line));
            assert!(parsed.is_ok(), "{name}: {line}\n{}", parsed.unwrap_err());
            calls += 1;
        }
    }
    assert!(calls > 5, "the documents hardly call anything: {calls}");
}

/// What stands between backticks.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    document.split('`').skip(1).step_by(2)
}

#[test]
fn the_tests_and_files_that_contributors_are_sent_to_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = document("CONTRIBUTING.md");
    let (mut tests, mut files) = (0, 0);
    for name in quoted(&guide) {
        if let Some((module, test)) = name.trim_end_matches("::").rsplit_once("::")
            && !name.contains(' ')
        {
            // A file is either the module that holds the test, or, of a whole module, the test's name.
            let path = module.replace("::", "/");
            let candidates = [
                format!("tests/{path}.rs"),
                format!("tests/{path}/mod.rs"),
                format!("src/{path}.rs"),
                format!("src/{}.rs", path.trim_end_matches("/tests")),
            ];
            let holds = |file: &String| {
                fs::read_to_string(root.join(file)).is_ok_and(|text| {
                    [
                        format!("fn {test}("),
                        format!("mod {test};"),
                        format!("mod {test} {{"),
                        format!("const {test}:"),
                    ]
                    .iter()
                    .any(|sign| text.contains(sign))
                })
            };
            assert!(candidates.iter().any(holds), "there is no {name}");
            tests += 1;
        } else if name.ends_with(".rs") || name.ends_with(".sql") || name.ends_with(".toml") {
            let exists = ["", "src", "tests"]
                .iter()
                .any(|folder| root.join(folder).join(name).exists());
            assert!(exists || ["up.sql", "down.sql"].contains(&name), "there is no {name}");
            files += 1;
        }
    }
    assert!(tests > 10 && files > 10, "{tests} tests, {files} files");
}

/// Account 5 is user 5's, and has what the examples of `--help` name: `r5-1`, `h5-1`, an entry 17 and the like.
fn named_by_examples() -> TestDatabase {
    let db = TestDatabase::fresh(Engine::Sqlite);
    write_files(db.directory());
    for user in 1..=5 {
        let line = format!("account create --user-id {user} --low-balance-threshold 100");
        db.ledger().run_words(&line).expect_code(0);
    }
    for line in [
        "currency add POINTS --exponent 0",
        "account create --user-id 5 --currency POINTS",
        "account create --user-id 5 --currency VND",
        "recharge --user-id 5 --amount 20 --method zalo_pay --pending",
        "recharge --user-id 5 --amount 900000 --method momo",
        "charge --user-id 5 --amount 40000 --service vps --idempotency-key u-1 --grants profile_analysis:acme",
        "recharge --user-id 5 --amount 7 --method momo",
        "freeze --user-id 5 --amount 5",
        "purchase record --user-id 5 --amount 5 --credits 5",
        "gift grant --user-id 5 --credits 5",
        "recurring add --user-id 5 --amount 1 --service vps --every month",
    ] {
        db.ledger().run_words(line).expect_code(0);
    }
    for _ in 6..=18 {
        let line = "charge --user-id 5 --amount 25000 --service vps";
        db.ledger().run_words(line).expect_code(0);
    }
    db.sql(
        "INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen) \
         VALUES (0, '018f3c1e-7b1a-7c3e-9d2f-aa55aa55aa55', 'test:cause', 'WARNING', 'something', 1, 1)",
    );
    db
}

/// The code of the error that was told, in either form; else it told of findings.
fn why(said: &str) -> String {
    let last = said.lines().last().unwrap_or_default();
    match serde_json::from_str::<Value>(last) {
        Ok(envelope) => envelope["error"]["code"].as_str().unwrap_or("findings").to_owned(),
        Err(_) => last
            .strip_suffix(')')
            .and_then(|last| last.rsplit_once(" ("))
            .and_then(|(_, code)| code.split(' ').nth(1))
            .unwrap_or("findings")
            .to_owned(),
    }
}

/// Each on a ledger of its own, so that one does not need another. Those that do not end with 0 are written down.
#[test]
fn the_examples_of_every_help_can_be_run() {
    let given = named_by_examples();
    let (mut left_out, mut not_zero) = (String::new(), String::new());
    for name in commands() {
        for line in examples(&name) {
            if let Some(reason) = reason_not_to_run(&line) {
                writeln!(left_out, "{reason}: {line}").unwrap();
                continue;
            }
            let fills_an_empty_one = line.starts_with("ledger seed") && !line.contains("--into-existing");
            let db = if fills_an_empty_one {
                TestDatabase::unmigrated(Engine::Sqlite)
            } else {
                given.copy()
            };
            write_files(db.directory());
            let callback = signature(SECRET, body("r5-1", "completed", "20.00"));
            let environment = [
                ("DATABASE_URL", db.url.as_str()),
                ("LEDGER_CALLBACK_SECRET_ZALO_PAY", SECRET),
                // After every moment that an example names.
                ("LEDGER_NOW", "2026-06-01T00:00:00Z"),
            ];
            let (code, said) = type_in(&line.replace("9f86d081...", &callback), db.directory(), &environment);
            assert!(code < 2, "exit {code} of {line}\n{said}");
            if code != 0 {
                writeln!(not_zero, "{code} {}: {line}", why(&said)).unwrap();
            }
        }
    }
    insta::assert_snapshot!("help_left_out", left_out);
    insta::assert_snapshot!("help_not_zero", not_zero);
}
