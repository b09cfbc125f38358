//! `ledger config show`: the value of every setting, and where it comes from.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Subcommand};

use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::domain::text::server_of;
use crate::ledger::DatabaseUrl;
use crate::render::config::{Origin, Setting, settings};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    Show(ShowArgs),
}

/// Show every setting with its value and where it comes from; secrets are never shown
///
/// What wins: the command line option, then the environment, then `.env` in the working directory, then the default.
/// The settings of single commands are shown as those commands would find them.
#[derive(Debug, Args)]
#[command(after_help = help::text("\
    ledger config show
    ledger config show --database-url test.db --format json"))]
pub struct ShowArgs {}

/// How the arguments were given, and what the environment was before `.env` was read.
pub struct Given {
    matches: ArgMatches,
    inherited: BTreeSet<OsString>,
}

/// The names of the variables that are set now.
pub fn variables_set() -> BTreeSet<OsString> {
    env::vars_os().map(|(name, _)| name).collect()
}

impl Given {
    pub const fn new(matches: ArgMatches, inherited: BTreeSet<OsString>) -> Self {
        Self { matches, inherited }
    }

    /// The arguments of the command itself, among which the global options are too.
    fn innermost(&self) -> &ArgMatches {
        let mut matches = &self.matches;
        while let Some((_, below)) = matches.subcommand() {
            matches = below;
        }
        matches
    }

    /// Whether a setting comes from this call or its environment, and so is not there for a job.
    pub fn is_only_here(&self, id: &str, variable: &str) -> bool {
        match self.innermost().value_source(id) {
            Some(ValueSource::CommandLine) => true,
            Some(ValueSource::EnvVariable) => self.origin_of_variable(variable) == Origin::Environment,
            _ => false,
        }
    }

    fn origin_of_variable(&self, name: &str) -> Origin {
        if self.inherited.contains(&OsString::from(name)) {
            Origin::Environment
        } else {
            Origin::DotEnv
        }
    }
}

/// `tree` is the whole of the commands, whose arguments name their variables.
pub fn run(
    context: &Context<'_>,
    ConfigCommand::Show(_): &ConfigCommand,
    tree: &Command,
    given: &Given,
) -> anyhow::Result<Exit> {
    let mut shown = Vec::new();
    add_settings_of(tree, context, given, &mut shown);
    for name in ["RUST_LOG", "NO_COLOR"] {
        let value = env::var(name).ok();
        let origin = value
            .as_ref()
            .map_or(Origin::Default, |_| given.origin_of_variable(name));
        shown.push(Setting {
            variable: name.into(),
            option: None,
            value,
            origin,
        });
    }
    add_other_variables(given, &mut shown);
    context.done(&settings(&shown))
}

fn add_settings_of(command: &Command, context: &Context<'_>, given: &Given, shown: &mut Vec<Setting>) {
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        if shown.iter().all(|known| known.variable != variable) {
            shown.push(setting(argument, variable, context, given));
        }
    }
    for below in command.get_subcommands() {
        add_settings_of(below, context, given, shown);
    }
}

fn setting(argument: &Arg, variable: &str, context: &Context<'_>, given: &Given) -> Setting {
    let id = argument.get_id().as_str();
    let matches = given.innermost();
    let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id));
    let (value, origin) = if source == Some(ValueSource::CommandLine) {
        let raw = matches.get_raw(id).and_then(|mut values| values.next());
        (raw.map(|value| value.to_string_lossy().into_owned()), Origin::Option)
    } else if let Some(value) = env::var_os(variable) {
        (
            Some(value.to_string_lossy().into_owned()),
            given.origin_of_variable(variable),
        )
    } else {
        (default_of(argument, context), Origin::Default)
    };
    Setting {
        variable: variable.into(),
        option: argument.get_long().map(|long| format!("--{long}")),
        value: value.map(|value| without_secrets(variable, value)),
        origin,
    }
}

/// Some defaults are made up by the program, not by the argument.
fn default_of(argument: &Arg, context: &Context<'_>) -> Option<String> {
    match argument.get_id().as_str() {
        "actor" => context.actor().ok().map(|actor| actor.as_str().to_owned()),
        "currency" => context.currency_code().ok().map(|code| code.as_str().to_owned()),
        _ => argument
            .get_default_values()
            .first()
            .map(|value| value.to_string_lossy().into_owned()),
    }
}

/// Variables in our name that no argument stands for, such as the secrets of callbacks: that they are set is all that
/// is told.
fn add_other_variables(given: &Given, shown: &mut Vec<Setting>) {
    let mut names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    names.sort();
    for name in names {
        if name.starts_with("LEDGER_") && shown.iter().all(|known| known.variable != name) {
            shown.push(Setting {
                origin: given.origin_of_variable(&name),
                variable: name,
                option: None,
                value: Some(NOT_SHOWN.into()),
            });
        }
    }
}

const NOT_SHOWN: &str = "(set, not shown)";

fn without_secrets(variable: &str, value: String) -> String {
    let is_secret = ["SECRET", "PASS", "TOKEN", "KEY"]
        .iter()
        .any(|word| variable.contains(word));
    if variable == "DATABASE_URL" {
        DatabaseUrl::parse(&value).map_or_else(|error| format!("({error})"), |url| url.to_string())
    } else if is_secret && !variable.ends_with("_FILE") {
        NOT_SHOWN.into()
    } else if value.contains("://") {
        server_of(&value)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (variable, value, shown) in [
            (
                "DATABASE_URL",
                "postgres://bob:s3cret@db/ledger",
                "postgres://bob@db/ledger",
            ),
            (
                "LEDGER_PING",
                "https://hc.example/ping/s3cret?x=s3cret",
                "https://hc.example/...",
            ),
            (
                "LEDGER_SMTP",
                "smtp://bob:s3c@ret@mail.example:25",
                "smtp://mail.example:25",
            ),
            ("LEDGER_WEBHOOK_SECRET", "s3cret", NOT_SHOWN),
            ("LEDGER_WEBHOOK_SECRET_FILE", "/etc/ledger/secret", "/etc/ledger/secret"),
            ("LEDGER_FORMAT", "json", "json"),
        ] {
            assert_eq!(without_secrets(variable, value.to_owned()), shown);
        }
    }
}
