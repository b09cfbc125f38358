//! What purchases and gifts are worth in credits: the one place that makes operations of them.

use chrono::TimeDelta;
use rust_decimal::Decimal;

use super::code::Code;
use super::currency::{Currency, CurrencyCode};
use super::money::{Amount, AmountError, Minor};
use super::operation::{NewPurchase, Operation};
use super::purchase::{Paid, credits_earned};

/// What one credit costs, in whole units of the currency paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerCredit(Decimal);

impl PerCredit {
    /// `None` unless it is an amount above zero, in plain digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !text.split('.').all(digits) {
            return None;
        }
        let rate = Decimal::from_str_exact(text).ok()?;
        (!rate.is_zero()).then_some(Self(rate))
    }
}

/// Reads a whole number of hours, such as 48 or 0; `None` for anything else, and beyond ten years.
pub fn pending_span(hours: &str) -> Option<TimeDelta> {
    let digits = hours.bytes().all(|b| b.is_ascii_digit());
    let hours = hours.parse().ok().filter(|hours| digits && *hours <= 24 * 3650);
    hours.map(TimeDelta::hours)
}

/// What counts where nothing else is said.
#[derive(Clone, Debug)]
pub struct Terms {
    pub purchase_per_credit: PerCredit,
    pub gift_per_credit: PerCredit,
    /// How long the credits of a purchase are pending.
    pub pending_for: TimeDelta,
    /// `None` for the account's own.
    pub paid_in: Option<CurrencyCode>,
}

/// What was paid, the credits themselves, or both.
#[derive(Clone, Debug)]
pub struct Worth {
    pub paid: Option<Paid>,
    pub credits: Option<Amount>,
}

/// Why there is nothing to record or to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Worthless {
    #[error("give the amount paid, the credits or both")]
    Unsaid,
    #[error("say what was paid: the amount is missing")]
    Unpaid,
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Worthless {
    pub const fn code(&self) -> Code {
        match self {
            Self::Unsaid | Self::Unpaid => Code::InvalidInput,
            Self::Amount(_) => Code::InvalidAmount,
        }
    }
}

impl Worth {
    /// The credits given, or those that were paid for.
    fn credits(&self, per_credit: PerCredit, unit: &Currency) -> Result<Minor, Worthless> {
        if let Some(credits) = self.credits {
            return Ok(credits.minor());
        }
        let paid = self.paid.as_ref().ok_or(Worthless::Unsaid)?;
        Ok(credits_earned(paid, per_credit.0, unit).ok_or(AmountError::OutOfRange)?)
    }

    /// Records a purchase; it may be too small to earn anything.
    pub fn purchase(
        self,
        per_credit: PerCredit,
        pending_for: TimeDelta,
        unit: &Currency,
    ) -> Result<Operation, Worthless> {
        let credits = self.credits(per_credit, unit)?;
        Ok(Operation::RecordPurchase(NewPurchase {
            paid: self.paid.ok_or(Worthless::Unpaid)?,
            credits,
            pending_for,
        }))
    }

    /// Gives the credits at once.
    pub fn gift(self, per_credit: PerCredit, unit: &Currency) -> Result<Operation, Worthless> {
        let credits = Amount::new(self.credits(per_credit, unit)?).ok_or(AmountError::Zero)?;
        Ok(Operation::GrantGift {
            credits,
            paid: self.paid,
        })
    }
}
