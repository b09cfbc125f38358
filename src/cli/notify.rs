//! `ledger notify ...`

mod settings;

use clap::{Args, Subcommand};

use self::settings::{ChannelArgs, RetryArgs};
use super::arguments::ListArgs;
use super::context::Context;
use super::values::{lifetime, optional, span};
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventId;
use crate::ledger::LedgerError;
use crate::ledger::notify::review::{self, DeliveryQuery};
use crate::ledger::notify::{self, Notify};
use crate::render;

/// Tell others what has happened: low balances, recharges, suspensions, refused charges, alerts
///
/// Delivers what is due to each channel that is configured, at least once and in the order of each account. What fails
/// is tried again later, with growing waits; what has failed too often is given up, listed, and sent again when asked.
/// Channels are e-mail (LEDGER_NOTIFY_SMTP_URL, LEDGER_NOTIFY_MAIL_FROM, LEDGER_NOTIFY_MAIL_TO), a signed webhook
/// (LEDGER_NOTIFY_WEBHOOK_URL, LEDGER_NOTIFY_WEBHOOK_SECRET) and a command (LEDGER_NOTIFY_COMMAND); see
/// docs/notifications.md. Exits 0 when all that was due is delivered, 7 when some of it is not.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = help::job("\
    ledger notify -q
    ledger notify --prune 90d
    ledger notify list --dead
    ledger notify resend e12-7
    ledger notify resend --dead"))]
pub struct NotifyArgs {
    #[command(subcommand)]
    command: Option<NotifyCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    channels: ChannelArgs,
    /// No attempt begins after this long; the next run goes on
    #[arg(
        long,
        value_name = "SPAN",
        env = "LEDGER_NOTIFY_TIME_LIMIT",
        default_value = "5m",
        hide_env_values = true
    )]
    time_limit: String,
    /// Forget events older than this that everybody has been told of
    #[arg(long, value_name = "SPAN")]
    prune: Option<String>,
    #[command(flatten)]
    retries: RetryArgs,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    List(NotifyListArgs),
    Resend(ResendArgs),
}

/// Show events and how far each has got, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger notify list --dead
    ledger notify list --user-id 5 --pending --format json"))]
struct NotifyListArgs {
    /// Only what was given up
    #[arg(long, conflicts_with = "pending")]
    dead: bool,
    /// Only what is still to be delivered
    #[arg(long)]
    pending: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// Let deliveries begin anew: of one event whatever became of them, or all that were given up
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger notify resend e12-7
    ledger notify resend --dead"))]
struct ResendArgs {
    /// The event, as the list shows it
    #[arg(required_unless_present = "dead", conflicts_with = "dead")]
    id: Option<String>,
    /// Every delivery that was given up
    #[arg(long)]
    dead: bool,
}

pub fn run(context: &Context<'_>, args: &NotifyArgs) -> anyhow::Result<Exit> {
    match &args.command {
        None => deliver(context, &args.run),
        Some(NotifyCommand::List(args)) => list(context, args),
        Some(NotifyCommand::Resend(args)) => resend(context, args),
    }
}

impl RunArgs {
    fn request(&self) -> Result<Notify, LedgerError> {
        let (channels, kinds) = self.channels.parse()?;
        Ok(Notify {
            channels,
            kinds,
            retries: self.retries.parse()?,
            time_limit: span(&self.time_limit, "--time-limit")?,
            prune: lifetime(self.prune.as_deref(), "--prune")?,
        })
    }
}

fn deliver(context: &Context<'_>, args: &RunArgs) -> anyhow::Result<Exit> {
    let request = args.request()?;
    signals::long_work();
    let report = context.with_ledger(|ledger| notify::notify(ledger, &request))?;
    context.ended(&render::notify::report(&report), report.exit())
}

fn list(context: &Context<'_>, args: &NotifyListArgs) -> anyhow::Result<Exit> {
    let state = match (args.dead, args.pending) {
        (true, _) => Some(DeliveryState::Dead),
        (false, true) => Some(DeliveryState::Pending),
        (false, false) => None,
    };
    let query = DeliveryQuery {
        account: args.list.account(context)?,
        state,
        limit: args.list.limit(),
    };
    let listed = context.with_ledger(|ledger| review::list(ledger, &query))?;
    context.done(&render::notify::deliveries(&listed))
}

fn resend(context: &Context<'_>, args: &ResendArgs) -> anyhow::Result<Exit> {
    let id = optional(args.id.as_deref(), str::parse::<EventId>)?;
    let resent = context.with_ledger(|ledger| match id {
        Some(id) => review::resend(ledger, id),
        None => review::resend_dead(ledger),
    })?;
    context.done(&render::notify::resent(resent))
}
