//! The payload of an intent: what was asked, as fields that can be compared.

use serde_json::{Map, Value};

use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::Minor;
use crate::domain::posting::{IfSpent, Operation, Settle};
use crate::domain::recharge::RechargeStatus;

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
    let mut fields = Map::new();
    let amount = |minor: Minor| Value::from(currency.show(minor).to_string());
    fields.insert("op".into(), operation_name(operation).into());
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.into(), value);
        }
    };
    match operation {
        Operation::Charge {
            amount: charged,
            service,
        } => {
            put("amount", amount(charged.minor()));
            put("service", service.as_str().into());
        }
        Operation::Adjust { amount: moved } => put("amount", amount(moved.minor())),
        Operation::Penalty { amount: taken }
        | Operation::Credit { amount: taken }
        | Operation::Gift { amount: taken } => put("amount", amount(taken.minor())),
        Operation::Recharge {
            amount: paid,
            method,
            settle,
            gateway_response,
        } => {
            put("amount", amount(paid.minor()));
            put("method", method.as_str().into());
            if let Settle::Later { expires_in } = settle {
                put("pending", true.into());
                put("expires_in_seconds", expires_in.map(|span| span.num_seconds()).into());
            }
            put(
                "gateway_response",
                gateway_response.as_ref().map(|json| json.value()).into(),
            );
        }
        Operation::MoveRecharge {
            number,
            gateway_response,
            ..
        } => {
            put("recharge", (*number).into());
            put(
                "gateway_response",
                gateway_response.as_ref().map(|json| json.value()).into(),
            );
        }
        Operation::Freeze {
            amount: frozen,
            expires_in,
        } => {
            put("amount", amount(frozen.minor()));
            put("expires_in_seconds", expires_in.map(|span| span.num_seconds()).into());
        }
        Operation::Commit {
            hold,
            amount: spent,
            keep_open,
        } => {
            put("hold", (*hold).into());
            put("amount", spent.map(|a| amount(a.minor())).into());
            put("keep_open", keep_open.then_some(true).into());
        }
        Operation::Release { hold, amount: released } => {
            put("hold", (*hold).into());
            put("amount", released.map(|a| amount(a.minor())).into());
        }
        Operation::Reverse { entry, amount: part } => {
            put("entry", (*entry).into());
            put("amount", part.map(|a| amount(a.minor())).into());
        }
        Operation::Clawback {
            amount: taken,
            reverses,
            if_spent,
        } => {
            put("amount", amount(taken.minor()));
            put("entry", (*reverses).into());
            put(
                "if_spent",
                if *if_spent == IfSpent::Debt {
                    "debt".into()
                } else {
                    Value::Null
                },
            );
        }
    }
    put("reference", note.reference.as_ref().map(|text| text.as_str()).into());
    put(
        "description",
        note.description.as_ref().map(|text| text.as_str()).into(),
    );
    put("metadata", note.metadata.as_ref().map(|json| json.value()).into());
    Payload::new(&fields)
}
