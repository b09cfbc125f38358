//! Lines of `apply` as objects: each is a request or refused with a code, whatever the others are, and the order of its
//! fields says nothing.

use ledger::input::lines::LONGEST_LINE;
use ledger::input::operations::Fields;
use ledger::input::rows::Rows;
use serde_json::{Map, Value};

use super::requests::{check_refusal, numbered, request};

pub fn check(bytes: &[u8]) {
    // What begins with a brace is NDJSON.
    let text = [b"{}\n", bytes].concat();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let mut rows = Rows::of(&*text, "op").expect("NDJSON has no header");
    let mut found = Vec::new();
    while let Some((number, fields)) = rows.read().expect("memory can be read") {
        let line = lines[number as usize - 1];
        found.push((number, line.len() > LONGEST_LINE));
        let asked = request(fields);
        if let Err(wrong) = &asked {
            check_refusal(wrong);
        }
        if let Some(turned) = turned(line) {
            let asked_turned = request(Fields::from_json(turned.as_bytes()));
            let of_both = (
                asked.map_err(|wrong| wrong.code),
                asked_turned.map_err(|wrong| wrong.code),
            );
            assert_eq!(of_both.0, of_both.1, "{} and {turned}", String::from_utf8_lossy(line));
        }
    }
    assert_eq!(found, numbered(&text, LONGEST_LINE));
}

/// The same object with its fields the other way round; none where one stands twice.
fn turned(line: &[u8]) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_slice(line)
        .ok()
        .filter(|_| line.len() <= LONGEST_LINE)?;
    // Fields that stand twice are refused, and lost here.
    Fields::from_json(line).ok()?;
    let turned: Map<String, Value> = fields.into_iter().rev().collect();
    Some(Value::Object(turned).to_string())
}
