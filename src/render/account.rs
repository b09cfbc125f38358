//! Accounts and currencies.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::balance::Figures;
use crate::domain::currency::Currency;
use crate::domain::money::Minor;
use crate::ledger::account::{AccountView, Listed};
use crate::ledger::import::Imported;

pub fn account_fields(view: &AccountView) -> Value {
    fields(&view.account, Some((&view.figures, view.last_seq)))
}

/// Without a balance row no figure is known.
fn fields(account: &Account, known: Option<(&Figures, i64)>) -> Value {
    let amount = |minor| account.currency.show(minor).to_string();
    let figure = |of: fn(&Figures) -> Minor| known.map(|(figures, _)| amount(of(figures)));
    json!({
        "account": account.id.get(),
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "balance": figure(|figures| figures.balance),
        "held": figure(|figures| figures.held),
        "debt": figure(|figures| figures.debt),
        "total_recharged": figure(|figures| figures.total_recharged),
        "total_spent": figure(|figures| figures.total_spent),
        "last_seq": known.map(|(_, last_seq)| last_seq),
        "locked": account.locked,
        "suspended": account.suspension.is_some(),
        "closed": account.closed,
        "low_balance_threshold": account.low_balance_threshold.map(amount),
        "low_balance": known.map(|(figures, _)| account.is_low(figures.balance)),
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
        ("Status", status(account).into()),
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

fn status(account: &Account) -> &'static str {
    let Account {
        closed,
        locked,
        suspension,
        ..
    } = account;
    match (closed, locked, suspension.is_some()) {
        (true, ..) => "closed",
        (false, true, true) => "locked, suspended",
        (false, true, false) => "locked",
        (false, false, true) => "suspended",
        (false, false, false) => "open",
    }
}

pub fn accounts(listed: &[Listed]) -> Document {
    let line = |Listed { account, stored }: &Listed| {
        let amount = |of: fn(&Figures) -> Minor| match stored {
            Some(state) => account.currency.show(of(&state.figures)).to_string(),
            None => "missing".into(),
        };
        vec![
            account.user_id.to_string(),
            account.currency.code().to_string(),
            amount(|figures| figures.balance),
            amount(|figures| figures.held),
            amount(|figures| figures.debt),
            status(account).into(),
        ]
    };
    let mut human = vec![Block::Table {
        headers: vec!["User", "Currency", "Balance", "Held", "Debt", "Status"],
        rows: listed.iter().map(line).collect(),
    }];
    if listed.iter().any(|one| one.stored.is_none()) {
        let advice = "Balance rows are missing: run `ledger verify-sync --fix`.";
        human.push(Block::Line(advice.into()));
    }
    let rows = listed.iter().map(|Listed { account, stored }| {
        let known = stored.as_ref().map(|state| (&state.figures, state.last_seq));
        fields(account, known)
    });
    Document::list("account-list", "accounts", rows.collect(), human)
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
