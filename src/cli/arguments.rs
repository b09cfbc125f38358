//! Groups of arguments that several commands share.

use clap::Args;

use super::context::{Context, invalid};
use super::values::{amount, day_or_time, json, optional};
use crate::domain::code::Exit;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::Amount;
use crate::domain::operation::Operation;
use crate::domain::text::{Description, IdempotencyKey, Reference, UserId};
use crate::domain::time::Timestamp;
use crate::ledger::LedgerError;
use crate::ledger::post::Request;

/// Whose account.
#[derive(Clone, Debug, Args)]
pub struct UserArg {
    /// Who owns the account: 5, a UUID
    #[arg(long, value_name = "ID")]
    user_id: String,
}

impl UserArg {
    pub fn parse(&self) -> Result<UserId, LedgerError> {
        UserId::parse(&self.user_id).map_err(invalid)
    }
}

/// What is to be remembered with the entry.
#[derive(Clone, Debug, Args)]
pub struct NoteArgs {
    /// Pointer into your own records, such as VpsUsage:123
    #[arg(long)]
    reference: Option<String>,
    /// A line for people
    #[arg(long, visible_alias = "reason")]
    description: Option<String>,
    /// Anything else, as JSON
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl NoteArgs {
    pub fn parse(&self) -> Result<Note, LedgerError> {
        Ok(Note {
            reference: optional(self.reference.as_deref(), Reference::parse)?,
            description: optional(self.description.as_deref(), Description::parse)?,
            metadata: json(self.metadata.as_deref(), "--metadata")?,
        })
    }

    /// For operations that must not be done without saying why.
    pub fn with_reason(&self) -> Result<Note, LedgerError> {
        let note = self.parse()?;
        if note.description.is_none() {
            return Err(invalid("say why with --reason"));
        }
        Ok(note)
    }
}

/// What operations that move a given amount have in common.
#[derive(Clone, Debug, Args)]
pub struct MoneyArgs {
    #[command(flatten)]
    user: UserArg,
    /// Plain decimal digits: 1500, 1500.50
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Whether an operation may be done without saying why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Optional,
    Required,
}

impl MoneyArgs {
    /// Posts the operation that is made of the amount as it was read, in the account's currency.
    pub fn post(
        &self,
        context: &Context<'_>,
        reason: Reason,
        operation: impl FnOnce(&str, &Currency) -> Result<Operation, LedgerError>,
    ) -> anyhow::Result<Exit> {
        let (user_id, key) = (self.user.parse()?, self.key.parse()?);
        let note = match reason {
            Reason::Optional => self.note.parse()?,
            Reason::Required => self.note.with_reason()?,
        };
        context.post(|ledger| {
            let currency = context.currency(ledger)?;
            Ok(Request {
                user_id,
                operation: operation(&self.amount, &currency)?,
                currency,
                note,
                key,
            })
        })
    }
}

/// What operations on a part of something have in common.
#[derive(Clone, Debug, Args)]
pub struct PartArgs {
    /// Only a part of it
    #[arg(long, allow_hyphen_values = true)]
    amount: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

impl PartArgs {
    /// The request for that account; the operation is made of the part, `None` for all of it.
    pub fn request(
        &self,
        (user_id, currency): (UserId, Currency),
        operation: impl FnOnce(Option<Amount>) -> Operation,
    ) -> Result<Request, LedgerError> {
        let part = self.amount.as_deref().map(|text| amount(text, &currency)).transpose()?;
        Ok(Request {
            user_id,
            currency,
            operation: operation(part),
            note: self.note.parse()?,
            key: self.key.parse()?,
        })
    }
}

/// The account that something is limited to, if any.
#[derive(Clone, Debug, Args)]
pub struct OwnerArg {
    /// Only this user's, in --currency
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
}

impl OwnerArg {
    pub fn account(&self, context: &Context<'_>) -> Result<Option<(UserId, CurrencyCode)>, LedgerError> {
        let Some(user_id) = &self.user_id else { return Ok(None) };
        let user_id = UserId::parse(user_id).map_err(invalid)?;
        Ok(Some((user_id, context.currency_code()?)))
    }
}

/// What a list shows: whose, and how many.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    owner: OwnerArg,
    /// Most to show
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl ListArgs {
    pub fn account(&self, context: &Context<'_>) -> Result<Option<(UserId, CurrencyCode)>, LedgerError> {
        self.owner.account(context)
    }

    pub fn limit(&self) -> i64 {
        i64::from(self.limit)
    }
}

/// The time that a list is limited to, if any.
#[derive(Clone, Debug, Args)]
pub struct BetweenArgs {
    /// From this moment on, a day in UTC or a time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl BetweenArgs {
    pub fn since(&self) -> Result<Option<Timestamp>, LedgerError> {
        day_or_time(self.since.as_deref(), "--since")
    }

    pub fn until(&self) -> Result<Option<Timestamp>, LedgerError> {
        day_or_time(self.until.as_deref(), "--until")
    }
}

/// The caller's name for the operation.
#[derive(Clone, Debug, Args)]
pub struct KeyArg {
    /// The same key again returns the first outcome and writes nothing; made up and printed unless given
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl KeyArg {
    pub fn parse(&self) -> Result<Option<IdempotencyKey>, LedgerError> {
        optional(self.idempotency_key.as_deref(), IdempotencyKey::parse)
    }
}
