//! `ledger schedule`

use std::env;
use std::path::{Path, PathBuf, absolute};

use clap::Args;

use super::config::Given;
use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::schedule::JOBS;
use crate::domain::text::is_unprintable;
use crate::ledger::LedgerError;
use crate::render::schedule::{Runner, crontab, scheduled, units};
use crate::render::sink::Sink;

/// Print the jobs that keep a ledger in order, ready for cron or systemd
///
/// Jobs run in one directory and find their settings in the file .env there. A run of a job that finds another one at
/// work waits for --lock-timeout and exits 5, so that they never overlap. An address of the database that was given
/// otherwise is written into the jobs, unless it has a password: that belongs into .env.
#[derive(Debug, Args)]
#[command(after_help = help::text("\
    ledger schedule --cron
    ledger schedule --cron --user ledger --directory /var/lib/ledger > /etc/cron.d/ledger
    ledger schedule --systemd --user ledger --directory /var/lib/ledger --output /etc/systemd/system"))]
pub struct ScheduleArgs {
    /// Lines for a crontab; with --user for /etc/cron.d
    #[arg(long, required_unless_present = "systemd")]
    cron: bool,
    /// Units of systemd: a service and a timer for each job
    #[arg(long, conflicts_with = "cron")]
    systemd: bool,
    /// Who runs them
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The program; the one that is asked unless given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where they run; the directory you are in unless given
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write the files into this folder instead of printing them
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub fn run(context: &Context<'_>, args: &ScheduleArgs, given: &Given) -> anyhow::Result<Exit> {
    let runner = Runner {
        user: args.user.as_deref().map(user).transpose()?,
        binary: match &args.binary {
            Some(binary) => path(binary)?,
            None => env::current_exe()?,
        },
        directory: path(args.directory.as_deref().unwrap_or(Path::new(".")))?,
        database_url: address(context, given)?,
    };
    let files = if args.systemd {
        if runner.binary.to_string_lossy().contains(['\'', '"', '\\']) {
            return Err(invalid(
                "systemd runs no program with quotes or backslashes in its path; give --binary another",
            )
            .into());
        }
        units(JOBS, &runner)
    } else {
        vec![crontab(JOBS, &runner)]
    };
    if let Some(folder) = &args.output {
        for file in &files {
            let target = folder.join(&file.name);
            let unwritten = |error| LedgerError::unwritable(target.display(), &error);
            Sink::write_public(&target, &file.text).map_err(unwritten)?;
        }
    }
    let written = args.output.as_ref().map(|folder| folder.display().to_string());
    let scheduled = scheduled(JOBS, &files, written.as_deref());
    match written {
        Some(_) => context.done(&scheduled),
        None => context.written(&scheduled),
    }
}

/// Both cron and systemd read lines: a path with a line break could not be told from two.
fn path(path: &Path) -> Result<PathBuf, LedgerError> {
    let path = absolute(path).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    match path.to_str() {
        // The path of the current directory is spelled with a dot at its end otherwise.
        Some(text) if !text.chars().any(is_unprintable) => Ok(path.components().collect()),
        _ => Err(invalid("a path for jobs is text without control characters")),
    }
}

fn user(name: &str) -> Result<String, LedgerError> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.bytes().all(is_name) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        Ok(name.to_owned())
    } else {
        Err(invalid("--user is the name of a system user: letters, digits, - _ ."))
    }
}

/// The database's address, where the jobs would not find it by themselves.
fn address(context: &Context<'_>, given: &Given) -> Result<Option<String>, LedgerError> {
    if !given.is_only_here("database_url", "DATABASE_URL") {
        return Ok(None);
    }
    let address = context.database_url()?.without_password();
    if address.is_none() {
        log::warn!(
            "the database's address has a password and is not written into the jobs: put DATABASE_URL into the file \
             .env of their directory"
        );
    }
    Ok(address)
}
