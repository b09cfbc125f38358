//! A payload read back: the operation and the note that it was made of.

use serde_json::{Map, Value};

use super::fields::{Fields, Unreadable, wrong};
use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::{Amount, AmountError, Minor, SignedAmount};
use crate::domain::operation::{Claim, NewPurchase, Operation, Settle};
use crate::domain::recharge::RechargeGoal;
use crate::domain::text::PaymentMethod;

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

/// Which operation has which fields.
impl Fields<'_> {
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
            "recharge" => self.recharge()?,
            "recharge-process" => self.step(RechargeGoal::Processing)?,
            "recharge-complete" => self.step(RechargeGoal::Completed)?,
            "recharge-fail" => self.step(RechargeGoal::Failed)?,
            "recharge-cancel" => self.step(RechargeGoal::Cancelled)?,
            "recharge-expire" => self.step(RechargeGoal::Expired)?,
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

    fn step(&mut self, to: RechargeGoal) -> Result<Operation, Unreadable> {
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
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::super::samples::{currency, note, operation};
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
            (r#"{"op":"recharge","recharge":1}"#, "missing"),
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
