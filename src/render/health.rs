//! Reports of `health`.

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::purchase::{INACTIVE, purchase_fields, warning};
use super::verify::obstacle;
use crate::domain::alert::Severity;
use crate::domain::currency::Currency;
use crate::domain::money::Minor;
use crate::ledger::health::{Found, HealthReport, meaning};
use crate::ledger::purchase::PurchaseView;

pub fn report(report: &HealthReport) -> Document {
    let rows: Vec<Value> = report.findings.iter().map(finding).collect();
    let data = json!({
        "run_id": report.run_id,
        "checked": report.checked,
        "critical": report.count(Severity::Critical),
        "warning": report.count(Severity::Warning),
        "fixed": report.fixed(),
        "backup": report.backup.as_ref().map(|path| path.display().to_string()),
        "stopped": report.stopped.as_ref().map(obstacle),
        "findings": rows,
        "due_credits": report.due_credits.iter().map(credit).collect::<Vec<_>>(),
        "inactive_credits": report.inactive_credits.iter().map(credit).collect::<Vec<_>>(),
    });
    Document {
        command: "health",
        data,
        rows,
        human: told(report),
    }
}

fn credit(view: &PurchaseView) -> Value {
    purchase_fields(&view.account, &view.purchase)
}

/// An amount with its account's digits.
fn show(found: &Found, minor: Minor) -> String {
    let currency = Currency::new(found.finding.currency.clone(), found.exponent);
    currency.map_or_else(|| minor.get().to_string(), |currency| currency.show(minor).to_string())
}

fn finding(found: &Found) -> Value {
    json!({
        "severity": found.finding.severity.name(),
        "finding": found.finding.name,
        "meaning": meaning(&found.finding.name),
        "user_id": found.finding.user_id.as_str(),
        "currency": found.finding.currency.as_str(),
        "stored": show(found, found.finding.stored),
        "expected": show(found, found.finding.expected),
        "fixed": found.fixed,
    })
}

fn told(report: &HealthReport) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !report.findings.is_empty() {
        let rows = report.findings.iter().map(|found| {
            let finding = &found.finding;
            vec![
                finding.severity.name().into(),
                finding.user_id.to_string(),
                finding.currency.to_string(),
                meaning(&finding.name).into(),
                show(found, finding.stored),
                show(found, finding.expected),
                if found.fixed { "fixed" } else { "" }.into(),
            ]
        });
        blocks.push(Block::Table {
            headers: vec!["Severity", "User", "Currency", "Finding", "Stored", "Expected", ""],
            rows: rows.collect(),
        });
    }
    blocks.push(Block::Pairs(vec![
        ("Checked", format!("{} accounts", report.checked)),
        ("Critical", report.count(Severity::Critical).to_string()),
        ("Warning", report.count(Severity::Warning).to_string()),
        ("Fixed", report.fixed().to_string()),
    ]));
    if let Some(backup) = &report.backup {
        blocks.push(Block::Line(format!("Copied to {} before", backup.display())));
    }
    blocks.extend(warning(
        "Due, run `ledger process-pending-credits`:",
        &report.due_credits,
    ));
    blocks.extend(warning(INACTIVE, &report.inactive_credits));
    if report.count(Severity::Critical) > 0 {
        blocks.push(Block::Line(
            "CRITICAL findings are not repaired: look at `ledger history` and `ledger holds` of these users.".into(),
        ));
    } else if report.count(Severity::Warning) > 0 {
        blocks.push(Block::Line("Repair with `ledger health --fix`.".into()));
    }
    blocks
}
