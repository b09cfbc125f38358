//! The fields of a payload, each read once by name: what a field may hold is said here, not which operation has it.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::domain::access::Access;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::Amount;
use crate::domain::operation::IfSpent;
use crate::domain::purchase::Paid;
use crate::domain::text::{Description, Json, Reference, Resource, Service, escape_unprintable};

/// Why a payload cannot be read back: it was damaged, or written by another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorded payload cannot be read back: {0}")]
pub struct Unreadable(pub(super) String);

/// The fields of a payload that were not read so far.
pub(super) struct Fields<'a> {
    pub(super) map: Map<String, Value>,
    pub(super) currency: &'a Currency,
}

pub(super) fn wrong(name: &str, error: impl std::fmt::Display) -> Unreadable {
    Unreadable(format!("{name}: {error}"))
}

impl Fields<'_> {
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "not a text")),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, Unreadable> {
        self.optional_text(name)?.ok_or_else(|| wrong(name, "missing"))
    }

    pub(super) fn optional_integer(&mut self, name: &str) -> Result<Option<i64>, Unreadable> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(name, "not a number")),
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<i64, Unreadable> {
        self.optional_integer(name)?.ok_or_else(|| wrong(name, "missing"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Unreadable> {
        match self.take(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "neither true nor false")),
        }
    }

    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Unreadable> {
        let text = self.optional_text(name)?;
        text.map(|text| parse(&text))
            .transpose()
            .map_err(|error| wrong(name, error))
    }

    /// As it was stored, whatever its size is now.
    pub(super) fn json(&mut self, name: &str) -> Option<Json> {
        let text = self.take(name)?.to_string();
        Some(Json::stored(escape_unprintable(&text).into_owned()))
    }

    pub(super) fn part(&mut self) -> Result<Option<Amount>, Unreadable> {
        let currency = self.currency;
        self.parsed("amount", |text| Amount::parse(text, currency))
    }

    pub(super) fn amount(&mut self) -> Result<Amount, Unreadable> {
        self.part()?.ok_or_else(|| wrong("amount", "missing"))
    }

    pub(super) fn span(&mut self, name: &str) -> Result<Option<TimeDelta>, Unreadable> {
        let span = self.optional_integer(name)?;
        span.map(|span| TimeDelta::try_milliseconds(span).ok_or_else(|| wrong(name, "beyond the range")))
            .transpose()
    }

    pub(super) fn service(&mut self) -> Result<Option<Service>, Unreadable> {
        self.parsed("service", Service::parse)
    }

    pub(super) fn if_spent(&mut self) -> Result<IfSpent, Unreadable> {
        match self.optional_text("if_spent")?.as_deref() {
            None => Ok(IfSpent::Refuse),
            Some("debt") => Ok(IfSpent::Debt),
            Some(other) => Err(wrong("if_spent", other)),
        }
    }

    /// The digits of the currency that was paid in are those that the amount was written with.
    pub(super) fn paid(&mut self) -> Result<Option<Paid>, Unreadable> {
        let Some(text) = self.optional_text("paid")? else {
            return Ok(None);
        };
        let code = CurrencyCode::parse(&self.text("paid_currency")?).map_err(|error| wrong("paid_currency", error))?;
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let currency = u8::try_from(decimals)
            .ok()
            .and_then(|exponent| Currency::new(code, exponent));
        let currency = currency.ok_or_else(|| wrong("paid", "too many decimal places"))?;
        let amount = Amount::parse(&text, &currency).map_err(|error| wrong("paid", error))?;
        Ok(Some(Paid { amount, currency }))
    }

    pub(super) fn access(&mut self) -> Result<Option<Access>, Unreadable> {
        let resource = self.parsed("grants", Resource::parse)?;
        let expires_in = self.span("access_expires_ms")?;
        match (resource, expires_in) {
            (None, Some(_)) => Err(wrong("access_expires_ms", "without grants")),
            (resource, expires_in) => Ok(resource.map(|resource| Access { resource, expires_in })),
        }
    }

    pub(super) fn note(&mut self) -> Result<Note, Unreadable> {
        Ok(Note {
            reference: self.parsed("reference", Reference::parse)?,
            description: self.parsed("description", Description::parse)?,
            metadata: self.json("metadata"),
        })
    }
}
