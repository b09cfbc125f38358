//! `ledger recharge callback`

use std::io::{Read, stdin};

use clap::Args;

use super::arguments::KeyArg;
use super::context::{Context, invalid};
use super::{help, secret};
use crate::domain::code::{Code, Exit};
use crate::domain::text::PaymentMethod;
use crate::input;
use crate::ledger::{LedgerError, recharge, signature};

/// Take a gateway's callback from standard input, if its signature is right
///
/// The body is a JSON object with recharge_id, status (completed or failed), amount and currency; whatever else it
/// says is kept. The signature is the HMAC-SHA256 of the body, in hexadecimal digits. The method's secret comes from
/// LEDGER_CALLBACK_SECRET_<METHOD>, or from the file that LEDGER_CALLBACK_SECRET_<METHOD>_FILE names. A wrong
/// signature, a replay, another amount, currency or method changes nothing.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger recharge callback --method zalo_pay --signature 9f86d081... < body.json"))]
pub struct CallbackArgs {
    /// Whose callback it is
    #[arg(long)]
    method: String,
    /// 64 hexadecimal digits
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    signature: String,
    #[command(flatten)]
    key: KeyArg,
}

pub fn run(context: &Context<'_>, args: &CallbackArgs) -> anyhow::Result<Exit> {
    let key = args.key.parse()?;
    let method = PaymentMethod::parse(&args.method).map_err(|e| LedgerError::invalid(Code::InvalidMethod, e))?;
    let secret = secret::required(&variable(&method), "the method's secret")?;
    let mut body = Vec::new();
    stdin()
        .take(input::callback::LONGEST + 1)
        .read_to_end(&mut body)
        .map_err(|error| invalid(format!("standard input: {error}")))?;
    input::callback::check_length(&body).map_err(invalid)?;
    // Nothing else is looked at before the signature is known to be right.
    if !signature::matches(&secret, &body, &args.signature) {
        return Err(LedgerError::invalid(
            Code::InvalidSignature,
            format!(
                "the signature is not that of this body under the secret of {}",
                method.as_str()
            ),
        )
        .into());
    }
    let callback = input::callback::read(&body).map_err(invalid)?;
    let answer = context.with_ledger(|ledger| recharge::callback(ledger, &callback, &method, key))?;
    context.answered(&answer)
}

fn variable(method: &PaymentMethod) -> String {
    format!("LEDGER_CALLBACK_SECRET_{}", method.as_str().to_uppercase())
}
