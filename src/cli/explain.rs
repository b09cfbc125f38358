//! `ledger explain`

use clap::Args;

use super::arguments::UserArg;
use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::inspect;
use crate::render;

/// Say why the available amount is what it is
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger explain --user-id 5"))]
pub struct ExplainArgs {
    #[command(flatten)]
    user: UserArg,
}

pub fn run(context: &Context<'_>, args: &ExplainArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let explanation = context.with_ledger(|ledger| inspect::explain(ledger, &user_id, &context.currency_code()?))?;
    context.done(&render::inspect::explanation(&explanation))
}
