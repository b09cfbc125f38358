//! Purchases, credits and gifts.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::purchase::{Deactivation, Gift, Paid, PendingCredit, Purchase};
use crate::domain::text::{Description, Reference};
use crate::ledger::credits::Processed;
use crate::ledger::purchase::{GiftView, PurchaseView};

pub fn purchase_fields(account: &Account, purchase: &Purchase) -> Value {
    let pending = purchase.pending.as_ref();
    let mut fields = json!({
        "id": purchase.id.to_string(),
        "user_id": account.user_id.as_str(),
        "paid": paid(&purchase.paid),
        "paid_currency": purchase.paid.currency.code().as_str(),
        "credits": account.currency.show(purchase.credits).to_string(),
        "currency": account.currency.code().as_str(),
        "credit_state": pending.map(|credit| credit.state.name()),
        "due_at": pending.map(|credit| credit.due_at.to_string()),
        "settled_at": pending.and_then(|credit| credit.settled_at).map(|at| at.to_string()),
        "entry": pending.and_then(|credit| credit.entry_seq),
        "created_at": purchase.created_at.to_string(),
        "created_by": purchase.created_by.as_str(),
        "reference": purchase.note.reference.as_ref().map(Reference::as_str),
    });
    put_deactivation(&mut fields, purchase.deactivated.as_ref());
    fields
}

pub fn gift_fields(account: &Account, gift: &Gift) -> Value {
    let mut fields = json!({
        "id": gift.id.to_string(),
        "user_id": account.user_id.as_str(),
        "paid": gift.paid.as_ref().map(paid),
        "paid_currency": gift.paid.as_ref().map(|paid| paid.currency.code().as_str()),
        "credits": account.currency.show(gift.credits.minor()).to_string(),
        "currency": account.currency.code().as_str(),
        "entry": gift.entry_seq,
        "created_at": gift.created_at.to_string(),
        "created_by": gift.created_by.as_str(),
        "reference": gift.note.reference.as_ref().map(Reference::as_str),
    });
    put_deactivation(&mut fields, gift.deactivated.as_ref());
    fields
}

fn paid(paid: &Paid) -> String {
    paid.currency.show(paid.amount.minor()).to_string()
}

fn put_deactivation(fields: &mut Value, deactivated: Option<&Deactivation>) {
    fields["active"] = deactivated.is_none().into();
    fields["deactivated_at"] = deactivated.map(|how| how.at.to_string()).into();
    fields["deactivated_by"] = deactivated.map(|how| how.by.as_str()).into();
    fields["deactivated_why"] = deactivated
        .and_then(|how| how.why.as_ref())
        .map(Description::as_str)
        .into();
}

/// How far a purchase has come, in words.
pub fn standing(purchase: &Purchase) -> String {
    let credit = match &purchase.pending {
        None => "no credits".into(),
        Some(PendingCredit { state, due_at, .. }) if purchase.deactivated.is_none() && !state.is_settled() => {
            format!("{} until {due_at}", state.name())
        }
        Some(credit) => credit.state.name().replace('_', " "),
    };
    match purchase.deactivated {
        Some(_) => format!("deactivated, {credit}"),
        None => credit,
    }
}

fn table(views: &[PurchaseView]) -> Block {
    let row = |PurchaseView { account, purchase }: &PurchaseView| {
        vec![
            purchase.id.to_string(),
            account.user_id.to_string(),
            format!("{} {}", paid(&purchase.paid), purchase.paid.currency.code()),
            account.currency.show_with_code(purchase.credits),
            standing(purchase),
            purchase.created_at.to_string(),
            purchase
                .note
                .reference
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    };
    Block::Table {
        headers: vec!["Id", "User", "Paid", "Credits", "State", "Recorded", "Reference"],
        rows: views.iter().map(row).collect(),
    }
}

fn rows(views: &[PurchaseView]) -> Vec<Value> {
    views
        .iter()
        .map(|view| purchase_fields(&view.account, &view.purchase))
        .collect()
}

pub fn purchases(views: &[PurchaseView]) -> Document {
    Document::list("purchase-list", "purchases", rows(views), vec![table(views)])
}

pub fn gifts(views: &[GiftView]) -> Document {
    let row = |GiftView { account, gift }: &GiftView| {
        vec![
            gift.id.to_string(),
            account.user_id.to_string(),
            account.currency.show_with_code(gift.credits.minor()),
            if gift.deactivated.is_some() {
                "deactivated"
            } else {
                "active"
            }
            .into(),
            gift.created_at.to_string(),
            gift.note
                .reference
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    };
    let table = Block::Table {
        headers: vec!["Id", "User", "Credits", "State", "Granted", "Reference"],
        rows: views.iter().map(row).collect(),
    };
    let fields = views
        .iter()
        .map(|view| gift_fields(&view.account, &view.gift))
        .collect();
    Document::list("gift-list", "gifts", fields, vec![table])
}

/// Purchases that people should look at, under a headline; nothing where there are none.
pub fn warning(headline: &str, views: &[PurchaseView]) -> Vec<Block> {
    if views.is_empty() {
        return Vec::new();
    }
    vec![Block::Line(headline.into()), table(views)]
}

pub const INACTIVE: &str = "Deactivated while pending, more than 7 days ago:";

pub fn processed(done: &Processed) -> Document {
    let failed: Vec<Value> = done
        .failed
        .iter()
        .map(|(id, reason)| json!({"purchase": id.to_string(), "reason": reason}))
        .collect();
    let mut human = vec![Block::Pairs(vec![
        ("Transferred", format!("{} credits", done.transferred)),
        ("Failed", format!("{} credits", done.failed.len())),
    ])];
    human.extend(
        done.failed
            .iter()
            .map(|(id, reason)| Block::Line(format!("Not transferred: {id}: {reason}"))),
    );
    human.extend(warning(INACTIVE, &done.inactive));
    let data = json!({
        "transferred": done.transferred,
        "failed": failed,
        "inactive": rows(&done.inactive),
    });
    Document::single("process-pending-credits", data, human)
}
