//! Every option of every command with values that nobody should give: a documented exit code, no panic, no control
//! character on a terminal, and money and records as they were unless the answer is yes.

use super::scene::records;
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::story::{command_of, prepare, steps};
use crate::common::{Engine, TestDatabase};

const DOCUMENTED: [i32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

/// Values of which each has broken some program.
fn corpus() -> Vec<String> {
    let texts = [
        "",
        " ",
        "-1",
        "0",
        "00",
        "+1",
        "1e9",
        "1,5",
        "0x10",
        "NaN",
        "١٢",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "99999999999999999999999999999999999999",
        "0.000000000000000000001",
        "'; DROP TABLE entries; --",
        "$1",
        "%s%n",
        "{}",
        "[[[[[[[[",
        "{\"a\":",
        "null",
        // Files are written where they are told to be: no value may name one outside the test's own directory.
        "no/such/folder/file",
        "-",
        "--",
        "a\tb",
        "a\nb",
        "\u{1b}[31m",
        "\u{202e}evil",
        "e\u{301}",
        "\u{feff}",
        "👩‍👩‍👧",
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "-292277026596-01-01T00:00:00Z",
        "99999999999d",
        "-5m",
        "0s",
        "h0-0",
        "h1-9223372036854775808",
        "r1--1",
        "sqlite:///nowhere/at/all.db",
        "postgres://u:p@[::1",
    ];
    let mut all: Vec<String> = texts.map(str::to_owned).into();
    all.push("x".repeat(10_000));
    all.push("9".repeat(400));
    all.push("[".repeat(5_000));
    all
}

/// A command line and the option that is given a hostile value.
struct Trial {
    line: String,
    option: String,
}

/// Every option that takes a value, on a line that would be right.
fn trials() -> Vec<Trial> {
    let tree = ledger::cli::command();
    let of_line = |line: String| {
        let mut command = &tree;
        for name in command_of(&line).split(' ') {
            command = command.find_subcommand(name).expect("the story tells of commands");
        }
        let taking = command
            .get_arguments()
            .chain(tree.get_arguments())
            .filter(|option| option.get_action().takes_values());
        let options: Vec<String> = taking
            .filter_map(|option| option.get_long())
            .map(|name| format!("--{name}"))
            .collect();
        options.into_iter().map(move |option| Trial {
            line: line.clone(),
            option,
        })
    };
    // The demo makes what it needs in a place of its own.
    let lines = steps().into_iter().map(|step| step.line).filter(|line| line != "demo");
    lines.flat_map(of_line).collect()
}

impl Trial {
    /// The line with that value in place of whatever it had.
    fn words(&self, value: &str) -> Vec<String> {
        let mut words: Vec<String> = self.line.split(' ').map(str::to_owned).collect();
        match words.iter().position(|word| *word == self.option) {
            Some(at) => words[at + 1] = value.to_owned(),
            None => words.extend([self.option.clone(), value.to_owned()]),
        }
        words
    }
}

fn check(database: &TestDatabase, trial: &Trial, value: &str) {
    let before = records(database);
    let words = trial.words(value);
    let output = database.ledger().run(&words);
    let said = || format!("{words:?}: {}", output.transcript());
    assert!(DOCUMENTED.contains(&output.code), "{}", said());
    assert!(!output.stderr.contains("panicked"), "{}", said());
    let escaped = |text: &str| !text.contains(['\u{1b}', '\u{202e}', '\u{7}']);
    assert!(escaped(&output.stdout) && escaped(&output.stderr), "{}", said());
    let is_ours = trial.option != "--database-url";
    if output.code != 0 && output.code != 7 && is_ours {
        assert!(records(database) == before, "it wrote something: {}", said());
    }
}

pub fn given(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let corpus = corpus();
    let mut pairs: Vec<(Trial, String)> = Vec::new();
    for trial in trials() {
        pairs.extend(corpus.iter().map(|value| {
            (
                Trial {
                    line: trial.line.clone(),
                    option: trial.option.clone(),
                },
                value.clone(),
            )
        }));
    }
    random.shuffle(&mut pairs);
    let fresh = || {
        let database = TestDatabase::fresh(engine);
        prepare(&database);
        // Up to where the user is suspended: an account in use, with holds, recharges and access.
        for step in steps().iter().take_while(|step| !step.line.starts_with("suspend ")) {
            step.run(&database.ledger(), &[]).expect_code(0);
        }
        database
    };
    let database = fresh();
    let mut tally = Tally {
        of: Some(pairs.len()),
        ..Tally::default()
    };
    for (trial, value) in pairs {
        if !effort.wants_more(tally.rounds) {
            break;
        }
        let shown: String = value.chars().take(40).collect();
        let name = || {
            format!(
                "{} with {} {shown:?} on {engine}, with {SEED_VARIABLE}={seed}",
                trial.line, trial.option
            )
        };
        tally.round(name, || check(&database, &trial, &value));
    }
    database.ledger().run_words("verify-sync --deep -q").expect_code(0);
    tally
}

#[test]
fn hostile_values_are_refused_or_taken_as_they_are_on_sqlite() {
    given(Engine::Sqlite, smoke_seed(), Effort::Rounds(300)).assert_clean();
}

#[test]
fn hostile_values_are_refused_or_taken_as_they_are_on_postgres() {
    given(Engine::Postgres, smoke_seed(), Effort::Rounds(100)).assert_clean();
}
