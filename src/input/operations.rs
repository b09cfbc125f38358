//! Lines of `ledger apply`: a command's name and its options, as an NDJSON object or a CSV row.
//!
//! The same words as on the command line, read with the same types. What takes a look into the ledger, such as a record's
//! owner, is left open for `cli/apply/requests.rs`.

use std::fmt;

use chrono::TimeDelta;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::domain::access::Access;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::hold::HoldId;
use crate::domain::money::{Amount, AmountError, SignedAmount};
use crate::domain::operation::{IfSpent, Operation, OperationKind, Settle};
use crate::domain::purchase::{GiftId, Paid, PurchaseId};
use crate::domain::recharge::{RechargeGoal, RechargeId};
use crate::domain::text::{Description, IdempotencyKey, Json, PaymentMethod, Reference, Resource, Service, UserId};
use crate::domain::worth::{PerCredit, Terms, Worth, pending_span};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub code: Code,
    pub reason: String,
}

fn wrong(reason: impl fmt::Display) -> Wrong {
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

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.swap_remove(at);
        (!value.is_null()).then_some(value)
    }

    /// A text, or a number with its digits as they stand.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(wrong(format!("{name} must be a text or a number"))),
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, Wrong> {
        self.text(name)?.ok_or_else(|| wrong(format!("{name} is missing")))
    }

    fn flag(&mut self, name: &str) -> Result<bool, Wrong> {
        match self.take(name) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(_) => Err(wrong(format!("{name} must be true or false"))),
        }
    }

    fn json(&mut self, name: &'static str) -> Result<Option<Json>, Wrong> {
        let Some(value) = self.take(name) else { return Ok(None) };
        // In CSV, JSON stands as text.
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Json::parse(&text, name).map(Some).map_err(wrong)
    }

    fn amount(&mut self, currency: &Currency) -> Result<Amount, Wrong> {
        Amount::parse(&self.required("amount")?, currency).map_err(amount_error)
    }

    /// What was paid, and the credits themselves.
    fn worth(&mut self, unit: &Currency, paid_in: &Currency) -> Result<Worth, Wrong> {
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

    fn per_credit(&mut self, otherwise: PerCredit) -> Result<PerCredit, Wrong> {
        match self.text("per_credit")? {
            Some(text) => PerCredit::parse(&text).ok_or_else(|| wrong("per_credit is an amount above zero")),
            None => Ok(otherwise),
        }
    }

    fn pending_for(&mut self, otherwise: TimeDelta) -> Result<TimeDelta, Wrong> {
        match self.text("pending_hours")? {
            Some(text) => {
                pending_span(&text).ok_or_else(|| wrong("pending_hours is a whole number of hours, such as 48"))
            }
            None => Ok(otherwise),
        }
    }

    fn currency(&mut self, name: &str) -> Result<Option<CurrencyCode>, Wrong> {
        let text = self.text(name)?;
        text.map(|code| CurrencyCode::parse(&code)).transpose().map_err(wrong)
    }

    fn part(&mut self, currency: &Currency) -> Result<Option<Amount>, Wrong> {
        let text = self.text("amount")?;
        let amount = text.map(|text| Amount::parse(&text, currency)).transpose();
        amount.map_err(amount_error)
    }

    fn id<T: std::str::FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<T, Wrong> {
        self.required(name)?.parse().map_err(wrong)
    }

    fn entry(&mut self) -> Result<i64, Wrong> {
        let number = self.required("entry")?.parse().ok().filter(|number: &i64| *number > 0);
        number.ok_or_else(|| wrong("entry is a number from 1"))
    }

    fn service(&mut self) -> Result<Option<Service>, Wrong> {
        let text = self.text("service")?;
        text.map(|text| Service::parse(&text)).transpose().map_err(wrong)
    }

    fn access(&mut self) -> Result<Option<Access>, Wrong> {
        let (resource, expires_in) = (self.text("grants")?, self.lifetime("access_expires")?);
        if resource.is_none() && expires_in.is_some() {
            return Err(wrong("access_expires needs grants"));
        }
        let resource = resource.map(|text| Resource::parse(&text)).transpose().map_err(wrong)?;
        Ok(resource.map(|resource| Access { resource, expires_in }))
    }

    fn expires_in(&mut self) -> Result<Option<TimeDelta>, Wrong> {
        self.lifetime("expires_in")
    }

    fn lifetime(&mut self, name: &str) -> Result<Option<TimeDelta>, Wrong> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let span = super::span(&text).filter(|span| !span.is_zero());
        let span = span.and_then(|span| TimeDelta::from_std(span).ok());
        span.map(Some).ok_or_else(|| {
            wrong(format!(
                "{name} is a number with its unit, at most ten years: 30s, 20m, 48h or 7d"
            ))
        })
    }

    fn if_spent(&mut self) -> Result<IfSpent, Wrong> {
        match self.text("if_spent")?.as_deref() {
            None | Some("refuse") => Ok(IfSpent::Refuse),
            Some("debt") => Ok(IfSpent::Debt),
            Some(_) => Err(wrong("if_spent is refuse or debt")),
        }
    }

    fn note(&mut self) -> Result<Note, Wrong> {
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

/// Whose account an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    User(UserId, Option<CurrencyCode>),
    /// The account of a record's id.
    Account(crate::domain::account::AccountId),
}

