//! Global options, and what every command needs from them.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::discreet_log;
use super::values::{optional, span};
use crate::domain::code::{Code, Exit};
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::DatabaseUrl;
use crate::ledger::error::Obstacle;
use crate::ledger::ping::Monitor;
use crate::ledger::post::{Answer, Outcome, Posted, Request, post};
use crate::ledger::{Clock, Ledger, LedgerError, currency};
use crate::render::failure::Failure;
use crate::render::progress::Bar;
use crate::render::suspension::suspended;
use crate::render::{Document, Format, Writer, posting};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Table,
    Json,
    Ndjson,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// sqlite://PATH, a path, or postgres://USER@HOST/DATABASE
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        default_value = "sqlite://ledger.db",
        hide_env_values = true
    )]
    database_url: String,
    /// table is for people; json, ndjson and csv are stable
    #[arg(
        long,
        global = true,
        env = "LEDGER_FORMAT",
        value_enum,
        default_value = "table",
        hide_env_values = true
    )]
    format: FormatArg,
    /// Say nothing when nothing is wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more to standard error; twice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Whether the log is coloured
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: ColorArg,
    /// No progress bar, even on a terminal
    #[arg(long, global = true)]
    no_progress: bool,
    /// Unit of the account; USD unless given
    #[arg(long, global = true, env = "LEDGER_CURRENCY", hide_env_values = true)]
    currency: Option<String>,
    /// Who does this; the system user unless given
    #[arg(long, global = true, env = "LEDGER_ACTOR", hide_env_values = true)]
    actor: Option<String>,
    /// How long to wait for a busy account or job: 500ms, 5s, 2m
    #[arg(
        long,
        global = true,
        env = "LEDGER_LOCK_TIMEOUT",
        default_value = "5s",
        hide_env_values = true
    )]
    lock_timeout: String,
    /// The clock, RFC 3339: for tests and for re-running a missed job
    #[arg(long, global = true, env = "LEDGER_NOW", hide_env_values = true)]
    now: Option<String>,
    /// Tell a monitor that the run begins (URL/start) and how it ends (URL/EXIT-CODE)
    #[arg(long, global = true, value_name = "URL")]
    ping: Option<String>,
}

impl Global {
    pub const fn writer(&self) -> Writer {
        let format = match self.format {
            FormatArg::Table => Format::Table,
            FormatArg::Json => Format::Json,
            FormatArg::Ndjson => Format::Ndjson,
            FormatArg::Csv => Format::Csv,
        };
        Writer {
            format,
            quiet: self.quiet,
        }
    }

    /// `RUST_LOG` decides unless `-v` or `-q` was given.
    pub fn start_log(&self) {
        let default = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, _) => "debug",
        };
        let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(default));
        if self.quiet || self.verbose > 0 {
            builder.parse_filters(default);
        }
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        builder.write_style(match self.color {
            ColorArg::Always => env_logger::WriteStyle::Always,
            ColorArg::Auto if !plain => env_logger::WriteStyle::Auto,
            ColorArg::Auto | ColorArg::Never => env_logger::WriteStyle::Never,
        });
        discreet_log::install(builder.build());
    }
}

/// The options of this run.
pub struct Context<'a> {
    global: &'a Global,
    pub writer: Writer,
}

/// Wrong input, with the sentence that says what to give instead.
pub fn invalid(message: impl ToString) -> LedgerError {
    LedgerError::invalid(Code::InvalidInput, message)
}

impl<'a> Context<'a> {
    pub const fn new(global: &'a Global) -> Self {
        Self {
            global,
            writer: global.writer(),
        }
    }

    pub fn ledger(&self) -> Result<Ledger, LedgerError> {
        Ledger::open(
            &self.database_url()?,
            self.clock()?,
            self.actor()?,
            self.lock_timeout()?,
        )
    }

