//! Purchases that earn credits, which are transferred some time later, and gifts, which are there at once.

use chrono::TimeDelta;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::currency::Currency;
use super::entry::Note;
use super::money::{Amount, Minor};
use super::named::named;
use super::record_id::record_id;
use super::text::{Actor, Description};
use super::time::Timestamp;

record_id!(
    /// How a purchase is named outside: `p12-7`.
    PurchaseId, 'p', "a purchase", "ledger purchase list"
);

record_id!(
    /// How a gift is named outside: `g12-7`.
    GiftId, 'g', "a gift", "ledger gift list"
);

/// What was paid for it, in a currency that need not be the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub amount: Amount,
    pub currency: Currency,
}

/// The credits that `paid` earns at one credit per `per_credit` (both in whole units), rounded down to whole credits
/// of `unit`; `None` beyond the range.
pub fn credits_earned(paid: &Paid, per_credit: Decimal, unit: &Currency) -> Option<Minor> {
    let paid = Decimal::try_from_i128_with_scale(
        i128::from(paid.amount.minor().get()),
        u32::from(paid.currency.exponent()),
    );
    let credits = paid.ok()?.checked_div(per_credit)?.floor().to_i64()?;
    let minor_per_credit = 10_i64.checked_pow(u32::from(unit.exponent()))?;
    credits.checked_mul(minor_per_credit).map(Minor::new)
}

/// Who took it back, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deactivation {
    pub at: Timestamp,
    pub by: Actor,
    pub why: Option<Description>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub id: PurchaseId,
    pub paid: Paid,
    /// Zero where it was too small to earn any.
    pub credits: Minor,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub deactivated: Option<Deactivation>,
    pub note: Note,
    /// The credits' way; `None` where there are none.
    pub pending: Option<PendingCredit>,
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CreditState {
        Pending = "pending",
        /// Deactivated before it was due.
        Inactive = "inactive",
        Transferred = "transferred",
        /// Transferred, and gone again.
        TakenBack = "taken_back",
    }
}

impl CreditState {
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// Credits on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCredit {
    pub credits: Amount,
    pub due_at: Timestamp,
    pub state: CreditState,
    /// When it left the state of pending, last.
    pub settled_at: Option<Timestamp>,
    /// The entry that brought it.
    pub entry_seq: Option<i64>,
}

impl PendingCredit {
    /// From the very moment on.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at <= now
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    pub id: GiftId,
    pub paid: Option<Paid>,
    pub credits: Amount,
    /// The entry that brought it.
    pub entry_seq: i64,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub deactivated: Option<Deactivation>,
    pub note: Note,
}

/// How old an inactive credit may become before people are told to look at it.
pub const INACTIVE_FOR: TimeDelta = TimeDelta::days(7);

#[cfg(test)]
mod tests {
    use super::super::currency::CurrencyCode;
    use super::*;

    fn unit(code: &str, exponent: u8) -> Currency {
        Currency::new(CurrencyCode::parse(code).unwrap(), exponent).unwrap()
    }

    #[test]
    fn credits_are_rounded_down_to_whole_ones() {
        let points = unit("POINTS", 0);
        let earned = |amount: &str, currency: &Currency, per_credit: &str, unit: &Currency| {
            let paid = Paid {
                amount: Amount::parse(amount, currency).unwrap(),
                currency: currency.clone(),
            };
            credits_earned(&paid, per_credit.parse().unwrap(), unit).map(Minor::get)
        };
        let (dong, dollar) = (unit("VND", 0), unit("USD", 2));
        assert_eq!(earned("500000", &dong, "100000", &points), Some(5));
        assert_eq!(earned("399999", &dong, "100000", &points), Some(3));
        assert_eq!(earned("99999", &dong, "100000", &points), Some(0));
        assert_eq!(earned("250000", &dong, "5000", &points), Some(50));
        assert_eq!(earned("19.99", &dollar, "0.5", &points), Some(39));
        assert_eq!(earned("19.99", &dollar, "10", &dollar), Some(100));
        assert_eq!(earned("9000000000000000000", &dong, "0.0001", &points), None);
    }
}