/// A line whose account and currency are not known yet.
#[derive(Clone, Debug)]
pub struct Line {
    op: OperationKind,
    owner: Owner,
    note: Note,
    key: Option<IdempotencyKey>,
    record: i64,
    paid_in: Option<CurrencyCode>,
    fields: Fields,
}

/// A line read.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: Operation,
    pub note: Note,
    pub key: Option<IdempotencyKey>,
}

impl Line {
    pub fn read(mut fields: Fields) -> Result<Self, Wrong> {
        let op = op(&fields.required("op")?)?;
        let key = fields.text("idempotency_key")?;
        let key = key
            .map(|text| IdempotencyKey::parse(&text))
            .transpose()
            .map_err(wrong)?;
        let note = fields.note()?;
        let (owner, record) = owner(op, &mut fields)?;
        let paid_in = if earns(op) { fields.currency("paid_in")? } else { None };
        Ok(Self {
            op,
            owner,
            note,
            key,
            record,
            paid_in,
            fields,
        })
    }

    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The currency that was paid in, where it need not be the account's.
    pub fn paid_in<'a>(&'a self, terms: &'a Terms) -> Option<&'a CurrencyCode> {
        let said = self.paid_in.as_ref();
        said.or_else(|| terms.paid_in.as_ref().filter(|_| earns(self.op)))
    }

    /// What is asked, amounts read in the account's currency, and in the one paid in if it is another; nothing may be
    /// left over.
    pub fn asked(self, currency: &Currency, paid_in: Option<&Currency>, terms: &Terms) -> Result<Asked, Wrong> {
        let Self {
            op,
            note,
            key,
            record,
            mut fields,
            ..
        } = self;
        let operation = if earns(op) {
            let worth = fields.worth(currency, paid_in.unwrap_or(currency))?;
            earned(op, &mut fields, worth, currency, terms)?
        } else {
            operation(op, record, &mut fields, &note, currency)?
        };
        if let Some((name, _)) = fields.0.first() {
            return Err(wrong(format!("{} has no field {name}", op.name())));
        }
        Ok(Asked { operation, note, key })
    }
}

fn op(name: &str) -> Result<OperationKind, Wrong> {
    OperationKind::parse(name)
        .filter(|kind| kind.is_asked())
        .ok_or_else(unknown)
}

fn unknown() -> Wrong {
    let asked = OperationKind::ALL.into_iter().filter(|kind| kind.is_asked());
    let names: Vec<&str> = asked.map(OperationKind::name).collect();
    wrong(format!("op is one of {}", names.join(", ")))
}

/// The owner, and the number of the record that the operation is about.
fn owner(op: OperationKind, fields: &mut Fields) -> Result<(Owner, i64), Wrong> {
    let by_record = match op {
        OperationKind::Commit => Some(fields.id::<HoldId>("hold").map(|id| (id.account, id.number))?),
        OperationKind::Refund if fields.0.iter().any(|(name, _)| name == "hold") => {
            Some(fields.id::<HoldId>("hold").map(|id| (id.account, id.number))?)
        }
        OperationKind::RechargeComplete
        | OperationKind::RechargeProcess
        | OperationKind::RechargeFail
        | OperationKind::RechargeCancel => Some(fields.id::<RechargeId>("id").map(|id| (id.account, id.number))?),
        OperationKind::DeactivatePurchase => Some(fields.id::<PurchaseId>("id").map(|id| (id.account, id.number))?),
        OperationKind::GiftDeactivate => Some(fields.id::<GiftId>("id").map(|id| (id.account, id.number))?),
        _ => None,
    };
    if let Some((account, number)) = by_record {
        return Ok((Owner::Account(account), number));
    }
    let user_id = UserId::parse(&fields.required("user_id")?).map_err(wrong)?;
    Ok((Owner::User(user_id, fields.currency("currency")?), 0))
}

