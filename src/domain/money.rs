//! Money as whole minor units (cents, points), and its decimal form at the edges.

use std::fmt;

use rust_decimal::Decimal;

use super::currency::Currency;

/// A signed number of minor units of some currency: 1500 is 15.00 USD.
///
/// The arithmetic is checked: a result beyond `i64` is [`OutOfRange`], never a wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(i64);

/// A figure that does not fit into 64 bits of minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is beyond the range of a ledger figure")]
pub struct OutOfRange;

impl Minor {
    pub const ZERO: Self = Self(0);

    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Reads a figure as [`Shown`] writes it: `1500.00`, `-0.01`, `0`.
    pub fn parse(text: &str, currency: &Currency) -> Result<Self, AmountError> {
        match text.strip_prefix('-') {
            None => parse_digits(text, currency),
            Some(digits) => parse_digits(digits, currency).map(|minor| Self(-minor.0)),
        }
    }

    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_add(other.0).map(Self).ok_or(OutOfRange)
    }

    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_sub(other.0).map(Self).ok_or(OutOfRange)
    }

    pub fn negated(self) -> Result<Self, OutOfRange> {
        self.0.checked_neg().map(Self).ok_or(OutOfRange)
    }

    pub const fn magnitude(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A positive amount: what a person asks to charge, recharge or freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Minor);

impl Amount {
    /// `None` for zero and below.
    pub fn new(minor: Minor) -> Option<Self> {
        minor.is_positive().then_some(Self(minor))
    }

    pub const fn minor(self) -> Minor {
        self.0
    }

    /// The same amount as an outflow. Cannot overflow: every positive `i64` has a negative.
    pub const fn outflow(self) -> Minor {
        Minor(-self.0.0)
    }

    /// Reads `1500`, `1500.5` or `0.01`; see [`AmountError`] for what is refused.
    pub fn parse(text: &str, currency: &Currency) -> Result<Self, AmountError> {
        let minor = parse_digits(text, currency)?;
        Self::new(minor).ok_or(AmountError::Zero)
    }
}

/// A non-zero amount with a sign: what an adjustment moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAmount(Minor);

impl SignedAmount {
    pub fn new(minor: Minor) -> Option<Self> {
        (!minor.is_zero()).then_some(Self(minor))
    }

    pub const fn minor(self) -> Minor {
        self.0
    }

    /// Reads what [`Amount::parse`] reads, with an optional leading `+` or `-`.
    pub fn parse(text: &str, currency: &Currency) -> Result<Self, AmountError> {
        let (digits, negative) = match text.as_bytes().first() {
            Some(b'-') => (&text[1..], true),
            Some(b'+') => (&text[1..], false),
            _ => (text, false),
        };
        let minor = Amount::parse(digits, currency)?.minor();
        Ok(Self(if negative { Minor(-minor.0) } else { minor }))
    }
}

/// How much something may be in any currency, each with digits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling(Decimal);

impl Ceiling {
    /// Reads `1000`, `0.5` or `0`, with as many decimals as a currency may have.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        parse_decimal(text).map(Self)
    }

    /// Whether so many minor units are not more.
    pub fn allows(&self, units: u64, currency: &Currency) -> bool {
        Decimal::try_from_i128_with_scale(i128::from(units), u32::from(currency.exponent()))
            .is_ok_and(|amount| amount <= self.0)
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an amount. Each message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("an amount is plain decimal digits such as 1500 or 1500.50, without sign, exponent, comma or space")]
    Malformed,
    #[error("{currency} has {exponent} decimal places; the amount has more")]
    TooManyDecimals { currency: String, exponent: u8 },
    #[error("the amount must be greater than zero")]
    Zero,
    #[error("the amount is beyond the range of the ledger (about 9.2e18 minor units)")]
    OutOfRange,
}

/// Longest text worth reading: an `i64` has 19 digits, a currency at most 12 decimals.
const LONGEST_AMOUNT: usize = 40;

fn parse_digits(text: &str, currency: &Currency) -> Result<Minor, AmountError> {
    let decimals = decimals_of(text)?;
    if decimals > usize::from(currency.exponent()) {
        return Err(AmountError::TooManyDecimals {
            currency: currency.code().to_string(),
            exponent: currency.exponent(),
        });
    }
    minor_of(parse_decimal(text)?, currency.exponent()).ok_or(AmountError::OutOfRange)
}

/// How many digits stand behind the point of a plain decimal.
fn decimals_of(text: &str) -> Result<usize, AmountError> {
    let (whole, decimals) = text.split_once('.').map_or((text, None), |(w, d)| (w, Some(d)));
    let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits_only(whole) || decimals.is_some_and(|d| !digits_only(d)) {
        return Err(AmountError::Malformed);
    }
    Ok(decimals.map_or(0, str::len))
}

fn parse_decimal(text: &str) -> Result<Decimal, AmountError> {
    decimals_of(text)?;
    if text.len() > LONGEST_AMOUNT {
        return Err(AmountError::OutOfRange);
    }
    Decimal::from_str_exact(text).map_err(|_| AmountError::OutOfRange)
}

