//! The fields of a line, each read once by name: what a field may hold is said here, not which operation has it.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::domain::access::Access;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::{Amount, AmountError, SignedAmount};
use crate::domain::operation::IfSpent;
use crate::domain::purchase::Paid;
use crate::domain::text::{Description, Json, PaymentMethod, Reference, Resource, Service};
use crate::domain::worth::{PerCredit, Worth, pending_span};
use crate::input::span;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub code: Code,
    pub reason: String,
}

pub(super) fn wrong(reason: impl fmt::Display) -> Wrong {
    Wrong {
        code: Code::InvalidInput,
        reason: reason.to_string(),
    }
}

fn amount_error(error: AmountError) -> Wrong {
    Wrong {
        code: Code::InvalidAmount,
        reason: error.to_string(),
    }
}

/// The fields of a line, each once; what is taken is gone.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("the field {name} stands twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Fields {
    pub fn from_json(line: &[u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(line).map_err(|error| {
            // The line is the file's, which is told beside.
            let why = error.to_string().replace(" at line 1 column ", " at column ");
            wrong(format!("not a JSON object of fields: {why}"))
        })
    }

    /// Empty cells say nothing.
    pub fn from_csv(headers: &csv::StringRecord, row: &csv::StringRecord) -> Self {
        let cells = headers.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        Self(
            cells
                .map(|(name, cell)| (name.to_owned(), Value::String(cell.to_owned())))
                .collect(),
        )
    }

    /// Whether it stands in the line, even with nothing to say.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The name of one that nobody took.
    pub(super) fn left(&self) -> Option<&str> {
        self.0.first().map(|(name, _)| name.as_str())
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.swap_remove(at);
        (!value.is_null()).then_some(value)
    }

    /// A text, or a number with its digits as they stand.
    pub(in crate::input) fn text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(wrong(format!("{name} must be a text or a number"))),
        }
    }

    pub(in crate::input) fn required(&mut self, name: &str) -> Result<String, Wrong> {
        self.text(name)?.ok_or_else(|| wrong(format!("{name} is missing")))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Wrong> {
        match self.take(name) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(_) => Err(wrong(format!("{name} must be true or false"))),
        }
    }

    pub(super) fn json(&mut self, name: &'static str) -> Result<Option<Json>, Wrong> {
        let Some(value) = self.take(name) else { return Ok(None) };
        // In CSV, JSON stands as text.
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Json::parse(&text, name).map(Some).map_err(wrong)
    }

    pub(super) fn amount(&mut self, currency: &Currency) -> Result<Amount, Wrong> {
        Amount::parse(&self.required("amount")?, currency).map_err(amount_error)
    }

    pub(super) fn signed_amount(&mut self, currency: &Currency) -> Result<SignedAmount, Wrong> {
        SignedAmount::parse(&self.required("amount")?, currency).map_err(amount_error)
    }

    /// What was paid, and the credits themselves.
    pub(super) fn worth(&mut self, unit: &Currency, paid_in: &Currency) -> Result<Worth, Wrong> {
        let mut amount = |name, currency| {
            let text = self.text(name)?;
            let amount = text.map(|text| Amount::parse(&text, currency)).transpose();
            amount.map_err(amount_error)
        };
        Ok(Worth {
            paid: amount("amount", paid_in)?.map(|amount| Paid {
                amount,
                currency: paid_in.clone(),
            }),
            credits: amount("credits", unit)?,
        })
    }

    pub(super) fn per_credit(&mut self, otherwise: PerCredit) -> Result<PerCredit, Wrong> {
        match self.text("per_credit")? {
            Some(text) => PerCredit::parse(&text).ok_or_else(|| wrong("per_credit is an amount above zero")),
            None => Ok(otherwise),
        }
    }

    pub(super) fn pending_for(&mut self, otherwise: TimeDelta) -> Result<TimeDelta, Wrong> {
        match self.text("pending_hours")? {
            Some(text) => {
                pending_span(&text).ok_or_else(|| wrong("pending_hours is a whole number of hours, such as 48"))
            }
            None => Ok(otherwise),
        }
    }

    pub(super) fn currency(&mut self, name: &str) -> Result<Option<CurrencyCode>, Wrong> {
        let text = self.text(name)?;
        text.map(|code| CurrencyCode::parse(&code)).transpose().map_err(wrong)
    }

    pub(super) fn part(&mut self, currency: &Currency) -> Result<Option<Amount>, Wrong> {
        let text = self.text("amount")?;
        let amount = text.map(|text| Amount::parse(&text, currency)).transpose();
        amount.map_err(amount_error)
    }

    pub(super) fn id<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<T, Wrong> {
        self.required(name)?.parse().map_err(wrong)
    }

    pub(super) fn entry(&mut self) -> Result<i64, Wrong> {
        let number = self.required("entry")?.parse().ok().filter(|number: &i64| *number > 0);
        number.ok_or_else(|| wrong("entry is a number from 1"))
    }

    pub(super) fn service(&mut self) -> Result<Option<Service>, Wrong> {
        let text = self.text("service")?;
        text.map(|text| Service::parse(&text)).transpose().map_err(wrong)
    }

    pub(super) fn method(&mut self) -> Result<PaymentMethod, Wrong> {
        PaymentMethod::parse(&self.required("method")?).map_err(|error| Wrong {
            code: Code::InvalidMethod,
            reason: error.to_string(),
        })
    }

    pub(super) fn access(&mut self) -> Result<Option<Access>, Wrong> {
        let (resource, expires_in) = (self.text("grants")?, self.lifetime("access_expires")?);
        if resource.is_none() && expires_in.is_some() {
            return Err(wrong("access_expires needs grants"));
        }
        let resource = resource.map(|text| Resource::parse(&text)).transpose().map_err(wrong)?;
        Ok(resource.map(|resource| Access { resource, expires_in }))
    }

    pub(super) fn expires_in(&mut self) -> Result<Option<TimeDelta>, Wrong> {
        self.lifetime("expires_in")
    }

    fn lifetime(&mut self, name: &str) -> Result<Option<TimeDelta>, Wrong> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let span = span(&text).filter(|span| !span.is_zero());
        let span = span.and_then(|span| TimeDelta::from_std(span).ok());
        span.map(Some).ok_or_else(|| {
            wrong(format!(
                "{name} is a number with its unit, at most ten years: 30s, 20m, 48h or 7d"
            ))
        })
    }

    pub(super) fn if_spent(&mut self) -> Result<IfSpent, Wrong> {
        match self.text("if_spent")?.as_deref() {
            None | Some("refuse") => Ok(IfSpent::Refuse),
            Some("debt") => Ok(IfSpent::Debt),
            Some(_) => Err(wrong("if_spent is refuse or debt")),
        }
    }

    pub(super) fn note(&mut self) -> Result<Note, Wrong> {
        let reference = self.text("reference")?;
        let description = match (self.text("description")?, self.text("reason")?) {
            (Some(_), Some(_)) => return Err(wrong("description and reason are the same: give one")),
            (one, other) => one.or(other),
        };
        Ok(Note {
            reference: reference
                .map(|text| Reference::parse(&text))
                .transpose()
                .map_err(wrong)?,
            description: description
                .map(|text| Description::parse(&text))
                .transpose()
                .map_err(wrong)?,
            metadata: self.json("metadata")?,
        })
    }
}