fn operation(
    op: OperationKind,
    record: i64,
    fields: &mut Fields,
    note: &Note,
    currency: &Currency,
) -> Result<Operation, Wrong> {
    let needs_reason = matches!(
        op,
        OperationKind::Adjust
            | OperationKind::Penalty
            | OperationKind::GiftDeactivate
            | OperationKind::DeactivatePurchase
    );
    if needs_reason && note.description.is_none() {
        return Err(wrong("say why with reason"));
    }
    Ok(match op {
        OperationKind::Charge => Operation::Charge {
            amount: fields.amount(currency)?,
            service: fields.service()?.ok_or_else(|| wrong("service is missing"))?,
            suspend: fields.flag("suspend")?,
            grants: fields.access()?,
        },
        OperationKind::Recharge => recharge(fields, currency)?,
        OperationKind::RechargeComplete => step(fields, record, RechargeGoal::Completed)?,
        OperationKind::RechargeProcess => step(fields, record, RechargeGoal::Processing)?,
        OperationKind::RechargeFail => step(fields, record, RechargeGoal::Failed)?,
        OperationKind::RechargeCancel => step(fields, record, RechargeGoal::Cancelled)?,
        OperationKind::Freeze => Operation::Freeze {
            amount: fields.amount(currency)?,
            service: fields.service()?,
            expires_in: fields.expires_in()?,
        },
        OperationKind::Commit => commit(fields, record, currency)?,
        OperationKind::Refund if record > 0 => Operation::Release {
            hold: record,
            amount: fields.part(currency)?,
        },
        OperationKind::Refund => Operation::Refund {
            entry: fields.entry()?,
            amount: fields.part(currency)?,
        },
        OperationKind::Reverse => Operation::Reverse {
            entry: fields.entry()?,
            amount: fields.part(currency)?,
            if_spent: fields.if_spent()?,
        },
        OperationKind::Adjust => Operation::Adjust {
            amount: SignedAmount::parse(&fields.required("amount")?, currency).map_err(amount_error)?,
        },
        OperationKind::Penalty => Operation::Penalty {
            amount: fields.amount(currency)?,
        },
        OperationKind::GiftDeactivate => Operation::DeactivateGift {
            gift: record,
            if_spent: fields.if_spent()?,
        },
        OperationKind::DeactivatePurchase => Operation::DeactivatePurchase {
            purchase: record,
            if_spent: fields.if_spent()?,
        },
        OperationKind::RechargeExpire
        | OperationKind::ExpireHold
        | OperationKind::CreditTransfer
        | OperationKind::PurchaseRecord
        | OperationKind::GiftGrant => return Err(unknown()),
    })
}

/// Whether it brings credits, for something paid or for nothing.
fn earns(op: OperationKind) -> bool {
    matches!(op, OperationKind::PurchaseRecord | OperationKind::GiftGrant)
}

fn earned(
    op: OperationKind,
    fields: &mut Fields,
    worth: Worth,
    unit: &Currency,
    terms: &Terms,
) -> Result<Operation, Wrong> {
    let operation = if op == OperationKind::GiftGrant {
        worth.gift(fields.per_credit(terms.gift_per_credit)?, unit)
    } else {
        let per_credit = fields.per_credit(terms.purchase_per_credit)?;
        worth.purchase(per_credit, fields.pending_for(terms.pending_for)?, unit)
    };
    operation.map_err(|why| Wrong {
        code: why.code(),
        reason: why.to_string(),
    })
}

fn method(fields: &mut Fields) -> Result<PaymentMethod, Wrong> {
    PaymentMethod::parse(&fields.required("method")?).map_err(|error| Wrong {
        code: Code::InvalidMethod,
        reason: error.to_string(),
    })
}

fn recharge(fields: &mut Fields, currency: &Currency) -> Result<Operation, Wrong> {
    let pending = fields.flag("pending")?;
    let expires_in = fields.expires_in()?;
    let settle = match (pending, expires_in) {
        (true, expires_in) => Settle::Later { expires_in },
        (false, None) => Settle::Now,
        (false, Some(_)) => return Err(wrong("expires_in needs pending")),
    };
    Ok(Operation::Recharge {
        amount: fields.amount(currency)?,
        method: method(fields)?,
        settle,
        gateway_response: fields.json("gateway_response")?,
    })
}

fn commit(fields: &mut Fields, hold: i64, currency: &Currency) -> Result<Operation, Wrong> {
    let (amount, keep_open) = (fields.part(currency)?, fields.flag("keep_open")?);
    if keep_open && amount.is_none() {
        return Err(wrong("keep_open needs amount"));
    }
    Ok(Operation::Commit {
        hold,
        amount,
        keep_open,
    })
}

fn step(fields: &mut Fields, number: i64, to: RechargeGoal) -> Result<Operation, Wrong> {
    Ok(Operation::MoveRecharge {
        number,
        to,
        gateway_response: fields.json("gateway_response")?,
        claim: None,
    })
}
