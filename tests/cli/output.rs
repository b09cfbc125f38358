//! Whole outputs, as snapshots: what people see and scripts depend on.

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

/// What is logged: that nobody listens there.
const LOUD: &str = "balance --user-id 5 --ping http://127.0.0.1:1/gone";

/// The log alone has colours, and what goes into a pipe has them only when asked for.
#[test]
fn colours_are_in_the_log_where_they_are_wanted_and_nowhere_else() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    small_ledger(&db);
    for (options, plain, coloured) in [
        ("", "", false),
        ("--color never", "", false),
        ("--color always", "", true),
        // Whoever asks by an option knows better than the environment.
        ("--color always", "1", true),
    ] {
        let line = format!("{LOUD} {options}");
        let output = db.ledger().env("NO_COLOR", plain).run_words(&line).expect_code(0);
        assert_eq!(output.stderr.contains("\u{1b}["), coloured, "{line}: {}", output.stderr);
        assert!(!output.stdout.contains('\u{1b}'), "{line}: {}", output.stdout);
        assert!(!output.stderr.is_empty(), "{line}");
    }
}

/// Where nothing is asked for a terminal gets colours, unless `NO_COLOR` says something.
#[test]
fn a_terminal_has_colours_unless_none_are_wanted() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    small_ledger(&db);
    let binary = env!("CARGO_BIN_EXE_ledger");
    for (plain, coloured) in [("", true), ("1", false)] {
        let log = |options: &str| {
            // `script` gives it a terminal.
            let inside = db
                .ledger()
                .env("NO_COLOR", plain)
                .env("TERM", "xterm")
                .env("SHELL", "/bin/sh");
            let like = inside.command::<&str>(&[]);
            let mut terminal = std::process::Command::new("script");
            terminal.env_clear().current_dir(db.directory());
            terminal.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let command = format!("{binary} {LOUD} {options} > /dev/null");
            let output = terminal
                .args(["-qec", &command, "/dev/null"])
                .output()
                .expect("script can be run");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let told = log("");
        assert!(told.contains("ERROR"), "{told}");
        assert_eq!(told.contains("\u{1b}["), coloured, "{told}");
        assert!(!log("--color never").contains("\u{1b}["));
    }
}

on_both_engines! {
    fn an_output_that_finds_no_room_is_told_as_a_full_disk(db: TestDatabase) {
        small_ledger(&db);
        let lines = db.directory().join("lines.ndjson");
        let line = r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":"k"}"#;
        std::fs::write(&lines, line).unwrap();
        for words in ["balance --user-id 5", "history --user-id 5 --format csv", "export --to ndjson", "apply lines.ndjson"] {
            let words: Vec<&str> = words.split(' ').collect();
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let output = db.ledger().command(&words).stdout(full).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{words:?}: {said}");
            assert!(said.contains("No space left on device"), "{said}");
        }
        // Who had no key is told the one that was made up.
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let charge = "charge --user-id 5 --amount 1 --service vps --format json";
        let words: Vec<&str> = charge.split(' ').collect();
        let output = db.ledger().command(&words).stdout(full).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        let details = &told["error"]["details"];
        assert_eq!((output.status.code(), &details["outcome"]), (Some(4), &"applied".into()), "{told}");
        let key = details["idempotency_key"].as_str().unwrap();
        let again = db.ledger().run_words(&format!("{charge} --idempotency-key {key}")).expect_code(0);
        assert_eq!(again.data()["outcome"], "already_applied");
        // What was done is done, and found under its key.
        let again = db.ledger().run_words("apply lines.ndjson --format json").expect_code(0).json();
        assert_eq!(again["data"]["outcome"].as_str().or(again["outcome"].as_str()), Some("already_applied"), "{again}");
    }

    fn quiet_is_quiet_whatever_the_environment_says(db: TestDatabase) {
        let told = db.ledger().env("RUST_LOG", "trace");
        assert_ne!(told.run_words("verify-sync").expect_code(0).stderr, "");
        assert_eq!(told.run_words("verify-sync -q").expect_code(0).stderr, "");
        for (line, logged) in [("verify-sync", vec![]), ("verify-sync -v", vec!["INFO"]), ("verify-sync -vv", vec!["INFO", "DEBUG"])] {
            let log = db.ledger().run_words(line).expect_code(0).stderr;
            let told: Vec<&str> = ["INFO", "DEBUG"].into_iter().filter(|level| log.contains(level)).collect();
            assert_eq!(told, logged, "{line}: {log}");
        }
    }
}
