//! The payload of an intent: what was asked, as fields that can be compared.
//!
//! Payloads are kept for ever, and a key that is sent again is compared with the one of then: a field keeps its name and
//! its form, and a new one is left out where it says what was meant before it existed.

mod fields;
mod read;
#[cfg(test)]
mod samples;

use chrono::TimeDelta;
use serde_json::{Map, Value};

pub use self::read::read;

use crate::domain::access::Access;
use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::Minor;
use crate::domain::operation::{IfSpent, NewPurchase, Operation, Settle};
use crate::domain::purchase::Paid;
use crate::domain::recharge::RechargeStatus;
use crate::domain::text::{Description, Json, Reference, Service};

/// The name under which an operation is recorded, and by which `apply` calls it.
pub fn operation_name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Charge { .. } => "charge",
        Operation::Adjust { .. } => "adjust",
        Operation::Penalty { .. } => "penalty",
        Operation::Recharge { .. } => "recharge",
        Operation::MoveRecharge { to, .. } => match to {
            RechargeStatus::Pending => "recharge",
            RechargeStatus::Processing => "recharge-process",
            RechargeStatus::Completed => "recharge-complete",
            RechargeStatus::Failed => "recharge-fail",
            RechargeStatus::Cancelled => "recharge-cancel",
            RechargeStatus::Expired => "recharge-expire",
        },
        Operation::Freeze { .. } => "freeze",
        Operation::Commit { .. } => "commit",
        Operation::Release { .. } | Operation::Refund { .. } => "refund",
        Operation::ExpireHold { .. } => "expire-hold",
        Operation::Reverse { .. } => "reverse",
        Operation::RecordPurchase(_) => "purchase-record",
        Operation::TransferCredit { .. } => "credit-transfer",
        Operation::DeactivatePurchase { .. } => "deactivate-purchase",
        Operation::GrantGift { .. } => "gift-grant",
        Operation::DeactivateGift { .. } => "gift-deactivate",
    }
}

/// Every name that [`operation_name`] gives.
pub const NAMES: &[&str] = &[
    "charge",
    "adjust",
    "penalty",
    "recharge",
    "recharge-process",
    "recharge-complete",
    "recharge-fail",
    "recharge-cancel",
    "recharge-expire",
    "freeze",
    "commit",
    "refund",
    "expire-hold",
    "reverse",
    "purchase-record",
    "credit-transfer",
    "deactivate-purchase",
    "gift-grant",
    "gift-deactivate",
];

/// What was asked. Times that are given as spans stay spans, so that a later retry is the same request.
pub fn payload(operation: &Operation, note: &Note, currency: &Currency) -> Payload {
    let mut fields = Fields {
        map: Map::new(),
        currency,
    };
    fields.put("op", operation_name(operation));
    fields.operation(operation);
    fields.put("reference", note.reference.as_ref().map(Reference::as_str));
    fields.put("description", note.description.as_ref().map(Description::as_str));
    fields.put("metadata", note.metadata.as_ref().map(Json::value));
    Payload::new(&fields.map)
}

/// The fields so far; what was not given is left out.
struct Fields<'a> {
    map: Map<String, Value>,
    currency: &'a Currency,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.map.insert(name.into(), value);
        }
    }

    fn amount(&mut self, amount: Minor) {
        self.put("amount", self.currency.show(amount).to_string());
    }

    fn span(&mut self, span: Option<TimeDelta>) {
        self.put("expires_in_ms", span.map(|span| span.num_milliseconds()));
    }

    fn paid(&mut self, paid: Option<&Paid>) {
        if let Some(Paid { amount, currency }) = paid {
            self.put("paid", currency.show(amount.minor()).to_string());
            self.put("paid_currency", currency.code().as_str());
        }
    }

    fn access(&mut self, grants: Option<&Access>) {
        if let Some(Access { resource, expires_in }) = grants {
            self.put("grants", resource.as_str());
            self.put("access_expires_ms", expires_in.map(|span| span.num_milliseconds()));
        }
    }

    fn purchase(&mut self, purchase: &NewPurchase) {
        self.paid(Some(&purchase.paid));
        self.put("credits", self.currency.show(purchase.credits).to_string());
        self.put("pending_for_ms", purchase.pending_for.num_milliseconds());
    }

    /// Puts several at once.
    fn all<const N: usize>(&mut self, fields: [(&str, Value); N]) {
        for (name, value) in fields {
            self.put(name, value);
        }
    }

    fn operation(&mut self, operation: &Operation) {
        if let Some(amount) = operation.amount() {
            self.amount(amount);
        }
        let json = |value: &Option<Json>| value.as_ref().map(Json::value);
        match operation {
            Operation::Adjust { .. } | Operation::Penalty { .. } => {}
            Operation::Charge {
                service,
                suspend,
                grants,
                ..
            } => {
                self.put("service", service.as_str());
                self.put("suspend", suspend.then_some(true));
                self.access(grants.as_ref());
            }
            Operation::Recharge {
                method,
                settle,
                gateway_response,
                ..
            } => {
                self.put("method", method.as_str());
                if let Settle::Later { expires_in } = settle {
                    self.put("pending", true);
                    self.span(*expires_in);
                }
                self.put("gateway_response", json(gateway_response));
            }
            Operation::MoveRecharge {
                number,
                gateway_response,
                claim,
                ..
            } => self.all([
                ("recharge", (*number).into()),
                ("gateway_response", json(gateway_response).into()),
                ("method", claim.as_ref().map(|claim| claim.method.as_str()).into()),
            ]),
            Operation::Freeze {
                service, expires_in, ..
            } => {
                self.put("service", service.as_ref().map(Service::as_str));
                self.span(*expires_in);
            }
            Operation::Commit { hold, keep_open, .. } => self.all([
                ("hold", (*hold).into()),
                ("keep_open", keep_open.then_some(true).into()),
            ]),
            Operation::Release { hold, .. } | Operation::ExpireHold { hold } => self.put("hold", *hold),
            Operation::Refund { entry, .. } => self.put("entry", *entry),
            Operation::Reverse { entry, if_spent, .. } => {
                self.all([("entry", (*entry).into()), ("if_spent", if_spent_name(*if_spent))]);
            }
            Operation::RecordPurchase(purchase) => self.purchase(purchase),
            Operation::TransferCredit { purchase } => self.put("purchase", *purchase),
            Operation::DeactivatePurchase { purchase, if_spent } => {
                self.all([("purchase", (*purchase).into()), ("if_spent", if_spent_name(*if_spent))]);
            }
            Operation::GrantGift { paid, .. } => self.paid(paid.as_ref()),
            Operation::DeactivateGift { gift, if_spent } => {
                self.all([("gift", (*gift).into()), ("if_spent", if_spent_name(*if_spent))]);
            }
        }
    }
}

/// Refusing is what happens unless something else is said.
fn if_spent_name(if_spent: IfSpent) -> Value {
    (if_spent == IfSpent::Debt).then_some("debt").into()
}
