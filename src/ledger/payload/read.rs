//! A payload read back: the operation and the note that it was made of.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::domain::access::Access;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::{Amount, AmountError, Minor, SignedAmount};
use crate::domain::operation::{Claim, IfSpent, NewPurchase, Operation, Settle};
use crate::domain::purchase::Paid;
use crate::domain::recharge::RechargeStatus;
use crate::domain::text::{Description, Json, PaymentMethod, Reference, Resource, Service, escape_unprintable};

/// Why a payload cannot be read back: it was damaged, or written by another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorded payload cannot be read back: {0}")]
pub struct Unreadable(String);

/// What was asked; the other way round of [`super::payload`].
pub fn read(payload: &Payload, currency: &Currency) -> Result<(Operation, Note), Unreadable> {
    let map: Map<String, Value> =
        serde_json::from_str(payload.as_str()).map_err(|error| Unreadable(error.to_string()))?;
    let mut fields = Fields { map, currency };
    let op: String = fields.text("op")?;
    let operation = fields.operation(&op)?;
    let note = fields.note()?;
    // What is not understood would be left out of what is done.
    if let Some(name) = fields.map.keys().next() {
        return Err(Unreadable(format!("{op} has no field {name}")));
    }
    if super::payload(&operation, &note, currency) != *payload {
        return Err(Unreadable("it is not what would be recorded today".into()));
    }
    Ok((operation, note))
}

/// The fields not read so far.
struct Fields<'a> {
    map: Map<String, Value>,
    currency: &'a Currency,
}

fn wrong(name: &str, error: impl std::fmt::Display) -> Unreadable {
    Unreadable(format!("{name}: {error}"))
}

