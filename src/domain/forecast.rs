//! How long a balance lasts: what is spent steadily, and what is known to be due.

use chrono::TimeDelta;
use rust_decimal::Decimal;

use super::money::{Minor, Shown};
use super::time::Timestamp;

/// What was spent within a span of time; a rate without a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// In minor units; what was given back makes it less, and it may be below zero.
    pub spent: i128,
    /// At least a moment.
    pub span: TimeDelta,
}

const DAY_MICROS: i128 = 24 * 60 * 60 * 1_000_000;

impl Burn {
    fn span_micros(&self) -> i128 {
        self.span.num_microseconds().map_or(DAY_MICROS, i128::from).max(1)
    }

    /// Per day, with two digits more than the currency has; rounded towards zero.
    pub fn per_day(&self, exponent: u8) -> Shown {
        let units = self.spent.saturating_mul(100 * DAY_MICROS) / self.span_micros();
        Shown::wide(units, exponent.saturating_add(2))
    }

    /// What is spent from now on until so many microseconds later, rounded down.
    fn until(&self, micros: i128) -> i128 {
        self.spent.max(0).saturating_mul(micros) / self.span_micros()
    }

    /// After how many microseconds so much has been spent, rounded up; `None` for never.
    fn reaches(&self, units: i128) -> Option<i128> {
        let spent = self.spent.max(0);
        let needed = units.max(0).saturating_mul(self.span_micros());
        (spent > 0).then(|| needed.div_euclid(spent) + i128::from(needed.rem_euclid(spent) > 0))
    }
}

/// How far ahead a forecast looks.
pub const HORIZON: TimeDelta = TimeDelta::days(366);

/// The moment from which on the balance no longer suffices, if that is within [`HORIZON`]; `due` in order of time.
pub fn empty_at(now: Timestamp, balance: Minor, burn: Burn, due: &[(Timestamp, Minor)]) -> Option<Timestamp> {
    let end = now.after(HORIZON);
    let after = |micros: i128| i64::try_from(micros).map_or(end, |micros| now.after(TimeDelta::microseconds(micros)));
    let mut left = i128::from(balance.get());
    if left <= 0 && (burn.spent > 0 || !due.is_empty()) {
        return Some(now);
    }
    for (at, amount) in due.iter().filter(|(at, _)| *at <= end) {
        if let Some(empty) = burn.reaches(left).map(after).filter(|empty| empty < at) {
            return Some(empty);
        }
        let micros = i128::from(at.micros().saturating_sub(now.micros()).max(0));
        let amount = i128::from(amount.get());
        if left - burn.until(micros) < amount {
            return Some((*at).max(now));
        }
        left -= amount;
    }
    burn.reaches(left).map(after).filter(|empty| *empty < end)
}

/// The days from one moment to another with one decimal, rounded down.
pub fn days_until(now: Timestamp, at: Timestamp) -> Decimal {
    let tenths = at.micros().saturating_sub(now.micros()).max(0) / (24 * 60 * 60 * 100_000);
    Decimal::new(tenths, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-01T00:00:00Z").unwrap()
    }

    fn day(days: i64) -> Timestamp {
        now().after(TimeDelta::days(days))
    }

    /// So much in ten days.
    fn burn(spent: i128) -> Burn {
        Burn {
            spent,
            span: TimeDelta::days(10),
        }
    }

    fn empty(balance: i64, spent: i128, due: &[(i64, i64)]) -> Option<i64> {
        let due: Vec<(Timestamp, Minor)> = due.iter().map(|(at, amount)| (day(*at), Minor::new(*amount))).collect();
        let at = empty_at(now(), Minor::new(balance), burn(spent), &due)?;
        Some((at.micros() - now().micros()) / 86_400_000_000)
    }

    #[test]
    fn a_balance_lasts_until_burn_or_a_known_charge_has_taken_it() {
        assert_eq!(empty(1000, 1000, &[]), Some(10));
        assert_eq!(empty(1000, 0, &[]), None);
        assert_eq!(empty(1000, -500, &[]), None);
        // 300 on day 3 leave enough for seven days altogether.
        assert_eq!(empty(1000, 1000, &[(3, 300)]), Some(7));
        // On day 3 there are 700 left, which is less than is due.
        assert_eq!(empty(1000, 1000, &[(3, 701)]), Some(3));
        assert_eq!(empty(1000, 1000, &[(3, 700)]), Some(3));
        assert_eq!(empty(1000, 0, &[(5, 600), (35, 600)]), Some(35));
        assert_eq!(empty(1000, 0, &[(5, 1000)]), None);
        assert_eq!(empty(0, 0, &[(5, 1)]), Some(0));
        assert_eq!(empty(0, 0, &[]), None);
        // Due since yesterday.
        assert_eq!(empty(5, 0, &[(-1, 6)]), Some(0));
        assert_eq!(empty(1000, 20, &[]), None, "beyond the horizon");
        assert_eq!(empty(i64::MAX, i128::from(i64::MAX), &[]), Some(10));
    }

    #[test]
    fn rates_keep_what_a_currency_cannot_show() {
        assert_eq!(burn(1).per_day(2).to_string(), "0.0010");
        assert_eq!(burn(10_000).per_day(2).to_string(), "10.0000");
        assert_eq!(burn(-3).per_day(0).to_string(), "-0.30");
        assert_eq!(days_until(now(), day(2)).to_string(), "2.0");
        assert_eq!(days_until(now(), now().after(TimeDelta::hours(23))).to_string(), "0.9");
    }
}
