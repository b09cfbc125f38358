//! `ledger export`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::Context;
use super::verify_sync::ScopeArgs;
use super::{help, signals};
use crate::domain::code::{Code, Exit};
use crate::ledger::LedgerError;
use crate::ledger::export::{Export, export};
use crate::render::export::{Beancount, Hledger, Journal, Ndjson, Shape, exported};
use crate::render::sink::Sink;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    Hledger,
    Beancount,
    Ndjson,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Hledger => "hledger",
            Self::Beancount => "beancount",
            Self::Ndjson => "ndjson",
        }
    }

    fn shape(self) -> Box<dyn Shape> {
        match self {
            Self::Hledger => Box::new(Journal::<Hledger>::default()),
            Self::Beancount => Box::new(Journal::<Beancount>::default()),
            Self::Ndjson => Box::new(Ndjson::default()),
        }
    }
}

/// Write the whole ledger as double entry, for other programs to check
///
/// hledger and beancount get a journal in which every final balance is asserted as it is stored here, so that
/// `hledger check -s` and `bean-check` prove it independently. ndjson has everything that the hashes of the entries
/// cover. Accounts stand in the order of their creation; the same history gives the same bytes from every database.
/// --format is for the summary that is shown when a file is written.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger export --to hledger --output ledger.journal && hledger -f ledger.journal check -s
    ledger export --to beancount --output ledger.beancount && bean-check ledger.beancount
    ledger export --to ndjson | gzip > ledger.ndjson.gz"))]
pub struct ExportArgs {
    /// Which program is to read it
    #[arg(long, value_enum)]
    to: Target,
    /// The file, replaced as a whole once everything is written; standard output unless given, or -
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub fn run(context: &Context<'_>, args: &ExportArgs) -> anyhow::Result<Exit> {
    let request = Export {
        scope: args.scope.parse(context)?,
        beside: args.to == Target::Ndjson,
    };
    let output = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let file = output.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let unwritten = |error: std::io::Error| LedgerError::unwritable(&file, &error);
    signals::long_work();
    let mut ledger = context.ledger()?;
    let mut sink = Sink::open(output).map_err(unwritten)?;
    let mut shape = args.to.shape();
    shape.beginning(sink.buffer());
    let written = export(&mut ledger, &request, &context.progress(), &mut |step| {
        let unwritable = |error| LedgerError::invalid(Code::Integrity, error);
        shape.step(step, sink.buffer()).map_err(unwritable)?;
        sink.flush_full().map_err(unwritten)
    });
    ledger.leave_open();
    let written = written.and_then(|done| {
        shape.ending(&done, sink.buffer());
        sink.finish().map_err(unwritten)?;
        Ok(done)
    });
    let done = match written {
        Err(_) if sink.is_gone() => return Ok(Exit::Done),
        written => written?,
    };
    let summary = exported(args.to.name(), &file, &done);
    if output.is_some() {
        return context.done(&summary);
    }
    context.writer.tell_aside(&summary)?;
    Ok(Exit::Done)
}
