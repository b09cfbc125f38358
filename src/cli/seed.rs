//! `ledger seed`

use clap::Args;

use super::context::{Context, invalid};
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::time::Timestamp;
use crate::ledger::seed::{Seed, seed};
use crate::ledger::{Clock, LedgerError};
use crate::render;

/// The end of the last day unless --now says another.
const END: &str = "2026-01-01T00:00:00Z";

/// Fill an empty ledger with a history for tests
///
/// The same arguments make the same ledger, to the last hash, on either database and in every run: recharges, charges,
/// holds, refunds, purchases, gifts, and now and then a locked or suspended account. It ends at --now, or else at the
/// beginning of 2026, never at today's date; who did it is always `seed`. Users are numbered from 1, the first ones
/// busier than the others. A ledger that has accounts is refused (exit 2), also one that an interrupted seed has left:
/// begin again with a new database then.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger seed --accounts 100 --entries 10000 --database-url test.db
    ledger seed --accounts 50 --entries 2000 --rng-seed 7 --days 30 --format json
    ledger seed --accounts 50 --entries 2000 --into-existing --user-prefix test-"))]
pub struct SeedArgs {
    /// How many accounts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    accounts: u64,
    /// How many entries the journal gets, exactly; attempts that are refused come on top
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(..=10_000_000_000))]
    entries: u64,
    /// Another number, another history
    #[arg(long, value_name = "S", default_value_t = 1)]
    rng_seed: u64,
    /// Over how many days the history is spread
    #[arg(long, value_name = "D", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// Add to a ledger that is not empty; users who have such an account are refused
    #[arg(long)]
    into_existing: bool,
    /// What user ids begin with, before their number
    #[arg(long, value_name = "TEXT", default_value = "")]
    user_prefix: String,
}

pub fn run(context: &Context<'_>, args: &SeedArgs) -> anyhow::Result<Exit> {
    let end = end(context)?;
    signals::long_work();
    let seeded = context.with_ledger(|ledger| {
        let asked = Seed {
            accounts: args.accounts,
            entries: args.entries,
            rng_seed: args.rng_seed,
            currency: context.currency(ledger)?,
            days: args.days,
            end,
            user_prefix: args.user_prefix.clone(),
            into_existing: args.into_existing,
        };
        seed(ledger, &asked, &context.progress_in("entries"))
    })?;
    context.done(&render::seed::seeded(&seeded))
}

fn end(context: &Context<'_>) -> Result<Timestamp, LedgerError> {
    match context.clock()? {
        Clock::Fixed(now) => Ok(now),
        Clock::System => Timestamp::parse(END).map_err(invalid),
    }
}
