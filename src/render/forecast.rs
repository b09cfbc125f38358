//! Forecasts.

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::suspension::lasted;
use crate::domain::entry::service_named;
use crate::domain::forecast::days_until;
use crate::ledger::forecast::{Forecast, Report, ServiceBurn};

/// The service that a counter-account stands for; `income:hold` is held money that was spent on none.
fn service(burn: &ServiceBurn) -> &str {
    let name = &burn.counter_account;
    service_named(name).unwrap_or(name)
}

fn fields(forecast: &Forecast, report: &Report) -> Value {
    let currency = &forecast.account.currency;
    let exponent = currency.exponent();
    let per_service = |burn: &ServiceBurn| {
        json!({
            "service": service(burn),
            "burn_per_day": burn.burn.per_day(exponent).to_string(),
        })
    };
    json!({
        "user_id": forecast.account.user_id.as_str(),
        "currency": currency.code().as_str(),
        "balance": currency.show(forecast.balance).to_string(),
        "burn_per_day": forecast.burn.per_day(exponent).to_string(),
        "services": forecast.services.iter().map(per_service).collect::<Vec<_>>(),
        "due_periods": forecast.due.0,
        "due_amount": currency.show_sum(forecast.due.1).to_string(),
        "empty_at": forecast.empty_at.map(|at| at.to_string()),
        "days_left": forecast.empty_at.map(|at| days_until(report.now, at).to_string()),
        "warning": forecast.is_warning,
        "suspended": forecast.account.suspension.is_some(),
    })
}

pub fn report(report: &Report) -> Document {
    let rows: Vec<Value> = report.list.iter().map(|forecast| fields(forecast, report)).collect();
    let data = json!({
        "at": report.now.to_string(),
        "history_days": report.history.num_days(),
        "warn_within_days": report.warn_within.num_days(),
        "warn_within_seconds": report.warn_within.num_seconds(),
        "accounts": report.accounts,
        "warnings": report.warnings,
        "forecasts": rows,
    });
    let mut human = Vec::new();
    if report.accounts == 0 {
        human.push(Block::Line(
            "No account spends anything, and nothing is known to be due.".into(),
        ));
    } else if !report.list.is_empty() {
        human.push(table(report));
    }
    let shown = report.list.len() as u64;
    if shown < report.accounts {
        human.push(Block::Line(format!(
            "And {} accounts more; see --limit.",
            report.accounts - shown
        )));
    }
    if report.warnings > 0 {
        human.push(Block::Line(format!(
            "{} {} within {}: marked with !.",
            counted(report.warnings, "balance"),
            if report.warnings == 1 { "ends" } else { "end" },
            lasted(report.warn_within)
        )));
    }
    Document {
        command: "forecast",
        data,
        rows,
        human,
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn table(report: &Report) -> Block {
    let row = |forecast: &Forecast| {
        let currency = &forecast.account.currency;
        let exponent = currency.exponent();
        let services: Vec<String> = forecast
            .services
            .iter()
            .map(|burn| format!("{} {}", service(burn), burn.burn.per_day(exponent)))
            .collect();
        let (days, date) = match forecast.empty_at {
            Some(at) => (days_until(report.now, at).to_string(), at.to_string()[..10].to_owned()),
            None => ("over a year".into(), String::new()),
        };
        vec![
            if forecast.is_warning { "!" } else { "" }.into(),
            forecast.account.user_id.to_string(),
            currency.show_with_code(forecast.balance),
            forecast.burn.per_day(exponent).to_string(),
            services.join(", "),
            match forecast.due.0 {
                0 => String::new(),
                periods => format!(
                    "{} in {}",
                    currency.show_sum(forecast.due.1),
                    counted(periods, "period")
                ),
            },
            days,
            date,
        ]
    };
    Block::Table {
        headers: vec![
            "",
            "User",
            "Balance",
            "A day",
            "By service",
            "Due soon",
            "Days left",
            "Empty",
        ],
        rows: report.list.iter().map(row).collect(),
    }
}
