//! `--help` of every command: what it does, examples that really parse, options, exit codes.

use std::collections::BTreeMap;

use clap::Command;

use crate::common::story::commands;
use crate::common::{Engine, TestDatabase};

fn found(name: &str) -> Command {
    let mut command = ledger::cli::command();
    for word in name.split_whitespace() {
        command = command.find_subcommand(word).expect("it is listed").clone();
    }
    command
}

fn text(part: Option<&clap::builder::StyledStr>) -> String {
    part.map(ToString::to_string).unwrap_or_default()
}

/// The lines that the help of a command gives as examples.
pub(super) fn examples(name: &str) -> Vec<String> {
    let before = text(found(name).get_before_help());
    let (_, lines) = before.split_once("Examples:\n").unwrap_or_default();
    lines.lines().map(|line| line.trim().to_owned()).collect()
}

/// The words of the part of a shell line that calls `ledger`, without redirections.
pub(super) fn words_for_ledger(line: &str) -> Vec<String> {
    let (mut parts, mut word, mut quote) = (vec![Vec::new()], None::<String>, None::<char>);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => parts.last_mut().unwrap().extend(word.take()),
            (None, '|' | '&' | ';' | '<' | '>') => {
                parts.last_mut().unwrap().extend(word.take());
                parts.push(vec![letter.to_string()]);
            }
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    parts.last_mut().unwrap().extend(word.take());
    let ours = |part: &Vec<String>| part.iter().position(|word| word == "ledger");
    let part = parts.iter().find(|part| ours(part).is_some_and(|at| at < 2));
    let part = part.unwrap_or_else(|| panic!("no call of ledger in: {line}"));
    part[ours(part).unwrap()..].to_vec()
}

#[test]
fn every_command_has_examples_first_and_exit_codes_last() {
    for name in commands() {
        let before = text(found(&name).get_before_help());
        assert!(
            before.contains("\n\nExamples:\n  "),
            "`{name}` has no examples:\n{before}"
        );
        assert_eq!(
            examples(&name).iter().filter(|line| line.contains("ledger ")).count(),
            examples(&name).len(),
            "{name}"
        );
        let after = text(found(&name).get_after_help());
        assert!(
            after.starts_with("Exit codes:\n    0  "),
            "`{name}` has no exit codes:\n{after}"
        );
    }
}

/// Commands that only group others.
fn groups() -> Vec<String> {
    let all = ledger::cli::command();
    let groups = all
        .get_subcommands()
        .filter(|command| command.is_subcommand_required_set());
    groups.map(|group| group.get_name().to_owned()).collect()
}

#[test]
fn a_group_shows_one_example_of_each_of_its_commands() {
    assert!(groups().contains(&"account".to_owned()));
    for group in groups() {
        let within = format!("{group} ");
        let firsts: Vec<String> = found(&group)
            .get_subcommands()
            .map(|command| examples(&format!("{within}{}", command.get_name())).swap_remove(0))
            .collect();
        assert_eq!(examples(&group), firsts, "{group}");
        assert!(
            text(found(&group).get_after_help()).starts_with("Exit codes:\n    0  "),
            "{group}"
        );
    }
}

#[test]
fn every_example_can_be_typed_as_it_stands() {
    let mut called = BTreeMap::new();
    for name in commands() {
        for line in examples(&name) {
            let words = words_for_ledger(&line);
            if let Err(error) = ledger::cli::command().try_get_matches_from(&words) {
                panic!("`{line}` of `{name}`: {error}");
            }
            *called.entry(name.clone()).or_insert(0) += usize::from(words.join(" ").contains(&name));
        }
        assert!(called[&name] > 0, "no example of `{name}` calls it");
    }
}

#[test]
fn the_whole_help() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let mut names = groups();
    names.extend(commands());
    names.push(String::new());
    names.sort();
    let mut told = String::new();
    for name in names {
        let output = db.ledger().run_words(&format!("{name} --help")).expect_code(0);
        told.push_str(&format!(
            "$ ledger {name} --help\n{}\n",
            without_global_options(&output.stdout, &name)
        ));
    }
    insta::assert_snapshot!("help", told);
}

/// They are the same everywhere, and shown once.
fn without_global_options(help: &str, name: &str) -> String {
    let Some((before, rest)) = help.split_once("Global options:\n").filter(|_| !name.is_empty()) else {
        return help.to_owned();
    };
    let after = rest.find("\nExit codes:").map_or("", |at| &rest[at..]);
    format!("{before}Global options: ...\n{after}")
}
