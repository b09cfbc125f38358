//! Accounts and currencies.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::currency::Currency;
use crate::ledger::account::AccountView;
use crate::ledger::import::Imported;

pub fn account_fields(view: &AccountView) -> Value {
    let AccountView {
        account,
        figures,
        last_seq,
    } = view;
    let amount = |minor| account.currency.show(minor).to_string();
    json!({
        "account": account.id.get(),
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "balance": amount(figures.balance),
        "held": amount(figures.held),
        "debt": amount(figures.debt),
        "total_recharged": amount(figures.total_recharged),
        "total_spent": amount(figures.total_spent),
        "last_seq": last_seq,
        "locked": account.locked,
        "suspended": account.suspension.is_some(),
        "closed": account.closed,
        "low_balance_threshold": account.low_balance_threshold.map(amount),
        "low_balance": account.is_low(figures.balance),
        "charges_per_minute": account.limits.charges_per_minute,
        "spend_per_day": account.limits.spend_per_day.map(|limit| amount(limit.minor())),
        "created_at": account.created_at.to_string(),
    })
}

/// One account in full. `extra` is put before the account's own fields.
pub fn account(
    command: &'static str,
    view: &AccountView,
    extra: &[(&str, Value)],
    headline: Option<String>,
) -> Document {
    let mut data = serde_json::Map::new();
    data.extend(extra.iter().map(|(name, value)| ((*name).to_string(), value.clone())));
    if let Value::Object(fields) = account_fields(view) {
        data.extend(fields);
    }
    let mut human: Vec<Block> = headline.map(Block::Line).into_iter().collect();
    human.push(Block::Pairs(pairs(view)));
    Document::single(command, Value::Object(data), human)
}

fn pairs(view: &AccountView) -> Vec<(&'static str, String)> {
    let AccountView { account, figures, .. } = view;
    let show = |minor| account.currency.show_with_code(minor);
    let mut pairs = vec![
        ("User", account.user_id.to_string()),
        ("Balance", show(figures.balance)),
        ("Held", show(figures.held)),
        ("Debt", show(figures.debt)),
        ("Total recharged", show(figures.total_recharged)),
        ("Total spent", show(figures.total_spent)),
        ("Status", status(view).into()),
    ];
    if let Some(threshold) = account.low_balance_threshold {
        pairs.push(("Low-balance threshold", show(threshold)));
    }
    if let Some(limit) = account.limits.charges_per_minute {
        pairs.push(("Charges per minute", format!("at most {limit}")));
    }
    if let Some(limit) = account.limits.spend_per_day {
        pairs.push(("Spend per day", format!("at most {}", show(limit.minor()))));
    }
    pairs
}

fn status(view: &AccountView) -> &'static str {
    let Account {
        closed,
        locked,
        suspension,
        ..
    } = &view.account;
    match (closed, locked, suspension.is_some()) {
        (true, ..) => "closed",
        (false, true, true) => "locked, suspended",
        (false, true, false) => "locked",
        (false, false, true) => "suspended",
        (false, false, false) => "open",
    }
}

pub fn accounts(views: &[AccountView]) -> Document {
    let table = Block::Table {
        headers: vec!["User", "Currency", "Balance", "Held", "Debt", "Status"],
        rows: views
            .iter()
            .map(|view| {
                let amount = |minor| view.account.currency.show(minor).to_string();
                vec![
                    view.account.user_id.to_string(),
                    view.account.currency.code().to_string(),
                    amount(view.figures.balance),
                    amount(view.figures.held),
                    amount(view.figures.debt),
                    status(view).into(),
                ]
            })
            .collect(),
    };
    Document::list(
        "account-list",
        "accounts",
        views.iter().map(account_fields).collect(),
        vec![table],
    )
}

/// How an import went; each refused line with its number and reason.
pub fn imported(done: Imported, refused: &[(u64, String)]) -> Document {
    let lines: Vec<Value> = refused
        .iter()
        .map(|(line, reason)| json!({"line": line, "reason": reason}))
        .collect();
    let data = json!({"created": done.created, "existing": done.existing, "refused": lines});
    let mut human = vec![Block::Pairs(vec![
        ("Created", format!("{} accounts", done.created)),
        ("Existing", format!("{} accounts", done.existing)),
        ("Refused", format!("{} lines", refused.len())),
    ])];
    human.extend(
        refused
            .iter()
            .map(|(line, reason)| Block::Line(format!("line {line}: {reason}"))),
    );
    Document::single("account-import", data, human)
}

pub fn currencies(list: &[Currency]) -> Document {
    let rows = list.iter().map(currency_fields).collect();
    let table = Block::Table {
        headers: vec!["Code", "Decimal places"],
        rows: list
            .iter()
            .map(|c| vec![c.code().to_string(), c.exponent().to_string()])
            .collect(),
    };
    let note = Block::Line("Every ISO 4217 currency is known besides.".into());
    Document::list("currency-list", "currencies", rows, vec![table, note])
}

pub fn currency_added(currency: &Currency, added: bool) -> Document {
    let mut data = currency_fields(currency);
    data["added"] = added.into();
    let text = if added { "Added" } else { "Known already" };
    let line = format!(
        "{text}: {} with {} decimal places",
        currency.code(),
        currency.exponent()
    );
    Document::single("currency-add", data, vec![Block::Line(line)])
}

fn currency_fields(currency: &Currency) -> Value {
    json!({"code": currency.code().as_str(), "exponent": currency.exponent()})
}
