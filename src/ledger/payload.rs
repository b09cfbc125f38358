//! The payload of an intent: what was asked, as fields that can be compared.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::{Amount, Minor};
use crate::domain::operation::{IfSpent, Operation, Settle};
use crate::domain::recharge::RechargeStatus;
use crate::domain::text::{Description, Json, Reference};

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
        Operation::Release { .. } => "refund-hold",
        Operation::Reverse { .. } => "reverse",
        Operation::Credit { .. } => "credit",
        Operation::Gift { .. } => "gift",
        Operation::Clawback { .. } => "clawback",
    }
}

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

    fn part(&mut self, amount: Option<Amount>) {
        if let Some(amount) = amount {
            self.amount(amount.minor());
        }
    }

    fn span(&mut self, span: Option<TimeDelta>) {
        self.put("expires_in_ms", span.map(|span| span.num_milliseconds()));
    }

    fn operation(&mut self, operation: &Operation) {
        match operation {
            Operation::Charge { amount, service } => {
                self.amount(amount.minor());
                self.put("service", service.as_str());
            }
            Operation::Adjust { amount } => self.amount(amount.minor()),
            Operation::Penalty { amount } | Operation::Credit { amount } | Operation::Gift { amount } => {
                self.amount(amount.minor());
            }
            Operation::Recharge {
                amount,
                method,
                settle,
                gateway_response,
            } => {
                self.amount(amount.minor());
                self.put("method", method.as_str());
                if let Settle::Later { expires_in } = settle {
                    self.put("pending", true);
                    self.span(*expires_in);
                }
                self.put("gateway_response", gateway_response.as_ref().map(Json::value));
            }
            Operation::MoveRecharge {
                number,
                gateway_response,
                ..
            } => {
                self.put("recharge", *number);
                self.put("gateway_response", gateway_response.as_ref().map(Json::value));
            }
            Operation::Freeze { amount, expires_in } => {
                self.amount(amount.minor());
                self.span(*expires_in);
            }
            Operation::Commit {
                hold,
                amount,
                keep_open,
            } => {
                self.put("hold", *hold);
                self.part(*amount);
                self.put("keep_open", keep_open.then_some(true));
            }
            Operation::Release { hold, amount } => {
                self.put("hold", *hold);
                self.part(*amount);
            }
            Operation::Reverse { entry, amount } => {
                self.put("entry", *entry);
                self.part(*amount);
            }
            Operation::Clawback {
                amount,
                reverses,
                if_spent,
            } => {
                self.amount(amount.minor());
                self.put("entry", *reverses);
                self.put("if_spent", (*if_spent == IfSpent::Debt).then_some("debt"));
            }
        }
    }
}
