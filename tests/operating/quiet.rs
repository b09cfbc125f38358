//! `-q` and nothing wrong: not a byte. Something wrong: what it is, and the next command to type.

use std::collections::BTreeSet;

use crate::common::story::{command_of, commands, prepare, steps};
use crate::common::{Ledger, on_both_engines};

/// A new command has to be put into the story, which the tests of this folder run through.
#[test]
fn every_command_is_in_the_story() {
    let told: BTreeSet<String> = steps().iter().map(|step| command_of(&step.line)).collect();
    let all: BTreeSet<String> = commands().into_iter().collect();
    assert_eq!(all.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new());
}

on_both_engines! {
    fn nothing_wrong_nothing_said_whatever_the_command(db: TestDatabase) {
        prepare(&db);
        for step in steps() {
            let output = step.run(&db.ledger(), &["-q"]).expect_code(0);
            // What is a text for another program is all that is asked for.
            let is_text = ["completions", "schedule", "roles", "metrics --output -"].iter().any(|text| step.line.starts_with(text));
            assert_eq!((output.stdout.is_empty(), output.stderr.as_str()), (!is_text, ""), "{}", step.line);
        }
    }

    fn drift_is_told_with_the_command_that_repairs_it(db: TestDatabase) {
        prepare(&db);
        for step in steps().iter().take_while(|step| !step.line.starts_with("adjust")) {
            step.run(&db.ledger(), &["-q"]).expect_code(0);
        }
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 1");
        let wrong = db.ledger().run_words("verify-sync -q").expect_code(1);
        assert!(wrong.stdout.contains("ledger verify-sync --fix"), "{}", wrong.stdout);
        db.ledger().run_words("verify-sync -q --fix --no-backup").expect_code(0);
    }
}

#[test]
fn a_ledger_that_is_not_reachable_is_told_with_where_it_was_looked_for() {
    let ledger = Ledger::new("postgres://bob:secret@127.0.0.1:1/ledger");
    let output = ledger.run_words("health -q").expect_code(4);
    assert_eq!(output.stdout, "");
    insta::assert_snapshot!(output.stderr, @"error: the database is not reachable: postgres://bob@127.0.0.1:1/ledger: Connection refused; try again, or look closer with `ledger doctor` (503 unreachable)");
}
