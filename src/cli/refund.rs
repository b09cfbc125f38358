//! `ledger refund` and `ledger reverse`: giving back and taking back.

use clap::{Args, ValueEnum};

use super::arguments::PartArgs;
use super::context::{Context, invalid};
use super::{help, hold};
use crate::domain::code::Exit;
use crate::domain::money::Amount;
use crate::domain::operation::{IfSpent, Operation};
use crate::domain::text::UserId;

/// Give back a hold, or what an entry took
///
/// Of a charge, a commit or a penalty at most what it moved is given back, in one or several parts.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger refund --hold h5-1
    ledger refund --hold h5-1 --amount 2
    ledger refund --user-id 5 --entry 17 --amount 20000 --reason \"server was down\""))]
pub struct RefundArgs {
    /// The hold, such as h12-7
    #[arg(long, value_name = "ID", conflicts_with_all = ["entry", "user_id"], required_unless_present = "entry")]
    hold: Option<String>,
    /// Whose entry
    #[arg(long, value_name = "ID", requires = "entry")]
    user_id: Option<String>,
    /// The entry's number in the account's history
    #[arg(long, value_name = "SEQ", requires = "user_id", allow_negative_numbers = true)]
    entry: Option<i64>,
    #[command(flatten)]
    part: PartArgs,
}

/// Take back an entry that moved money in or out, once, in whole or in part
///
/// What was spent is refunded, what was given is taken back; never more than the entry moved. A recharge whose money
/// is gone is refused (402), or with --if-spent debt leaves a debt that later money pays off first.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger reverse --user-id 5 --entry 17
    ledger reverse --user-id 5 --entry 3 --reason \"chargeback\" --if-spent debt"))]
pub struct ReverseArgs {
    /// Whose entry
    #[arg(long, value_name = "ID")]
    user_id: String,
    /// The entry's number in the account's history
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true)]
    entry: i64,
    /// What to do when the money to be taken back is gone
    #[arg(long, value_enum, default_value = "refuse")]
    if_spent: IfSpentArg,
    #[command(flatten)]
    part: PartArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IfSpentArg {
    /// Leave everything as it is (402)
    Refuse,
    /// Take what is there; the rest becomes debt
    Debt,
}

impl From<IfSpentArg> for IfSpent {
    fn from(argument: IfSpentArg) -> Self {
        match argument {
            IfSpentArg::Refuse => Self::Refuse,
            IfSpentArg::Debt => Self::Debt,
        }
    }
}

pub fn run_refund(context: &Context<'_>, args: &RefundArgs) -> anyhow::Result<Exit> {
    match (&args.hold, &args.user_id, args.entry) {
        (Some(id), ..) => hold::end(context, id, &args.part, |hold, amount| Operation::Release {
            hold,
            amount,
        }),
        (None, Some(user_id), Some(entry)) => take_back(context, (user_id, entry), &args.part, |amount| {
            Operation::Refund { entry, amount }
        }),
        (None, ..) => Err(invalid("give either --hold, or --user-id and --entry").into()),
    }
}

pub fn run_reverse(context: &Context<'_>, args: &ReverseArgs) -> anyhow::Result<Exit> {
    let (entry, if_spent) = (args.entry, args.if_spent.into());
    take_back(context, (&args.user_id, entry), &args.part, |amount| {
        Operation::Reverse {
            entry,
            amount,
            if_spent,
        }
    })
}

fn take_back(
    context: &Context<'_>,
    (user_id, entry): (&str, i64),
    part: &PartArgs,
    operation: impl FnOnce(Option<Amount>) -> Operation,
) -> anyhow::Result<Exit> {
    let user_id = UserId::parse(user_id).map_err(invalid)?;
    if entry < 1 {
        return Err(invalid("--entry is a number from 1; `ledger history` shows them").into());
    }
    context.post(|ledger| part.request((user_id, context.currency(ledger)?), operation))
}
