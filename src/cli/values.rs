//! How the text of one option is read; a wrong one is told with what to give instead.

use std::time::Duration;

use chrono::{Datelike, NaiveDate, TimeDelta};

use super::context::invalid;
use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::money::{Amount, AmountError, Minor};
use crate::domain::period::midnight;
use crate::domain::text::Json;
use crate::domain::time::Timestamp;
use crate::domain::worth::{self, PerCredit};
use crate::input;
use crate::ledger::LedgerError;

/// Reads what need not be given.
pub fn optional<T, E: ToString>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, LedgerError> {
    text.map(parse).transpose().map_err(invalid)
}

/// Reads one of a few names.
pub fn one_of<T: Copy>(
    text: Option<&str>,
    option: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, LedgerError> {
    let Some(text) = text else { return Ok(None) };
    let found = all.iter().copied().find(|value| name(*value) == text);
    let names = || all.iter().copied().map(name).collect::<Vec<_>>().join(", ");
    found
        .map(Some)
        .ok_or_else(|| invalid(format!("{option} is one of {}", names())))
}

pub fn amount_error(error: AmountError) -> LedgerError {
    LedgerError::invalid(Code::InvalidAmount, error)
}

pub fn amount(text: &str, currency: &Currency) -> Result<Amount, LedgerError> {
    Amount::parse(text, currency).map_err(amount_error)
}

/// An amount that may also be zero: a threshold.
pub fn threshold(text: &str, currency: &Currency) -> Result<Minor, LedgerError> {
    match Amount::parse(text, currency) {
        Ok(amount) => Ok(amount.minor()),
        Err(AmountError::Zero) => Ok(Minor::ZERO),
        Err(error) => Err(amount_error(error)),
    }
}

pub fn json(text: Option<&str>, what: &'static str) -> Result<Option<Json>, LedgerError> {
    optional(text, |text| Json::parse(text, what))
}

pub fn time(text: Option<&str>, what: &'static str) -> Result<Option<Timestamp>, LedgerError> {
    text.map(Timestamp::parse)
        .transpose()
        .map_err(|error| invalid(format!("{what}: {error}")))
}

/// Reads 2026-03-01.
pub fn date(text: Option<&str>, what: &str) -> Result<Option<NaiveDate>, LedgerError> {
    let parse = |text: &str| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        date.filter(|date| text.len() == 10 && (1970..=9999).contains(&date.year()))
    };
    text.map(|text| parse(text).ok_or_else(|| invalid(format!("{what} is a day such as 2026-03-01"))))
        .transpose()
}

/// Reads 2026-03-01, which is its midnight in UTC, or a time: where something begins or ends.
pub fn day_or_time(text: Option<&str>, what: &str) -> Result<Option<Timestamp>, LedgerError> {
    let parse = |text: &str| match date(Some(text), what) {
        Ok(day) => day.and_then(midnight),
        Err(_) => Timestamp::parse(text).ok(),
    };
    let wrong = || {
        invalid(format!(
            "{what} is a day such as 2026-03-01, or a time such as 2026-03-01T12:00:00Z"
        ))
    };
    text.map(|text| parse(text).ok_or_else(wrong)).transpose()
}

/// Reads 500ms, 30s, 20m, 48h or 7d.
pub fn span(text: &str, what: &'static str) -> Result<Duration, LedgerError> {
    input::span(text).ok_or_else(|| {
        invalid(format!(
            "{what} is a number with its unit, at most ten years: 500ms, 30s, 20m, 48h or 7d"
        ))
    })
}

/// A number of hours, such as 48 or 0.
pub fn pending_span(hours: &str) -> Result<TimeDelta, LedgerError> {
    worth::pending_span(hours).ok_or_else(|| invalid("--pending-hours is a whole number of hours, such as 48"))
}

/// What one credit costs; `what` is the option's name.
pub fn per_credit(text: &str, what: &str) -> Result<PerCredit, LedgerError> {
    PerCredit::parse(text).ok_or_else(|| invalid(format!("{what} is an amount above zero")))
}

/// A span of at least a moment, from now on.
pub fn expiry(text: Option<&str>) -> Result<Option<TimeDelta>, LedgerError> {
    lifetime(text, "--expires-in")
}

/// As [`expiry`], of the option with that name.
pub fn lifetime(text: Option<&str>, what: &'static str) -> Result<Option<TimeDelta>, LedgerError> {
    let Some(text) = text else { return Ok(None) };
    let span = span(text, what)?;
    if span.is_zero() {
        return Err(invalid(format!("{what} must be longer than nothing")));
    }
    TimeDelta::from_std(span).map(Some).map_err(invalid)
}
