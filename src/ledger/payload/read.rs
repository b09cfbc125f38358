//! A payload read back: the operation and the note that it was made of.

use serde_json::{Map, Value};

use super::fields::{Fields, Unreadable, wrong};
use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::{Amount, AmountError, Minor, SignedAmount};
use crate::domain::operation::{Claim, NewPurchase, Operation, OperationKind, Settle};
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
        let kind = OperationKind::parse(op).ok_or_else(|| wrong("op", op))?;
        Ok(match kind {
            OperationKind::Charge => Operation::Charge {
                amount: self.amount()?,
                service: self.service()?.ok_or_else(|| wrong("service", "missing"))?,
                suspend: self.flag("suspend")?,
                grants: self.access()?,
            },
            OperationKind::Adjust => Operation::Adjust {
                amount: self
                    .parsed("amount", |text| SignedAmount::parse(text, currency))?
                    .ok_or_else(|| wrong("amount", "missing"))?,
            },
            OperationKind::Penalty => Operation::Penalty { amount: self.amount()? },
            OperationKind::Recharge => self.recharge()?,
            OperationKind::RechargeProcess => self.step(RechargeGoal::Processing)?,
            OperationKind::RechargeComplete => self.step(RechargeGoal::Completed)?,
            OperationKind::RechargeFail => self.step(RechargeGoal::Failed)?,
            OperationKind::RechargeCancel => self.step(RechargeGoal::Cancelled)?,
            OperationKind::RechargeExpire => self.step(RechargeGoal::Expired)?,
            OperationKind::Freeze => Operation::Freeze {
                amount: self.amount()?,
                service: self.service()?,
                expires_in: self.span("expires_in_ms")?,
            },
            OperationKind::Commit => Operation::Commit {
                hold: self.integer("hold")?,
                amount: self.part()?,
                keep_open: self.flag("keep_open")?,
            },
            OperationKind::Refund if self.has("hold") => Operation::Release {
                hold: self.integer("hold")?,
                amount: self.part()?,
            },
            OperationKind::Refund => Operation::Refund {
                entry: self.integer("entry")?,
                amount: self.part()?,
            },
            OperationKind::ExpireHold => Operation::ExpireHold {
                hold: self.integer("hold")?,
            },
            OperationKind::Reverse => Operation::Reverse {
                entry: self.integer("entry")?,
                amount: self.part()?,
                if_spent: self.if_spent()?,
            },
            OperationKind::PurchaseRecord => Operation::RecordPurchase(self.purchase()?),
            OperationKind::CreditTransfer => Operation::TransferCredit {
                purchase: self.integer("purchase")?,
            },
            OperationKind::DeactivatePurchase => Operation::DeactivatePurchase {
                purchase: self.integer("purchase")?,
                if_spent: self.if_spent()?,
            },
            OperationKind::GiftGrant => Operation::GrantGift {
                credits: self.amount()?,
                paid: self.paid()?,
            },
            OperationKind::GiftDeactivate => Operation::DeactivateGift {
                gift: self.integer("gift")?,
                if_spent: self.if_spent()?,
            },
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

    use super::super::payload;
    use super::super::samples::{currency, note, operation};
    use super::*;

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
        let mut tried = BTreeSet::new();
        for _ in 0..5_000 {
            let sample = operation().new_tree(&mut runner).unwrap().current();
            // Giving back is asked of an entry or of a hold.
            tried.insert((sample.kind(), matches!(sample, Operation::Release { .. })));
        }
        let mut all = BTreeSet::from(OperationKind::ALL.map(|kind| (kind, false)));
        all.insert((OperationKind::Refund, true));
        assert_eq!(tried, all);
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
