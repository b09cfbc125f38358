//! Currencies and units: ISO 4217, and those a deployment adds (POINTS, FCFA).

use std::fmt;
use std::sync::Arc;

use super::money::{Minor, Shown};

/// Most decimal places a unit may have; enough for every coin, and small enough for `i64`.
pub const MAX_EXPONENT: u8 = 12;

/// A code of 2 to 12 characters: an upper-case letter, then letters, digits or `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode(Arc<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a currency code is 2 to 12 upper-case letters, digits or underscores, beginning with a letter, such as USD or POINTS"
)]
pub struct InvalidCurrencyCode;

impl CurrencyCode {
    pub fn parse(text: &str) -> Result<Self, InvalidCurrencyCode> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if first && rest && (2..=12).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidCurrencyCode)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code and how many decimal places its amounts have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    code: CurrencyCode,
    exponent: u8,
}

impl Currency {
    /// `None` when the exponent is beyond [`MAX_EXPONENT`].
    pub fn new(code: CurrencyCode, exponent: u8) -> Option<Self> {
        (exponent <= MAX_EXPONENT).then_some(Self { code, exponent })
    }

    /// The currency of that ISO 4217 code. Codes without minor units by ISO (gold, test codes) are not known.
    pub fn iso(code: &str) -> Option<Self> {
        let exponent = iso_currency::Currency::from_code(code)?.exponent()?;
        Self::new(CurrencyCode::parse(code).ok()?, u8::try_from(exponent).ok()?)
    }

    pub fn code(&self) -> &CurrencyCode {
        &self.code
    }

    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// The amount with this currency's digits.
    pub const fn show(&self, minor: Minor) -> Shown {
        Shown::new(minor, self.exponent)
    }

    /// The same with its code: `12.50 USD`.
    pub fn show_with_code(&self, minor: Minor) -> String {
        format!("{} {}", self.show(minor), self.code)
    }

    /// A sum of minor units, which may be beyond the range of a figure.
    pub const fn show_sum(&self, units: i128) -> Shown {
        Shown::wide(units, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_currencies_have_their_digits() {
        for (code, exponent) in [("USD", 2), ("VND", 0), ("KWD", 3), ("JPY", 0), ("XAF", 0)] {
            assert_eq!(Currency::iso(code).map(|c| c.exponent()), Some(exponent), "{code}");
        }
        assert_eq!(Currency::iso("POINTS"), None);
        assert_eq!(Currency::iso("usd"), None);
    }

    #[test]
    fn codes_are_short_upper_case_words() {
        for bad in ["", "U", "usd", "1USD", "US D", "TOOLONGACODE1", "US-D", "ÜSD"] {
            assert_eq!(CurrencyCode::parse(bad), Err(InvalidCurrencyCode), "{bad:?}");
        }
        assert!(CurrencyCode::parse("FCFA").is_ok());
    }
}
