//! `ledger metrics`

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::LedgerError;
use crate::ledger::metrics::metrics;
use crate::render::metrics::exposition;
use crate::render::sink::Sink;

/// Write metrics for the textfile collector of Prometheus
///
/// Accounts, balances, held money and debts by currency, what is pending, open alerts, and the latest run of each job.
/// The entries are not read, so that it costs the same whatever the history. The file is replaced as a whole, and
/// everybody may read it.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger metrics --output /var/lib/prometheus/node-exporter/ledger.prom
    ledger metrics --output - --format json"))]
pub struct MetricsArgs {
    /// The file; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(context: &Context<'_>, args: &MetricsArgs) -> anyhow::Result<Exit> {
    let measured = context.with_ledger(metrics)?;
    let file = (args.output != Path::new("-")).then_some(&args.output);
    let name = file.map(|file| file.display().to_string());
    let (text, document) = exposition(&measured, name.as_deref());
    match file {
        Some(file) => {
            Sink::write_public(file, &text).map_err(|error| LedgerError::unwritable(file.display(), &error))?;
            context.done(&document)
        }
        None => context.written(&document),
    }
}
