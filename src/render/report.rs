//! Reports by period.

mod chart;
pub mod daily;
mod html;
mod page;

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::suspension::lasted;
use crate::domain::currency::Currency;
use crate::domain::period::Periods;
use crate::ledger::report::{Churn, Report, Revenue, Topups, Usage};

/// One kind of report: how a line of it is shown.
struct Shape<Line> {
    command: &'static str,
    headers: Vec<&'static str>,
    period: fn(&Line) -> usize,
    /// Behind the period's own fields.
    fields: fn(&Line) -> Value,
    /// Behind the period's name.
    cells: fn(&Line) -> Vec<String>,
}

impl<Line> Shape<Line> {
    /// `more` are fields that follow from a line and the one before it.
    fn document(&self, report: &Report<Line>, more: impl Fn(usize, &mut Value, &mut Vec<String>)) -> Document {
        let (mut rows, mut table) = (Vec::new(), Vec::new());
        for (at, line) in report.lines.iter().enumerate() {
            let period = &report.periods.list[(self.period)(line)];
            let mut row = json!({
                "period": period.name,
                "since": period.since.to_string(),
                "until": period.until.to_string(),
            });
            let mut cells = vec![period.name.clone()];
            extend(&mut row, (self.fields)(line));
            cells.extend((self.cells)(line));
            more(at, &mut row, &mut cells);
            rows.push(row);
            table.push(cells);
        }
        let lines = table.len();
        let totals: Vec<Value> = report.totals.iter().map(self.fields).collect();
        for total in &report.totals {
            let mut cells = vec!["all".to_owned()];
            cells.extend((self.cells)(total));
            cells.resize(self.headers.len(), String::new());
            table.push(cells);
        }
        let data = json!({
            "by": report.periods.step.name(),
            "since": report.periods.since().to_string(),
            "until": report.periods.until().to_string(),
            "rows": rows,
            "totals": totals,
        });
        let human = if lines == 0 {
            vec![Block::Line(format!("Nothing from {}.", span(&report.periods)))]
        } else {
            let headers = self.headers.clone();
            vec![
                Block::Line(format!("From {}, UTC.", span(&report.periods))),
                Block::Table { headers, rows: table },
            ]
        };
        Document {
            command: self.command,
            data,
            rows,
            human,
        }
    }
}

fn span(periods: &Periods) -> String {
    format!("{} to {}", periods.since(), periods.until())
}

fn extend(row: &mut Value, more: Value) {
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
}

fn show(currency: &Currency, units: i128) -> String {
    currency.show_sum(units).to_string()
}

pub fn revenue(report: &Report<Revenue>) -> Document {
    let shape = Shape {
        command: "report-revenue",
        headers: vec![
            "Period",
            "Currency",
            "Method",
            "Recharges",
            "Amount",
            "Taken back",
            "Net",
        ],
        period: |line: &Revenue| line.period,
        fields: |line| {
            json!({
                "currency": line.currency.code().as_str(),
                "method": line.method,
                "recharges": line.recharges,
                "amount": show(&line.currency, line.amount),
                "taken_back": show(&line.currency, line.taken_back),
                "net": show(&line.currency, line.net()),
            })
        },
        cells: |line| {
            vec![
                line.currency.code().to_string(),
                line.method.clone().unwrap_or_default(),
                line.recharges.to_string(),
                show(&line.currency, line.amount),
                show(&line.currency, line.taken_back),
                show(&line.currency, line.net()),
            ]
        },
    };
    shape.document(report, |_, _, _| {})
}

/// What people call it: the service, or where else the money went.
pub fn usage_name(line: &Usage) -> &str {
    line.service().or(line.counter_account.as_deref()).unwrap_or_default()
}

pub fn usage(report: &Report<Usage>) -> Document {
    let shape = Shape {
        command: "report-usage",
        headers: vec![
            "Period", "Currency", "Service", "Charges", "Spent", "Refunds", "Refunded", "Net",
        ],
        period: |line: &Usage| line.period,
        fields: |line| {
            json!({
                "currency": line.currency.code().as_str(),
                "service": line.service(),
                "counter_account": line.counter_account,
                "charges": line.charges,
                "spent": show(&line.currency, line.spent),
                "refunds": line.refunds,
                "refunded": show(&line.currency, line.refunded),
                "net": show(&line.currency, line.net()),
            })
        },
        cells: |line| {
            vec![
                line.currency.code().to_string(),
                usage_name(line).to_owned(),
                line.charges.to_string(),
                show(&line.currency, line.spent),
                line.refunds.to_string(),
                show(&line.currency, line.refunded),
                show(&line.currency, line.net()),
            ]
        },
    };
    shape.document(report, |_, _, _| {})
}

pub fn topups(report: &Report<Topups>) -> Document {
    let shape = Shape {
        command: "report-topups",
        headers: vec![
            "Period",
            "Currency",
            "Recharges",
            "Amount",
            "Average",
            "Accounts",
            "Change",
        ],
        period: |line: &Topups| line.period,
        fields: |line| {
            json!({
                "currency": line.currency.code().as_str(),
                "recharges": line.recharges,
                "amount": show(&line.currency, line.amount),
                "average": line.average().map(|units| show(&line.currency, units)),
                "accounts": line.accounts,
            })
        },
        cells: |line| {
            vec![
                line.currency.code().to_string(),
                line.recharges.to_string(),
                show(&line.currency, line.amount),
                line.average()
                    .map_or_else(String::new, |units| show(&line.currency, units)),
                line.accounts.to_string(),
            ]
        },
    };
    shape.document(report, |at, row, cells| {
        let line = &report.lines[at];
        let before = at
            .checked_sub(1)
            .map(|at| &report.lines[at])
            .filter(|_| line.period > 0);
        let change = before.and_then(|before| line.change_per_mille(before)).map(percent);
        cells.push(change.as_ref().map_or_else(String::new, |change| format!("{change} %")));
        extend(row, json!({"change_percent": change}));
    })
}

/// Tenths of a percent, with one decimal.
fn percent(per_mille: i128) -> String {
    let sign = if per_mille < 0 { "-" } else { "" };
    let size = per_mille.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

pub fn churn(report: &Report<Churn>) -> Document {
    let shape = Shape {
        command: "report-churn",
        headers: vec![
            "Period",
            "Currency",
            "Suspended",
            "Resumed",
            "Still suspended",
            "Balance then",
            "Lasted on average",
        ],
        period: |line: &Churn| line.period,
        fields: |line| {
            json!({
                "currency": line.currency.code().as_str(),
                "suspended": line.suspended,
                "resumed": line.resumed,
                "still_suspended": line.still_suspended,
                "balance": show(&line.currency, line.balance),
                "average_seconds": line.average_seconds().map(seconds),
            })
        },
        cells: |line| {
            let average = line.average_seconds().map(seconds);
            vec![
                line.currency.code().to_string(),
                line.suspended.to_string(),
                line.resumed.to_string(),
                line.still_suspended.to_string(),
                show(&line.currency, line.balance),
                average.map_or_else(String::new, |seconds| lasted(chrono::TimeDelta::seconds(seconds))),
            ]
        },
    };
    shape.document(report, |_, _, _| {})
}

/// Longer than there has been a calendar is as long as that.
fn seconds(seconds: i128) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_one_decimal_and_their_sign() {
        for (per_mille, text) in [
            (500, "50.0"),
            (-5, "-0.5"),
            (-1000, "-100.0"),
            (0, "0.0"),
            (12_345, "1234.5"),
        ] {
            assert_eq!(percent(per_mille), text);
        }
    }
}