/// The minor units of an exact decimal, or `None` where they do not fit.
fn minor_of(decimal: Decimal, exponent: u8) -> Option<Minor> {
    let missing = u32::from(exponent).checked_sub(decimal.scale())?;
    let units = decimal.mantissa().checked_mul(10_i128.checked_pow(missing)?)?;
    i64::try_from(units).ok().map(Minor)
}

/// An amount with the digits of its currency: `1500.00`, `-0.01`, `13`.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    units: i128,
    exponent: u8,
}

impl Shown {
    pub const fn new(minor: Minor, exponent: u8) -> Self {
        Self {
            units: minor.0 as i128,
            exponent,
        }
    }

    /// A sum that may be beyond the range of a figure.
    pub const fn wide(units: i128, exponent: u8) -> Self {
        Self { units, exponent }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Decimal keeps the scale it was built with, so the currency's digits stay.
        match Decimal::try_from_i128_with_scale(self.units, u32::from(self.exponent)) {
            Ok(decimal) => decimal.fmt(f),
            Err(_) => write!(f, "{}e-{}", self.units, self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        Currency::iso("USD").unwrap()
    }

    #[test]
    fn reads_plain_decimal_digits() {
        for (text, minor) in [
            ("1500", 150_000),
            ("1500.5", 150_050),
            ("0.01", 1),
            ("007", 700),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(
                Amount::parse(text, &usd()).map(|a| a.minor().get()),
                Ok(minor),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_every_other_shape() {
        let wrong = [
            "", " ", "1 000", "1,000", "+5", "-5", "1e3", "1.", ".5", "1.2.3", "0x10", "NaN", "inf", "１２", "٣", "5 ",
            "1_000", "12,5",
        ];
        for text in wrong {
            assert_eq!(Amount::parse(text, &usd()), Err(AmountError::Malformed), "{text:?}");
        }
        assert!(matches!(
            Amount::parse("1.005", &usd()),
            Err(AmountError::TooManyDecimals { .. })
        ));
        assert_eq!(Amount::parse("0.00", &usd()), Err(AmountError::Zero));
        for text in ["92233720368547758.08", &"9".repeat(60)] {
            assert_eq!(Amount::parse(text, &usd()), Err(AmountError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn only_a_signed_amount_takes_a_sign() {
        assert_eq!(
            SignedAmount::parse("-200", &usd()).map(|a| a.minor().get()),
            Ok(-20_000)
        );
        assert_eq!(SignedAmount::parse("+0.5", &usd()).map(|a| a.minor().get()), Ok(50));
        assert_eq!(SignedAmount::parse("--1", &usd()), Err(AmountError::Malformed));
        assert_eq!(SignedAmount::parse("-0", &usd()), Err(AmountError::Zero));
    }

    #[test]
    fn a_figure_is_read_back_as_it_is_shown() {
        for units in [0, 1, -1, 150_000, -20_050, i64::MAX, -i64::MAX] {
            let minor = Minor::new(units);
            assert_eq!(Minor::parse(&usd().show(minor).to_string(), &usd()), Ok(minor));
        }
        for text in ["", "-", "--1", "+1", "1e3", "1.5-"] {
            assert_eq!(Minor::parse(text, &usd()), Err(AmountError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_ceiling_is_the_same_amount_in_every_currency() {
        let allows = |ceiling: &str, units, currency: &str| {
            let currency = Currency::iso(currency).unwrap();
            Ceiling::parse(ceiling).unwrap().allows(units, &currency)
        };
        for (ceiling, currency, most) in [
            ("14.99", "USD", 1_499),
            ("1.00", "VND", 1),
            ("1.5", "VND", 1),
            ("0.0015", "KWD", 1),
            ("0", "USD", 0),
            ("92233720368547758.07", "USD", 9_223_372_036_854_775_807),
        ] {
            assert!(allows(ceiling, most, currency), "{ceiling} {currency}");
            assert!(!allows(ceiling, most + 1, currency), "{ceiling} {currency}");
        }
        assert!(allows("99999999999999999999", u64::MAX, "VND"));
        for text in ["", ".", ".5", "5.", "-1", "1e3", "1.2.3"] {
            assert_eq!(Ceiling::parse(text), Err(AmountError::Malformed), "{text:?}");
        }
        assert_eq!(Ceiling::parse(&"9".repeat(60)), Err(AmountError::OutOfRange));
    }

    #[test]
    fn shows_the_currencys_digits() {
        assert_eq!(Shown::new(Minor(150_000), 2).to_string(), "1500.00");
        assert_eq!(Shown::new(Minor(-1), 2).to_string(), "-0.01");
        assert_eq!(Shown::new(Minor(13), 0).to_string(), "13");
        assert_eq!(Shown::new(Minor(i64::MIN), 12).to_string(), "-9223372.036854775808");
    }
}
