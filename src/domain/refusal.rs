//! The answers "no": what a rule says when it does not let an operation through.
//!
//! A refusal is an outcome, recorded with the attempt; what broke is an error and none of these.

use serde_json::{Value, json};

use super::code::Code;
use super::currency::Currency;
use super::money::{Minor, OutOfRange};

/// A rule's "no". It is a value, not an error: nothing broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    AccountNotFound {
        user_id: String,
    },
    /// Something that belongs to the account: a recharge, an entry.
    NotFound {
        what: String,
    },
    InsufficientBalance {
        balance: Minor,
        required: Minor,
    },
    AccountLocked,
    AccountSuspended,
    AccountClosed,
    AccountNotEmpty {
        balance: Minor,
        held: Minor,
        debt: Minor,
    },
    /// It has ended, and not as asked.
    AlreadyFinal {
        what: String,
        became: &'static str,
    },
    /// A hold or recharge whose time has not run out, or credits that are still on their way.
    NotDue {
        what: String,
    },
    /// A gateway speaks of another payment than the one it names.
    ClaimMismatch {
        what: String,
        differs_in: &'static str,
    },
    /// More than is left of a hold or of what an entry moved.
    ExceedsRemaining {
        what: String,
        remaining: Minor,
        requested: Minor,
    },
    /// An entry that moved nothing that could be given back.
    NotReversible {
        what: String,
    },
    IdempotencyConflict {
        key: String,
        differs_in: Vec<String>,
    },
    LimitExceeded {
        limit: &'static str,
        allowed: String,
    },
    /// A figure would leave the range of the ledger.
    OutOfRange,
}

impl Refusal {
    pub const fn code(&self) -> Code {
        match self {
            Self::AccountNotFound { .. } | Self::NotFound { .. } => Code::NotFound,
            Self::InsufficientBalance { .. } => Code::InsufficientBalance,
            Self::AccountLocked => Code::AccountLocked,
            Self::AccountSuspended => Code::AccountSuspended,
            Self::AccountClosed => Code::AccountClosed,
            Self::AccountNotEmpty { .. } => Code::AccountNotEmpty,
            Self::AlreadyFinal { .. } | Self::NotReversible { .. } => Code::AlreadyFinal,
            Self::NotDue { .. } => Code::NotDue,
            Self::ClaimMismatch { .. } => Code::ClaimMismatch,
            Self::ExceedsRemaining { .. } => Code::ExceedsRemaining,
            Self::IdempotencyConflict { .. } => Code::IdempotencyConflict,
            Self::LimitExceeded { .. } => Code::LimitExceeded,
            Self::OutOfRange => Code::InvalidAmount,
        }
    }

    /// What was listed as overdue needs no ending any more: somebody else has ended it, or has taken it up.
    pub const fn needs_no_ending(&self) -> bool {
        matches!(self, Self::AlreadyFinal { .. } | Self::NotDue { .. })
    }

    /// One sentence for people, with what would help.
    pub fn message(&self, currency: &Currency) -> String {
        let show = |minor: Minor| currency.show_with_code(minor);
        match self {
            Self::AccountNotFound { user_id } => {
                format!(
                    "user {user_id} has no {} account; create it with `ledger account create`",
                    currency.code()
                )
            }
            Self::NotFound { what } => format!("{what} does not exist"),
            Self::InsufficientBalance { balance, required } => format!(
                "the balance is {}, {} is required: short of {}",
                show(*balance),
                show(*required),
                show(short_of(*balance, *required)),
            ),
            Self::AccountLocked => "the account is locked; `ledger account unlock` opens it".into(),
            Self::AccountSuspended => {
                "the account is suspended; a sufficient recharge or `ledger resume` opens it".into()
            }
            Self::AccountClosed => "the account is closed".into(),
            Self::AccountNotEmpty { balance, held, debt } => format!(
                "only an empty account can be closed; it has balance {}, held {}, debt {}",
                show(*balance),
                show(*held),
                show(*debt),
            ),
            Self::AlreadyFinal { what, became } => format!("{what} is already {became}"),
            Self::NotDue { what } => format!("the time of {what} has not run out"),
            Self::ClaimMismatch { what, differs_in } => format!("{what} has another {differs_in}"),
            Self::ExceedsRemaining {
                what,
                remaining,
                requested,
            } => {
                format!(
                    "only {} is left of {what}, {} was asked",
                    show(*remaining),
                    show(*requested)
                )
            }
            Self::NotReversible { what } => format!("{what} is of no kind that this could give back"),
            Self::IdempotencyConflict { key, differs_in } => format!(
                "the idempotency key {key} was used for another operation; different: {}",
                differs_in.join(", "),
            ),
            Self::LimitExceeded { limit, allowed } => format!("the account's limit is reached: {allowed} {limit}"),
            Self::OutOfRange => "the amount would take a figure of the account beyond the range of the ledger".into(),
        }
    }

    /// The same in fields, for scripts.
    pub fn details(&self, currency: &Currency) -> Value {
        let show = |minor: Minor| currency.show(minor).to_string();
        match self {
            Self::AccountNotFound { user_id } => json!({"user_id": user_id, "currency": currency.code().as_str()}),
            Self::NotFound { what } | Self::NotReversible { what } | Self::NotDue { what } => json!({"what": what}),
            Self::ClaimMismatch { what, differs_in } => json!({"what": what, "differs_in": differs_in}),
            Self::InsufficientBalance { balance, required } => json!({
                "balance": show(*balance),
                "required": show(*required),
                "short_of": show(short_of(*balance, *required)),
                "currency": currency.code().as_str(),
            }),
            Self::AccountNotEmpty { balance, held, debt } => json!({
                "balance": show(*balance),
                "held": show(*held),
                "debt": show(*debt),
                "currency": currency.code().as_str(),
            }),
            Self::AlreadyFinal { what, became } => json!({"what": what, "became": became}),
            Self::ExceedsRemaining {
                what,
                remaining,
                requested,
            } => json!({
                "what": what,
                "remaining": show(*remaining),
                "requested": show(*requested),
                "currency": currency.code().as_str(),
            }),
            Self::IdempotencyConflict { key, differs_in } => json!({"idempotency_key": key, "differs_in": differs_in}),
            Self::LimitExceeded { limit, allowed } => json!({"limit": limit, "allowed": allowed}),
            Self::AccountLocked | Self::AccountSuspended | Self::AccountClosed | Self::OutOfRange => json!({}),
        }
    }
}

impl From<OutOfRange> for Refusal {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

/// What is missing; a balance far below zero behind the tool's back must not panic here.
fn short_of(balance: Minor, required: Minor) -> Minor {
    required.minus(balance).unwrap_or(Minor::new(i64::MAX))
}
