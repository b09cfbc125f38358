//! Texts of an export, read into what they stand for.

use serde::de::{Deserialize, Deserializer, Error};

use crate::domain::account::Account;
use crate::domain::chain::ChainHash;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::{Amount, Minor};
use crate::domain::text::{
    Actor, Description, IdempotencyKey, Json, PaymentMethod, Reference, Resource, Service, UserId, is_unprintable,
};
use crate::domain::time::Timestamp;

use super::Wrong;

/// A text that stands for a `T`.
#[derive(Debug)]
pub struct Told<T>(pub T);

/// What can be read from a text of an export.
pub trait FromTold: Sized {
    fn from_told(text: &str) -> Result<Self, Wrong>;
}

impl<'de, T: FromTold> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_told(&text).map(Told).map_err(D::Error::custom)
    }
}

macro_rules! parsed {
    ($($type:ty),*) => {$(
        impl FromTold for $type {
            fn from_told(text: &str) -> Result<Self, Wrong> {
                Self::parse(text).map_err(|error| error.to_string())
            }
        }
    )*};
}

parsed!(
    Actor,
    CurrencyCode,
    Description,
    IdempotencyKey,
    PaymentMethod,
    Reference,
    Resource,
    Service,
    Timestamp,
    UserId
);

impl FromTold for ChainHash {
    fn from_told(text: &str) -> Result<Self, Wrong> {
        Self::parse(text).ok_or_else(|| "a hash is 64 hexadecimal digits".into())
    }
}

impl FromTold for chrono::NaiveDate {
    fn from_told(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| "a day is a date such as 2026-03-01".into())
    }
}

impl FromTold for Json {
    /// The very text, which is hashed; not how this version would write the same value.
    fn from_told(text: &str) -> Result<Self, Wrong> {
        if text.chars().any(is_unprintable) {
            return Err("a JSON text must not contain control or invisible formatting characters".into());
        }
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| "a text is not the JSON that it should be")?;
        Ok(Self::stored(text.to_owned()))
    }
}

/// What stands in the place of a text, if anything does.
pub fn value<T>(told: Option<Told<T>>) -> Option<T> {
    told.map(|Told(value)| value)
}

pub fn note(
    reference: Option<Told<Reference>>,
    description: Option<Told<Description>>,
    metadata: Option<Told<Json>>,
) -> Note {
    Note {
        reference: value(reference),
        description: value(description),
        metadata: value(metadata),
    }
}

pub fn currency(code: CurrencyCode, exponent: u8) -> Result<Currency, Wrong> {
    Currency::new(code, exponent).ok_or_else(|| "a currency has an impossible exponent".into())
}

/// A figure of that account.
pub fn minor(account: &Account, text: &str) -> Result<Minor, Wrong> {
    Minor::parse(text, &account.currency).map_err(|error| error.to_string())
}

/// An amount above zero of that account.
pub fn amount(account: &Account, text: &str) -> Result<Amount, Wrong> {
    Amount::parse(text, &account.currency).map_err(|error| error.to_string())
}

/// One of the names that `parse` knows.
pub fn named<T>(name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Wrong> {
    parse(name).ok_or_else(|| format!("this version does not know what `{name}` is"))
}
