//! The trial balance.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::currency::Currency;
use crate::ledger::trial_balance::{Line, Sides, TrialBalance};

fn line_fields(line: &Line) -> Value {
    let sum = |units| line.currency.show_sum(units).to_string();
    json!({
        "currency": line.currency.code().as_str(),
        "class": line.class.name(),
        "account": line.account,
        "debits": sum(line.sides.debits),
        "credits": sum(line.sides.credits),
        "balance": sum(line.balance()),
        "stored": line.stored.map(sum),
    })
}

fn total_fields((currency, sides): &(Currency, Sides)) -> Value {
    let sum = |units| currency.show_sum(units).to_string();
    json!({
        "currency": currency.code().as_str(),
        "class": "total",
        "account": null,
        "debits": sum(sides.debits),
        "credits": sum(sides.credits),
        "balance": sum(sides.debits - sides.credits),
        "stored": null,
    })
}

pub fn trial_balance(report: &TrialBalance) -> Document {
    let lines: Vec<Value> = report.lines.iter().map(line_fields).collect();
    let totals: Vec<Value> = report.totals.iter().map(total_fields).collect();
    let data = json!({
        "at": report.at.map(|at| at.to_string()),
        "accounts": lines,
        "totals": totals,
        "balanced": report.is_balanced(),
        "differs": report.differs(),
    });
    let rows: Vec<Value> = lines.into_iter().chain(totals).collect();
    Document {
        command: "trial-balance",
        data,
        rows,
        human: told(report),
    }
}

fn told(report: &TrialBalance) -> Vec<Block> {
    let mut rows = Vec::new();
    for (currency, total) in &report.totals {
        let sum = |units| currency.show_sum(units).to_string();
        let of_currency = report.lines.iter().filter(|line| line.currency == *currency);
        rows.extend(of_currency.map(|line| {
            vec![
                currency.code().to_string(),
                format!("{}:{}", line.class.name(), line.account),
                sum(line.sides.debits),
                sum(line.sides.credits),
                sum(line.balance()),
            ]
        }));
        rows.push(vec![
            currency.code().to_string(),
            "total".into(),
            sum(total.debits),
            sum(total.credits),
            sum(total.debits - total.credits),
        ]);
    }
    let mut human: Vec<Block> = report
        .at
        .map(|at| Block::Line(format!("As of {at}:")))
        .into_iter()
        .collect();
    human.push(Block::Table {
        headers: vec!["Currency", "Account", "Debits", "Credits", "Balance"],
        rows,
    });
    for line in report.lines.iter().filter(|line| line.differs()) {
        let stored = line.currency.show_sum(line.stored.unwrap_or(0));
        human.push(Block::Line(format!(
            "The balance rows have {stored} {} on {}:{}; run `ledger verify-sync`.",
            line.currency.code(),
            line.class.name(),
            line.account,
        )));
    }
    human.push(Block::Line(if report.is_balanced() {
        "Debits and credits are equal.".into()
    } else {
        "Debits and credits are NOT equal.".into()
    }));
    human
}