    /// Does `work` on the ledger; see [`Ledger::leave_open`] for how it ends.
    pub fn with_ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let mut ledger = self.ledger()?;
        let done = work(&mut ledger)?;
        ledger.leave_open();
        Ok(done)
    }

    /// Posts what is requested, and shows the answer.
    pub fn post(&self, request: impl FnOnce(&mut Ledger) -> Result<Request, LedgerError>) -> anyhow::Result<Exit> {
        let answer = self.with_ledger(|ledger| {
            let request = request(ledger)?;
            post(ledger, &request)
        })?;
        self.answered(&answer)
    }

    pub fn database_url(&self) -> Result<DatabaseUrl, LedgerError> {
        DatabaseUrl::parse(&self.global.database_url).map_err(|error| LedgerError::invalid(Code::Configuration, error))
    }

    pub fn lock_timeout(&self) -> Result<Duration, LedgerError> {
        span(&self.global.lock_timeout, "--lock-timeout")
    }

    /// Who is told of this run, if anybody is.
    pub fn monitor(&self) -> Result<Option<Monitor>, LedgerError> {
        self.global.ping.as_deref().map(Monitor::parse).transpose()
    }

    pub fn clock(&self) -> Result<Clock, LedgerError> {
        match &self.global.now {
            None => Ok(Clock::System),
            Some(text) => Timestamp::parse(text)
                .map(Clock::Fixed)
                .map_err(|error| invalid(format!("--now: {error}"))),
        }
    }

    pub fn actor(&self) -> Result<Actor, LedgerError> {
        if let Some(name) = &self.global.actor {
            Actor::parse(name).map_err(invalid)
        } else {
            let name = whoami::username().unwrap_or_else(|_| "unknown".into());
            Actor::parse(name.trim())
                .or_else(|_| Actor::parse("unknown"))
                .map_err(invalid)
        }
    }

    pub fn currency_code(&self) -> Result<CurrencyCode, LedgerError> {
        CurrencyCode::parse(self.global.currency.as_deref().unwrap_or("USD")).map_err(invalid)
    }

    /// The currency as asked for, where none means every one.
    pub fn given_currency(&self) -> Result<Option<CurrencyCode>, LedgerError> {
        optional(self.global.currency.as_deref(), CurrencyCode::parse)
    }

    /// The currency that amounts are read in.
    pub fn currency(&self, ledger: &mut Ledger) -> Result<Currency, LedgerError> {
        let code = self.currency_code()?;
        currency::resolve(ledger, &code)
    }

    pub fn progress(&self) -> Bar {
        self.progress_in("accounts")
    }

    /// Progress of work that is counted in something else than accounts.
    pub fn progress_in(&self, unit: &'static str) -> Bar {
        Bar::new(!self.global.no_progress && !self.global.quiet, unit)
    }

    /// Shows an outcome with nothing wrong about it.
    pub fn done(&self, document: &Document) -> anyhow::Result<Exit> {
        self.ended(document, Exit::Done)
    }

    /// What is asked for is a text for another program, which -q does not keep back.
    pub fn written(&self, document: &Document) -> anyhow::Result<Exit> {
        let writer = Writer {
            quiet: false,
            ..self.writer
        };
        writer.show(document, true)?;
        Ok(Exit::Done)
    }

    pub fn ended(&self, document: &Document, exit: Exit) -> anyhow::Result<Exit> {
        self.writer.show(document, exit == Exit::Done)?;
        Ok(exit)
    }

    /// As [`Self::ended`], of what could not be done to its end: what was found, and what stood in the way.
    pub fn ended_at(&self, document: &Document, exit: Exit, obstacle: Option<&Obstacle>) -> anyhow::Result<Exit> {
        let exit = self.ended(document, exit)?;
        if let Some(met) = obstacle {
            let failure = Failure::new(met.code, &met.message);
            self.writer.fail(&failure.object(), &failure.sentence())?;
        }
        Ok(exit)
    }

    /// It is done, whether or not that can be shown: what could not be says under which key.
    fn posted(&self, answer: &Answer, posted: &Posted, already: bool) -> anyhow::Result<Exit> {
        self.done(&posting::posted(answer, posted, already)).map_err(|error| {
            let Some(unwritten) = error.downcast_ref::<std::io::Error>() else {
                return error;
            };
            let unwritten = LedgerError::unwritable("its result", unwritten);
            Failure::unshown(unwritten.code(), &unwritten, &answer.key).into()
        })
    }

    /// Shows the answer to a money operation.
    pub fn answered(&self, answer: &Answer) -> anyhow::Result<Exit> {
        match &answer.outcome {
            Outcome::Applied(posted) => self.posted(answer, posted, false),
            Outcome::AlreadyApplied(posted) => self.posted(answer, posted, true),
            Outcome::Refused(refusal) => Err(Failure::refused(refusal, &answer.currency, Some(&answer.key)).into()),
            Outcome::Suspended(refusal, suspension) => {
                let failure = Failure::refused(refusal, &answer.currency, Some(&answer.key));
                Err(suspended(failure, suspension, &answer.currency).into())
            }
        }
    }
}
