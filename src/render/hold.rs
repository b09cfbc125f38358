//! Holds.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::hold::Hold;
use crate::domain::text::{Description, Reference, Service};
use crate::domain::time::Timestamp;
use crate::ledger::hold::HoldView;

pub fn hold_fields(account: &Account, hold: &Hold) -> Value {
    let amount = |minor| account.currency.show(minor).to_string();
    json!({
        "id": hold.id.to_string(),
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "amount": amount(hold.amount.minor()),
        "remaining": amount(hold.remaining),
        "committed": amount(hold.committed),
        "refunded": amount(hold.released),
        "status": hold.status.name(),
        "service": hold.service.as_ref().map(Service::as_str),
        "created_at": hold.created_at.to_string(),
        "expires_at": hold.expires_at.map(|at| at.to_string()),
        "finished_at": hold.finished_at.map(|at| at.to_string()),
        "entry": hold.entry_seq,
        "reference": hold.note.reference.as_ref().map(Reference::as_str),
        "description": hold.note.description.as_ref().map(Description::as_str),
    })
}

/// The status shown is the one that counts at `now`.
pub fn holds(views: &[HoldView], now: Timestamp) -> Document {
    let rows = views
        .iter()
        .map(|view| hold_fields(&view.account, &view.hold.at(now)))
        .collect();
    let table = Block::Table {
        headers: vec!["Id", "User", "Amount", "Remaining", "Status", "Expires", "Reference"],
        rows: views
            .iter()
            .map(|view| {
                let HoldView { account, hold } = view;
                let show = |minor| account.currency.show_with_code(minor);
                vec![
                    hold.id.to_string(),
                    account.user_id.to_string(),
                    show(hold.amount.minor()),
                    show(hold.remaining),
                    hold.status_at(now).name().into(),
                    hold.expires_at.map(|at| at.to_string()).unwrap_or_default(),
                    hold.note
                        .reference
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                ]
            })
            .collect(),
    };
    Document::list("holds", "holds", rows, vec![table])
}
