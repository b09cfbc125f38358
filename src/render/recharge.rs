//! Recharges.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::recharge::Recharge;
use crate::domain::text::{Json, Reference};
use crate::domain::time::Timestamp;
use crate::ledger::recharge::RechargeView;

pub fn recharge_fields(account: &Account, recharge: &Recharge) -> Value {
    json!({
        "id": recharge.id.to_string(),
        "user_id": account.user_id.as_str(),
        "amount": account.currency.show(recharge.amount.minor()).to_string(),
        "currency": account.currency.code().as_str(),
        "method": recharge.method.as_str(),
        "status": recharge.status.name(),
        "created_at": recharge.created_at.to_string(),
        "expires_at": recharge.expires_at.map(|at| at.to_string()),
        "finished_at": recharge.finished_at.map(|at| at.to_string()),
        "entry": recharge.entry_seq,
        "reference": recharge.note.reference.as_ref().map(Reference::as_str),
        "gateway_response": recharge.gateway_response.as_ref().map(Json::value),
    })
}

/// The status shown is the one that counts at `now`.
pub fn recharges(views: &[RechargeView], now: Timestamp) -> Document {
    let current = |view: &RechargeView| Recharge {
        status: view.recharge.status_at(now),
        ..view.recharge.clone()
    };
    let rows = views
        .iter()
        .map(|view| recharge_fields(&view.account, &current(view)))
        .collect();
    let table = Block::Table {
        headers: vec!["Id", "User", "Amount", "Method", "Status", "Created", "Entry"],
        rows: views
            .iter()
            .map(|view| {
                let RechargeView { account, recharge } = view;
                vec![
                    recharge.id.to_string(),
                    account.user_id.to_string(),
                    account.currency.show_with_code(recharge.amount.minor()),
                    recharge.method.as_str().into(),
                    recharge.status_at(now).name().into(),
                    recharge.created_at.to_string(),
                    recharge.entry_seq.map(|seq| seq.to_string()).unwrap_or_default(),
                ]
            })
            .collect(),
    };
    Document::list("recharge-list", "recharges", rows, vec![table])
}
