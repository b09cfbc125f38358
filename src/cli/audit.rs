//! `ledger audit`

use clap::{Args, value_parser};

use super::context::Context;
use super::values::day_or_time;
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::pattern::Thresholds;
use crate::ledger::audit::{self, Audit};
use crate::render;

/// Look at what happened in a period: does it tie, and what should a person look at?
///
/// Shows what the ledger came to at the beginning and at the end and what moved it, held against the close of the
/// audit before; how attempts ended and how long they took; unusual patterns; and for each finding the next command
/// to type. Each audit of the present keeps a close, which the next one goes on from. Findings leave alerts.
/// Exits 0 for nothing found, 1 for findings, 6 where something is CRITICAL.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger audit -q
    ledger audit --repair
    ledger audit --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z --format json"))]
pub struct AuditArgs {
    /// Beginning of the period, a day in UTC or a time (RFC 3339); a day before its end unless given
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End of the period, itself not in it; now unless given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Mend access without its charge and charges without their access, and close alerts whose cause is gone
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    thresholds: ThresholdArgs,
}

/// From where on something is unusual.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is unusual")]
struct ThresholdArgs {
    /// More operations of one account within a minute
    #[arg(long, value_name = "N", env = "LEDGER_AUDIT_PER_MINUTE", default_value_t = Thresholds::default().per_minute,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    per_minute: u32,
    /// An amount so many times the median of the account's last 20 of its kind, among the 100 entries before the period
    #[arg(long, value_name = "N", env = "LEDGER_AUDIT_AMOUNT_FACTOR", default_value_t = Thresholds::default().amount_factor,
        value_parser = value_parser!(u32).range(2..), hide_env_values = true)]
    amount_factor: u32,
    /// So many refused or failed attempts of one account in a row
    #[arg(long, value_name = "N", env = "LEDGER_AUDIT_FAILURES", default_value_t = Thresholds::default().failures_in_a_row,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    failures_in_a_row: u32,
    /// So many recharges of one account within 24 hours of which at least half was given back
    #[arg(long, value_name = "N", env = "LEDGER_AUDIT_CYCLES", default_value_t = Thresholds::default().cycles_per_day,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    cycles_per_day: u32,
    /// More than so many times the daily average of the 28 days before, or less than that part of it
    #[arg(long, value_name = "N", env = "LEDGER_AUDIT_VOLUME_FACTOR", default_value_t = Thresholds::default().volume_factor,
        value_parser = value_parser!(u32).range(2..), hide_env_values = true)]
    volume_factor: u32,
}

pub fn run(context: &Context<'_>, args: &AuditArgs) -> anyhow::Result<Exit> {
    let request = Audit {
        since: day_or_time(args.since.as_deref(), "--since")?,
        until: day_or_time(args.until.as_deref(), "--until")?,
        repair: args.repair,
        thresholds: Thresholds {
            per_minute: args.thresholds.per_minute,
            amount_factor: args.thresholds.amount_factor,
            failures_in_a_row: args.thresholds.failures_in_a_row,
            cycles_per_day: args.thresholds.cycles_per_day,
            volume_factor: args.thresholds.volume_factor,
        },
    };
    signals::long_work();
    let report = context.with_ledger(|ledger| audit::audit(ledger, &request, &context.progress()))?;
    context.ended(&render::audit::report(&report), report.exit())
}