impl Fields<'_> {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name)
    }

    fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "not a text")),
        }
    }

    fn text(&mut self, name: &str) -> Result<String, Unreadable> {
        self.optional_text(name)?.ok_or_else(|| wrong(name, "missing"))
    }

    fn optional_integer(&mut self, name: &str) -> Result<Option<i64>, Unreadable> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(name, "not a number")),
        }
    }

    fn integer(&mut self, name: &str) -> Result<i64, Unreadable> {
        self.optional_integer(name)?.ok_or_else(|| wrong(name, "missing"))
    }

    fn flag(&mut self, name: &str) -> Result<bool, Unreadable> {
        match self.take(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "neither true nor false")),
        }
    }

    fn parsed<T, E: std::fmt::Display>(
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
    fn json(&mut self, name: &str) -> Option<Json> {
        let text = self.take(name)?.to_string();
        Some(Json::stored(escape_unprintable(&text).into_owned()))
    }

    fn part(&mut self) -> Result<Option<Amount>, Unreadable> {
        let currency = self.currency;
        self.parsed("amount", |text| Amount::parse(text, currency))
    }

    fn amount(&mut self) -> Result<Amount, Unreadable> {
        self.part()?.ok_or_else(|| wrong("amount", "missing"))
    }

    fn span(&mut self, name: &str) -> Result<Option<TimeDelta>, Unreadable> {
        let span = self.optional_integer(name)?;
        span.map(|span| TimeDelta::try_milliseconds(span).ok_or_else(|| wrong(name, "beyond the range")))
            .transpose()
    }

    fn service(&mut self) -> Result<Option<Service>, Unreadable> {
        self.parsed("service", Service::parse)
    }

    fn if_spent(&mut self) -> Result<IfSpent, Unreadable> {
        match self.optional_text("if_spent")?.as_deref() {
            None => Ok(IfSpent::Refuse),
            Some("debt") => Ok(IfSpent::Debt),
            Some(other) => Err(wrong("if_spent", other)),
        }
    }

    /// The digits of the currency that was paid in are those that the amount was written with.
    fn paid(&mut self) -> Result<Option<Paid>, Unreadable> {
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

    fn access(&mut self) -> Result<Option<Access>, Unreadable> {
        let resource = self.parsed("grants", Resource::parse)?;
        let expires_in = self.span("access_expires_ms")?;
        match (resource, expires_in) {
            (None, Some(_)) => Err(wrong("access_expires_ms", "without grants")),
            (resource, expires_in) => Ok(resource.map(|resource| Access { resource, expires_in })),
        }
    }

    fn note(&mut self) -> Result<Note, Unreadable> {
        Ok(Note {
            reference: self.parsed("reference", Reference::parse)?,
            description: self.parsed("description", Description::parse)?,
            metadata: self.json("metadata"),
        })
    }

    fn operation(&mut self, op: &str) -> Result<Operation, Unreadable> {
        let currency = self.currency;
        Ok(match op {
            "charge" => Operation::Charge {
                amount: self.amount()?,
                service: self.service()?.ok_or_else(|| wrong("service", "missing"))?,
                suspend: self.flag("suspend")?,
                grants: self.access()?,
            },
            "adjust" => Operation::Adjust {
                amount: self
                    .parsed("amount", |text| SignedAmount::parse(text, currency))?
                    .ok_or_else(|| wrong("amount", "missing"))?,
            },
            "penalty" => Operation::Penalty { amount: self.amount()? },
            "recharge" if self.has("recharge") => self.step(RechargeStatus::Pending)?,
            "recharge" => self.recharge()?,
            "recharge-process" => self.step(RechargeStatus::Processing)?,
            "recharge-complete" => self.step(RechargeStatus::Completed)?,
            "recharge-fail" => self.step(RechargeStatus::Failed)?,
            "recharge-cancel" => self.step(RechargeStatus::Cancelled)?,
            "recharge-expire" => self.step(RechargeStatus::Expired)?,
            "freeze" => Operation::Freeze {
                amount: self.amount()?,
                service: self.service()?,
                expires_in: self.span("expires_in_ms")?,
            },
            "commit" => Operation::Commit {
                hold: self.integer("hold")?,
                amount: self.part()?,
                keep_open: self.flag("keep_open")?,
            },
            "refund" if self.has("hold") => Operation::Release {
                hold: self.integer("hold")?,
                amount: self.part()?,
            },
            "refund" => Operation::Refund {
                entry: self.integer("entry")?,
                amount: self.part()?,
            },
            "expire-hold" => Operation::ExpireHold {
                hold: self.integer("hold")?,
            },
            "reverse" => Operation::Reverse {
                entry: self.integer("entry")?,
                amount: self.part()?,
                if_spent: self.if_spent()?,
            },
            "purchase-record" => Operation::RecordPurchase(self.purchase()?),
            "credit-transfer" => Operation::TransferCredit {
                purchase: self.integer("purchase")?,
            },
            "deactivate-purchase" => Operation::DeactivatePurchase {
                purchase: self.integer("purchase")?,
                if_spent: self.if_spent()?,
            },
            "gift-grant" => Operation::GrantGift {
                credits: self.amount()?,
                paid: self.paid()?,
            },
            "gift-deactivate" => Operation::DeactivateGift {
                gift: self.integer("gift")?,
                if_spent: self.if_spent()?,
            },
            other => return Err(wrong("op", other)),
        })
    }

    fn recharge(&mut self) -> Result<Operation, Unreadable> {
        let settle = if self.flag("pending")? {
            let expires_in = self.span("expires_in_ms")?;
            Settle::Later { expires_in }
        } else {
            Settle::Now
        };
        Ok(Operation::Recharge {
            amount: self.amount()?,
            method: self
                .parsed("method", PaymentMethod::parse)?
                .ok_or_else(|| wrong("method", "missing"))?,
            settle,
            gateway_response: self.json("gateway_response"),
        })
    }

    fn step(&mut self, to: RechargeStatus) -> Result<Operation, Unreadable> {
        let method = self.parsed("method", PaymentMethod::parse)?;
        let claim = match (self.part()?, method) {
            (Some(amount), Some(method)) => Some(Claim { amount, method }),
            (None, None) => None,
            _ => return Err(wrong("method", "half a claim")),
        };
        Ok(Operation::MoveRecharge {
            number: self.integer("recharge")?,
            to,
            gateway_response: self.json("gateway_response"),
            claim,
        })
    }

    fn purchase(&mut self) -> Result<NewPurchase, Unreadable> {
        let currency = self.currency;
        // Too small a purchase earns nothing.
        let credits = self.parsed("credits", |text| match Amount::parse(text, currency) {
            Ok(amount) => Ok(amount.minor()),
            Err(AmountError::Zero) => Ok(Minor::ZERO),
            Err(error) => Err(error),
        })?;
        Ok(NewPurchase {
            paid: self.paid()?.ok_or_else(|| wrong("paid", "missing"))?,
            credits: credits.ok_or_else(|| wrong("credits", "missing"))?,
            pending_for: self
                .span("pending_for_ms")?
                .ok_or_else(|| wrong("pending_for_ms", "missing"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::super::{NAMES, operation_name, payload};
    use super::*;

    /// How many kinds of operations there are; a new one does not compile until it is numbered here.
    const KINDS: usize = 16;

    fn kind(operation: &Operation) -> usize {
        match operation {
            Operation::Charge { .. } => 0,
            Operation::Adjust { .. } => 1,
            Operation::Penalty { .. } => 2,
            Operation::Recharge { .. } => 3,
            Operation::MoveRecharge { .. } => 4,
            Operation::Freeze { .. } => 5,
            Operation::Commit { .. } => 6,
            Operation::Release { .. } => 7,
            Operation::ExpireHold { .. } => 8,
            Operation::Refund { .. } => 9,
            Operation::Reverse { .. } => 10,
            Operation::RecordPurchase(_) => 11,
            Operation::TransferCredit { .. } => 12,
            Operation::DeactivatePurchase { .. } => 13,
            Operation::GrantGift { .. } => 14,
            Operation::DeactivateGift { .. } => 15,
        }
    }

    fn currency() -> impl Strategy<Value = Currency> {
        (select(vec!["USD", "POINTS", "P_2"]), 0..=12_u8)
            .prop_map(|(code, exponent)| Currency::new(CurrencyCode::parse(code).unwrap(), exponent).unwrap())
    }

    fn amount() -> impl Strategy<Value = Amount> {
        prop_oneof![1..=1_000_i64, 1..=i64::MAX].prop_map(|units| Amount::new(Minor::new(units)).unwrap())
    }

    fn signed() -> impl Strategy<Value = SignedAmount> {
        (amount(), any::<bool>()).prop_map(|(amount, negative)| {
            let minor = if negative { amount.outflow() } else { amount.minor() };
            SignedAmount::new(minor).unwrap()
        })
    }

    fn text() -> impl Strategy<Value = String> {
        let letters = prop_oneof![4 => any::<char>(), 1 => select(vec![' ', '"', '\\', ':', ',', '-', '0'])];
        let safe = |c: &char| !crate::domain::text::is_unprintable(*c);
        proptest::collection::vec(letters.prop_filter("printable", safe), 1..16)
            .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
            .prop_filter("not empty", |text| !text.is_empty())
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|flag| flag.to_string()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?(e[0-9]{1,2})?",
            any::<String>().prop_map(|text| Value::String(text).to_string()),
            Just("\"\\u009b\\u202e\\u0000\\ud83d\\ude42\"".to_owned()),
        ];
        let any_json = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| {
                    let fields = fields
                        .iter()
                        .map(|(name, value)| format!("{}: {value}", Value::String(name.clone())));
                    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
                }),
            ]
        });
        // A lone null says nothing, and is not told from it.
        any_json
            .prop_filter("not null", |text| text != "null")
            .prop_map(|text| Json::parse(&text, "the metadata").unwrap())
    }

    fn service() -> impl Strategy<Value = Service> {
        text().prop_filter_map("short", |text| Service::parse(&text).ok())
    }

    fn method() -> impl Strategy<Value = PaymentMethod> {
        "[a-z][a-z0-9_]{0,20}".prop_map(|text| PaymentMethod::parse(&text).unwrap())
    }

    fn span() -> impl Strategy<Value = TimeDelta> {
        (0..=3650 * 86_400_000_i64).prop_map(TimeDelta::milliseconds)
    }

    fn access() -> impl Strategy<Value = Access> {
        let resource = "[a-z_]{1,12}:[a-z0-9]{1,12}".prop_map(|text| Resource::parse(&text).unwrap());
        (resource, proptest::option::of(span())).prop_map(|(resource, expires_in)| Access { resource, expires_in })
    }

    fn if_spent() -> impl Strategy<Value = IfSpent> {
        select(vec![IfSpent::Refuse, IfSpent::Debt])
    }

    fn paid() -> impl Strategy<Value = Paid> {
        (amount(), currency()).prop_map(|(amount, currency)| Paid { amount, currency })
    }

    fn number() -> impl Strategy<Value = i64> {
        1..=i64::MAX
    }

    fn money() -> BoxedStrategy<Operation> {
        let settle = prop_oneof![
            Just(Settle::Now),
            proptest::option::of(span()).prop_map(|expires_in| Settle::Later { expires_in })
        ];
        let claim = proptest::option::of((amount(), method()).prop_map(|(amount, method)| Claim { amount, method }));
        prop_oneof![
            (amount(), service(), any::<bool>(), proptest::option::of(access())).prop_map(
                |(amount, service, suspend, grants)| Operation::Charge {
                    amount,
                    service,
                    suspend,
                    grants
                }
            ),
            signed().prop_map(|amount| Operation::Adjust { amount }),
            amount().prop_map(|amount| Operation::Penalty { amount }),
            (amount(), method(), settle, proptest::option::of(json())).prop_map(
                |(amount, method, settle, gateway_response)| Operation::Recharge {
                    amount,
                    method,
                    settle,
                    gateway_response
                }
            ),
            (
                number(),
                select(RechargeStatus::ALL.to_vec()),
                proptest::option::of(json()),
                claim
            )
                .prop_map(|(number, to, gateway_response, claim)| {
                    Operation::MoveRecharge {
                        number,
                        to,
                        gateway_response,
                        claim,
                    }
                }),
        ]
        .boxed()
    }

    fn holds() -> BoxedStrategy<Operation> {
        let part = || proptest::option::of(amount());
        prop_oneof![
            (amount(), proptest::option::of(service()), proptest::option::of(span())).prop_map(
                |(amount, service, expires_in)| Operation::Freeze {
                    amount,
                    service,
                    expires_in
                }
            ),
            (number(), part(), any::<bool>()).prop_map(|(hold, amount, keep_open)| Operation::Commit {
                hold,
                amount,
                keep_open
            }),
            (number(), part()).prop_map(|(hold, amount)| Operation::Release { hold, amount }),
            number().prop_map(|hold| Operation::ExpireHold { hold }),
            (number(), part()).prop_map(|(entry, amount)| Operation::Refund { entry, amount }),
            (number(), part(), if_spent()).prop_map(|(entry, amount, if_spent)| Operation::Reverse {
                entry,
                amount,
                if_spent
            }),
        ]
        .boxed()
    }

    fn credits() -> BoxedStrategy<Operation> {
        let purchase = (paid(), 0..=i64::MAX, span()).prop_map(|(paid, credits, pending_for)| {
            Operation::RecordPurchase(NewPurchase {
                paid,
                credits: Minor::new(credits),
                pending_for,
            })
        });
        prop_oneof![
            purchase,
            number().prop_map(|purchase| Operation::TransferCredit { purchase }),
            (number(), if_spent())
                .prop_map(|(purchase, if_spent)| Operation::DeactivatePurchase { purchase, if_spent }),
            (amount(), proptest::option::of(paid())).prop_map(|(credits, paid)| Operation::GrantGift { credits, paid }),
            (number(), if_spent()).prop_map(|(gift, if_spent)| Operation::DeactivateGift { gift, if_spent }),
        ]
        .boxed()
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![money(), holds(), credits()]
    }

    fn note() -> impl Strategy<Value = Note> {
        let some = || proptest::option::of(text());
        (some(), some(), proptest::option::of(json())).prop_map(|(reference, description, metadata)| Note {
            reference: reference.map(|text| Reference::parse(&text).unwrap()),
            description: description.map(|text| Description::parse(&text).unwrap()),
            metadata,
        })
    }

    proptest! {
        #[test]
        fn every_operation_is_read_back_as_it_was(operation in operation(), note in note(), currency in currency()) {
            let recorded = payload(&operation, &note, &currency);
            // As the database gives it back.
            let stored = Payload::stored(recorded.as_str().to_owned());
            prop_assert_eq!(read(&stored, &currency), Ok((operation, note)));
        }
    }

    #[test]
    fn the_property_is_tried_on_every_kind() {
        let mut runner = TestRunner::deterministic();
        let mut tried = [false; KINDS];
        let mut names = BTreeSet::new();
        for _ in 0..5_000 {
            let sample = operation().new_tree(&mut runner).unwrap().current();
            tried[kind(&sample)] = true;
            names.insert(operation_name(&sample));
        }
        assert_eq!(tried, [true; KINDS]);
        assert_eq!(names, NAMES.iter().copied().collect());
    }

    #[test]
    fn what_is_not_understood_is_not_done() {
        let usd = Currency::iso("USD").unwrap();
        for (text, why) in [
            ("", "EOF"),
            ("[]", "map"),
            (r#"{"op":"charge","amount":"5.00"}"#, "service: missing"),
            (r#"{"op":"charge","amount":"5.001","service":"vps"}"#, "decimal places"),
            (r#"{"op":"charge","amount":5,"service":"vps"}"#, "amount: not a text"),
            (
                r#"{"op":"charge","amount":"5.00","service":"vps","tip":"1"}"#,
                "no field tip",
            ),
            (r#"{"op":"charge","amount":"5","service":"vps"}"#, "recorded today"),
            (r#"{"op":"steal","amount":"5.00"}"#, "op: steal"),
            (
                r#"{"op":"recharge-complete","amount":"5.00","recharge":1}"#,
                "half a claim",
            ),
        ] {
            let error = read(&Payload::stored(text.into()), &usd).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
