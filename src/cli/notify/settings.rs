//! Which channels there are, what goes there, and how patiently: from options, the environment and `.env`.

use std::time::Duration;

use chrono::TimeDelta;
use clap::{Args, value_parser};

use crate::cli::secret;
use crate::cli::values::span;
use crate::domain::code::Code;
use crate::domain::delivery::Retries;
use crate::domain::event::EventKind;
use crate::ledger::LedgerError;
use crate::ledger::notify::channel::{Channel, CommandSettings, MailSettings, WebhookSettings};

/// The addresses may hold what others must not see: they are taken from the environment alone.
const SMTP_URL: &str = "LEDGER_NOTIFY_SMTP_URL";
const SMTP_USER: &str = "LEDGER_NOTIFY_SMTP_USER";
const SMTP_PASSWORD: &str = "LEDGER_NOTIFY_SMTP_PASSWORD";
const MAIL_FROM: &str = "LEDGER_NOTIFY_MAIL_FROM";
const MAIL_TO: &str = "LEDGER_NOTIFY_MAIL_TO";
const WEBHOOK_URL: &str = "LEDGER_NOTIFY_WEBHOOK_URL";
const WEBHOOK_SECRET: &str = "LEDGER_NOTIFY_WEBHOOK_SECRET";
const COMMAND: &str = "LEDGER_NOTIFY_COMMAND";

/// An attempt must end well before the lease of the run would.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// Which events are told, comma-separated: low_balance, recharge_completed, suspended, resumed, charge_refused,
    /// alert_opened, all or none
    #[arg(
        long,
        value_name = "EVENTS",
        env = "LEDGER_NOTIFY_EVENTS",
        default_value = "all",
        hide_env_values = true
    )]
    events: String,
    /// How long one attempt may take, at most 30s
    #[arg(
        long,
        value_name = "SPAN",
        env = "LEDGER_NOTIFY_TIMEOUT",
        default_value = "10s",
        hide_env_values = true
    )]
    timeout: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Trying again")]
pub struct RetryArgs {
    /// After so many attempts a delivery is given up
    #[arg(long, value_name = "N", env = "LEDGER_NOTIFY_ATTEMPTS", default_value_t = 12,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    attempts: u32,
    /// The wait after the first attempt; half of a wait is random
    #[arg(
        long,
        value_name = "SPAN",
        env = "LEDGER_NOTIFY_BACKOFF",
        default_value = "1m",
        hide_env_values = true
    )]
    backoff: String,
    /// What each further attempt multiplies the wait by
    #[arg(long, value_name = "N", env = "LEDGER_NOTIFY_BACKOFF_FACTOR", default_value_t = 2,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    backoff_factor: u32,
    /// The longest wait
    #[arg(
        long,
        value_name = "SPAN",
        env = "LEDGER_NOTIFY_BACKOFF_CAP",
        default_value = "6h",
        hide_env_values = true
    )]
    backoff_cap: String,
}

fn unusable(what: impl ToString) -> LedgerError {
    LedgerError::invalid(Code::Configuration, what)
}

impl RetryArgs {
    pub fn parse(&self) -> Result<Retries, LedgerError> {
        let wait = |text: &str, what: &'static str| TimeDelta::from_std(span(text, what)?).map_err(unusable);
        Ok(Retries {
            attempts: self.attempts,
            base: wait(&self.backoff, "--backoff")?,
            factor: self.backoff_factor,
            cap: wait(&self.backoff_cap, "--backoff-cap")?,
        })
    }
}

impl ChannelArgs {
    /// Every channel that is configured, and what they are told.
    pub fn parse(&self) -> Result<(Vec<Channel>, Vec<EventKind>), LedgerError> {
        let kinds = kinds(&self.events)?;
        let timeout = span(&self.timeout, "--timeout")?;
        if timeout.is_zero() || timeout > LONGEST_ATTEMPT {
            return Err(unusable("--timeout is between 1ms and 30s"));
        }
        let mut channels = Vec::new();
        if let Some(settings) = mail()? {
            channels.push(Channel::mail(settings, timeout)?);
        }
        if let Some(settings) = webhook()? {
            channels.push(Channel::webhook(settings, timeout)?);
        }
        if let Some(settings) = command()? {
            channels.push(Channel::command(settings, timeout));
        }
        Ok((channels, kinds))
    }
}

fn kinds(text: &str) -> Result<Vec<EventKind>, LedgerError> {
    match text.trim() {
        "all" => return Ok(EventKind::ALL.to_vec()),
        "none" => return Ok(Vec::new()),
        _ => {}
    }
    let kind = |name: &str| {
        EventKind::parse(name.trim()).ok_or_else(|| {
            let known = EventKind::ALL.map(EventKind::name).join(", ");
            unusable(format!("--events is all, none, or some of {known}"))
        })
    };
    text.split(',').map(kind).collect()
}

/// A variable's text; an empty one counts as none.
fn variable(name: &str) -> Result<Option<String>, LedgerError> {
    match std::env::var(name) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(unusable(format!("{name} is not valid UTF-8"))),
    }
}

fn with(name: &str, needs: &str) -> Result<String, LedgerError> {
    variable(needs)?.ok_or_else(|| unusable(format!("{name} needs {needs}")))
}

/// Half a channel would count as none, and nobody be told of anything.
fn only_with<T>(name: &str, others: &[&str]) -> Result<Option<T>, LedgerError> {
    for other in others {
        if variable(other)?.is_some() {
            return Err(unusable(format!("{other} needs {name}")));
        }
    }
    Ok(None)
}

fn mail() -> Result<Option<MailSettings>, LedgerError> {
    let Some(url) = variable(SMTP_URL)? else {
        return only_with(SMTP_URL, &[MAIL_FROM, MAIL_TO, SMTP_USER]);
    };
    let credentials = match variable(SMTP_USER)? {
        Some(user) => {
            let password = secret::required(SMTP_PASSWORD, "the password of that user")?;
            let password =
                String::from_utf8(password).map_err(|_| unusable(format!("{SMTP_PASSWORD} is not UTF-8")))?;
            Some((user, password))
        }
        None => None,
    };
    let to = with(SMTP_URL, MAIL_TO)?;
    Ok(Some(MailSettings {
        url,
        credentials,
        from: with(SMTP_URL, MAIL_FROM)?,
        to: to.split(',').map(str::to_owned).collect(),
    }))
}

fn webhook() -> Result<Option<WebhookSettings>, LedgerError> {
    let Some(url) = variable(WEBHOOK_URL)? else {
        return only_with(WEBHOOK_URL, &[WEBHOOK_SECRET]);
    };
    let secret = secret::required(WEBHOOK_SECRET, "the secret that the receiver checks signatures with")?;
    Ok(Some(WebhookSettings { url, secret }))
}

/// Words parted by spaces; as a JSON list where one of them holds a space, or a shell is wanted.
fn command() -> Result<Option<CommandSettings>, LedgerError> {
    let Some(text) = variable(COMMAND)? else {
        return Ok(None);
    };
    let words: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(&text)
            .map_err(|_| unusable(format!("{COMMAND} is no JSON list of texts: [\"sh\", \"-c\", \"...\"]")))?
    } else {
        text.split_whitespace().map(str::to_owned).collect()
    };
    let mut words = words.into_iter();
    let program = words.next().filter(|program| !program.is_empty());
    Ok(Some(CommandSettings {
        program: program.ok_or_else(|| unusable(format!("{COMMAND} names no program")))?,
        arguments: words.collect(),
    }))
}
