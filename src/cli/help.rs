//! What every `--help` has beside its options: examples first, exit codes last, from the one table of codes.

use clap::Command;

use crate::domain::code::Exit;

/// What the exit codes stand under, and so where the examples end.
const EXIT_CODES: &str = "\n\nExit codes:\n";

/// What they stand under.
const EXAMPLES: &str = "Examples:";

const SINGLE: [Exit; 10] = [
    Exit::Done,
    Exit::No,
    Exit::Usage,
    Exit::Configuration,
    Exit::Unreachable,
    Exit::Busy,
    Exit::Integrity,
    Exit::Internal,
    Exit::Interrupted,
    Exit::Terminated,
];

const TEXT: [Exit; 3] = [Exit::Done, Exit::Usage, Exit::Configuration];

pub fn overview() -> String {
    let first = "First steps:\n  ledger demo\n  ledger account create --user-id 5\n  \
                 ledger recharge --user-id 5 --amount 100 --method momo\n  \
                 ledger charge --user-id 5 --amount 15 --service vps\n  ledger verify-sync";
    format!("{first}{}", exit_codes(&Exit::ALL))
}

/// For commands that do one thing, or look at it.
pub fn single(examples: &str) -> String {
    with_codes(examples, &SINGLE)
}

/// For jobs.
pub fn job(examples: &str) -> String {
    with_codes(examples, &Exit::ALL)
}

/// For commands that write texts and need no ledger.
pub fn text(examples: &str) -> String {
    with_codes(examples, &TEXT)
}

fn with_codes(examples: &str, codes: &[Exit]) -> String {
    let lines: Vec<String> = examples.lines().map(|line| format!("  {}", line.trim())).collect();
    format!("{EXAMPLES}\n{}{}", lines.join("\n"), exit_codes(codes))
}

fn exit_codes(codes: &[Exit]) -> String {
    let lines: Vec<String> = codes
        .iter()
        .map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()))
        .collect();
    format!("{EXIT_CODES}{}", lines.join("\n"))
}

/// The texts of a command apart, for whoever puts them in an order of their own.
#[derive(Clone, Debug)]
pub struct Texts {
    /// One line: what it does.
    pub summary: String,
    /// The paragraphs after it; may be empty.
    pub details: String,
    /// A heading and the lines under it.
    pub examples: String,
    /// Exit codes and their meanings, a line each.
    pub exit_codes: String,
}

impl Texts {
    /// Of a command as it was declared, before its help was put in order.
    pub fn of(command: &Command) -> Option<Self> {
        let summary = command.get_about()?.to_string();
        let whole = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let details = whole.strip_prefix(&summary).unwrap_or_default().trim().to_owned();
        let (examples, exit_codes) = match command.get_after_help() {
            Some(ending) => {
                let ending = ending.to_string();
                let (examples, exit_codes) = ending.split_once(EXIT_CODES)?;
                (examples.to_owned(), exit_codes.to_owned())
            }
            None => of_group(command)?,
        };
        Some(Self {
            summary,
            details,
            examples,
            exit_codes,
        })
    }
}

/// What only groups others shows the first example of each, and may end with whatever one of them ends with.
fn of_group(command: &Command) -> Option<(String, String)> {
    let parts: Vec<Texts> = command.get_subcommands().filter_map(Texts::of).collect();
    let firsts: Vec<&str> = parts.iter().filter_map(|part| part.examples.lines().nth(1)).collect();
    let most = parts.iter().max_by_key(|part| part.exit_codes.len())?;
    Some((format!("{EXAMPLES}\n{}", firsts.join("\n")), most.exit_codes.clone()))
}

/// The same commands with their help in another order: what it does, examples, details, options, exit codes.
pub fn examples_first(command: Command) -> Command {
    // Before those of its parts are taken apart.
    let texts = Texts::of(&command);
    let command = command.mut_subcommands(examples_first);
    let Some(texts) = texts else {
        return command;
    };
    let begin = format!("{}\n\n{}", texts.summary, texts.examples);
    let long = match texts.details.as_str() {
        "" => begin.clone(),
        details => format!("{begin}\n\n{details}"),
    };
    command
        .help_template("{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}")
        .before_help(begin)
        .before_long_help(long)
        .after_help(format!("{}{}", EXIT_CODES.trim_start(), texts.exit_codes))
}
