//! `ledger verify-sync`

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;

use super::context::{Context, invalid};
use super::{help, signals};
use crate::domain::code::{Code, Exit};
use crate::domain::money::Ceiling;
use crate::domain::text::UserId;
use crate::ledger::scan::Depth;
use crate::ledger::verify::{Scope, Verify, verify};
use crate::ledger::{LedgerError, rebuild};
use crate::render;

/// Prove that every balance is what its entries come to, and repair those that are not
///
/// Never blocks charging and is never fooled by it. --fix changes balance rows only, never an entry; each
/// repair is made under the account's lock and recorded with what was there before.
///
/// Every pass remembers through which entry an account was in sync. --since-last sums only the entries after that one
/// and adds what was proven. It compares every balance row, wherever its last change comes from, and notices entries
/// that are missing at or after the proven one. It does not see an older entry that was edited or deleted: run the
/// full pass now and then.
///
/// --deep recomputes the hash and the figures of every entry, names the first bad one of each account and, where it
/// can be told, what was done: edited, deleted, inserted, reordered, cut off. It also holds recharges, holds,
/// purchases, credits, gifts, suspensions, access and intents against the entries, and recurring charges against what
/// was agreed on. What it finds there is never repaired.
///
/// Whoever may write to the database can recompute every hash and every figure. Only what is kept elsewhere shows
/// that: --anchor adds today's state to a file and checks that the ledger extends each one in it.
///
/// Accounts on a server of a cluster that is away are named, and the run ends with exit 4 unless it has found worse.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger verify-sync
    ledger verify-sync --since-last --fix --max-fixes 10
    ledger verify-sync --fix --max-fixes 10 --max-delta 1000
    ledger verify-sync --deep
    ledger verify-sync --deep --anchor /mnt/elsewhere/ledger.anchors
    ledger verify-sync --user-id 5 --format json
    ledger verify-sync --accounts 500001-"))]
pub struct VerifySyncArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    depth: DepthArgs,
    /// Repair the balance rows that differ
    #[arg(long)]
    fix: bool,
    /// Recompute every balance row from scratch, as `ledger rebuild` does; it knows no limits
    #[arg(long, conflicts_with_all = ["max_fixes", "max_delta"])]
    rebuild: bool,
    /// With --fix: write nothing if more accounts than this would be repaired
    #[arg(long, value_name = "N", requires = "fix")]
    max_fixes: Option<u64>,
    /// With --fix: write nothing if any amount differs by more than this
    #[arg(long, value_name = "AMOUNT", requires = "fix", allow_hyphen_values = true)]
    max_delta: Option<String>,
    /// Hold the ledger against every anchor in this file, and add today's; see docs/anchors.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rebuild", "user_id", "accounts"])]
    anchor: Option<PathBuf>,
    /// Do not copy a SQLite ledger before repairing it
    #[arg(long)]
    no_backup: bool,
}

/// Which accounts.
#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// Only this user: in --currency if given, else in every currency
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// Only the accounts with these numbers, such as 1-500000 or 500001-; several parts may run at once
    #[arg(
        long,
        value_name = "FIRST-LAST",
        conflicts_with = "user_id",
        allow_hyphen_values = true
    )]
    accounts: Option<String>,
}

/// How much of the journal.
#[derive(Debug, Args)]
pub struct DepthArgs {
    /// Sum only the entries after those that an earlier pass has proven
    #[arg(long, conflicts_with = "rebuild")]
    since_last: bool,
    /// Read every entry, recompute its hash and figures, and hold all records against the entries
    #[arg(long, conflicts_with_all = ["rebuild", "since_last"])]
    deep: bool,
}

impl DepthArgs {
    const fn parse(&self) -> Depth {
        match (self.deep, self.since_last) {
            (true, _) => Depth::Deep,
            (_, true) => Depth::SinceLast,
            _ => Depth::Whole,
        }
    }
}

impl ScopeArgs {
    pub fn parse(&self, context: &Context<'_>) -> Result<Scope, LedgerError> {
        if let Some(range) = &self.accounts {
            return Ok(Scope::Accounts(account_range(range)?));
        }
        let Some(user_id) = &self.user_id else {
            return Ok(Scope::ALL);
        };
        let user_id = UserId::parse(user_id).map_err(invalid)?;
        Ok(Scope::User {
            user_id,
            currency: context.given_currency()?,
        })
    }
}

/// `FIRST-LAST`, of which either may be left out: then there is no account before or after.
fn account_range(text: &str) -> Result<RangeInclusive<i64>, LedgerError> {
    let wrong = || {
        let message = "--accounts is the first and the last number of an account, such as 1-500000, 500001- or -500000";
        LedgerError::invalid(Code::InvalidInput, message)
    };
    let number = |text: &str, missing: i64| match text {
        "" => Ok(missing),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let range = number(first, i64::MIN)?..=number(last, i64::MAX)?;
    if text == "-" || range.is_empty() {
        return Err(wrong());
    }
    Ok(range)
}

pub fn run(context: &Context<'_>, args: &VerifySyncArgs) -> anyhow::Result<Exit> {
    let scope = args.scope.parse(context)?;
    let max_delta = args.max_delta.as_deref().map(Ceiling::parse).transpose();
    let max_delta = max_delta.map_err(|error| {
        let message = format!("--max-delta: {error}");
        LedgerError::invalid(Code::InvalidAmount, message)
    })?;
    signals::long_work();
    let progress = context.progress();
    let report = if args.rebuild {
        context.with_ledger(|ledger| rebuild::rebuild(ledger, &scope, !args.no_backup, &progress))?
    } else {
        let request = Verify {
            scope,
            depth: args.depth.parse(),
            fix: args.fix,
            max_fixes: args.max_fixes,
            max_delta,
            backup: !args.no_backup,
            anchor: args.anchor.clone(),
        };
        context.with_ledger(|ledger| verify(ledger, &request, &progress))?
    };
    let fixing = args.fix || args.rebuild;
    let document = render::verify::report("verify-sync", &report, fixing);
    context.ended_at(&document, report.exit(), report.stopped.as_ref())
}
