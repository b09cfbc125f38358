//! A line of `apply` as the command makes a request of it, but for what stands in a database.

use chrono::TimeDelta;
use ledger::domain::code::Code;
use ledger::domain::currency::{Currency, CurrencyCode};
use ledger::domain::entry::Note;
use ledger::domain::intent::Payload;
use ledger::domain::operation::Operation;
use ledger::domain::text::Json;
use ledger::domain::worth::{PerCredit, Terms};
use ledger::input::operations::{Asked, Fields, Line, Owner, Wrong};
use ledger::ledger::payload::{payload, read};
use serde_json::{Map, Value};

/// A request, as far as it can be compared: operation, note and key.
pub type Request = (Operation, Note, Option<String>);

/// Everything of the line is read, in a currency of two digits unless it says another.
pub fn request(fields: Result<Fields, Wrong>) -> Result<Request, Wrong> {
    let terms = Terms {
        purchase_per_credit: PerCredit::parse("10000").expect("a rate"),
        gift_per_credit: PerCredit::parse("0.5").expect("a rate"),
        pending_for: TimeDelta::hours(48),
        paid_in: None,
    };
    let line = Line::read(fields?)?;
    let currency = match line.owner() {
        Owner::User(_, Some(code)) => known(code),
        Owner::User(_, None) | Owner::Account(_) => known(&CurrencyCode::parse("USD").expect("a code")),
    };
    let paid_in = line.paid_in(&terms).map(known);
    let Asked { operation, note, key } = line.asked(&currency, paid_in.as_ref(), &terms)?;
    check_payload(&operation, &note, &currency);
    Ok((operation, note, key.map(|key| key.to_string())))
}

fn known(code: &CurrencyCode) -> Currency {
    let iso = Currency::iso(code.as_str());
    iso.unwrap_or_else(|| Currency::new(code.clone(), 0).expect("no digits"))
}

/// What is recorded of it is read back as it was asked, so that it can be replayed.
pub fn check_payload(operation: &Operation, note: &Note, currency: &Currency) {
    let recorded = payload(operation, note, currency);
    let stored = Payload::stored(recorded.as_str().to_owned());
    let expected = (
        without_null(operation),
        Note {
            metadata: said(note.metadata.as_ref()),
            ..note.clone()
        },
    );
    assert_eq!(read(&stored, currency), Ok(expected), "{}", recorded.as_str());
    let fields: Map<String, Value> = serde_json::from_str(recorded.as_str()).expect("a payload is an object");
    assert_eq!(fields["op"], operation.kind().name());
    assert!(recorded.differences(&stored).is_empty());
}

/// A lone null says nothing, and is not told from it.
fn said(json: Option<&Json>) -> Option<Json> {
    json.filter(|json| json.as_str() != "null").cloned()
}

fn without_null(operation: &Operation) -> Operation {
    let mut operation = operation.clone();
    if let Operation::Recharge { gateway_response, .. } | Operation::MoveRecharge { gateway_response, .. } =
        &mut operation
    {
        *gateway_response = said(gateway_response.as_ref());
    }
    operation
}

/// Refusals are told by a code, and say why.
pub fn check_refusal(wrong: &Wrong) {
    let known = [Code::InvalidInput, Code::InvalidAmount, Code::InvalidMethod];
    assert!(known.contains(&wrong.code), "{wrong:?}");
    assert!(!wrong.reason.is_empty(), "{wrong:?}");
}

/// The numbers of the lines that hold something, counted by splitting; `true` for one that is too long to be read.
pub fn numbered(text: &[u8], longest: usize) -> Vec<(u64, bool)> {
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    let told = lines.filter(|(line, _)| line.len() > longest || line.iter().any(|byte| !byte.is_ascii_whitespace()));
    told.map(|(line, number)| (number, line.len() > longest)).collect()
}
