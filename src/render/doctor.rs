//! What `ledger doctor` has found.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::ledger::doctor::{Examination, Finding, Level};

/// All findings, or `only_wrong` ones.
pub fn examination(seen: &Examination, only_wrong: bool) -> Document {
    let findings: Vec<&Finding> = seen
        .findings
        .iter()
        .filter(|finding| !only_wrong || finding.level > Level::Ok)
        .collect();
    let rows: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "check": finding.check,
                "level": finding.level.name(),
                "message": finding.message,
                "remedy": finding.remedy,
            })
        })
        .collect();
    let lines = findings.iter().flat_map(|finding| {
        let line = format!("{:8} {:11} {}", finding.level.name(), finding.check, finding.message);
        let remedy = finding.remedy.as_ref().filter(|_| finding.level > Level::Ok);
        std::iter::once(line).chain(remedy.map(|remedy| format!("{:8} {:11} -> {remedy}", "", "")))
    });
    let human = lines.map(Block::Line).collect();
    Document::list("doctor", "findings", rows, human)
}
