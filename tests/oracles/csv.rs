//! Rows of `apply` under a header: each means what the object of its cells means, and no part of a line is lost.

use ledger::input::lines::LONGEST_LINE;
use ledger::input::operations::Fields;
use ledger::input::rows::Rows;
use serde_json::{Map, Value};

use super::requests::{check_refusal, numbered, request};

pub fn check(bytes: &[u8]) {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let line_of = |number: u64| lines[number as usize - 1];
    let mut expected = numbered(text, LONGEST_LINE).into_iter();
    let beginning = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if beginning.is_none_or(|byte| *byte == b'{') {
        return;
    }
    let (header_at, too_long) = expected.next().expect("something stands there");
    let header = if too_long { None } else { cells(line_of(header_at)) };
    let mut rows = match Rows::of(bytes, "op") {
        Ok(rows) => rows,
        Err(reason) => {
            let fits = header.is_some_and(|header| header.iter().any(|name| name == "op"));
            assert!(!fits, "{reason}: {:?}", String::from_utf8_lossy(line_of(header_at)));
            return;
        }
    };
    let mut open = false;
    while let Some((number, fields)) = rows.read().expect("memory can be read") {
        let (expected_number, too_long) = expected.next().expect("as many rows as lines");
        assert_eq!(number, expected_number);
        let asked = request(fields);
        if let Err(wrong) = &asked {
            check_refusal(wrong);
        }
        let line = line_of(number);
        let shown = String::from_utf8_lossy(line);
        let was_open = open;
        if !too_long {
            open = std::str::from_utf8(line).is_ok() && ends_within_quotes(line, was_open);
        }
        if was_open || open {
            assert!(asked.is_err(), "{shown:?} is a part of a cell: {asked:?}");
        } else if too_long || std::str::from_utf8(line).is_err() || holds_a_line_end(line) {
            assert!(asked.is_err(), "{shown:?} was read in part: {asked:?}");
        } else if let (Some(header), Some(cells)) = (&header, cells(line)) {
            match object(header, &cells) {
                Some(object) => assert_eq!(
                    asked,
                    request(Fields::from_json(object.as_bytes())),
                    "{shown:?} and {object}"
                ),
                None => assert!(asked.is_err(), "{shown:?} under {header:?}: {asked:?}"),
            }
        }
    }
    assert_eq!(expected.next(), None, "a line was left out");
}

/// The object of the cells that are not empty; none where the header does not fit, or names one of them twice.
fn object(header: &[String], cells: &[String]) -> Option<String> {
    let mut object = Map::new();
    for (name, cell) in header.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        if object.insert(name.clone(), Value::String(cell.clone())).is_some() {
            return None;
        }
    }
    (header.len() == cells.len()).then(|| Value::Object(object).to_string())
}

/// A carriage return that does not belong to the line's own end, outside of quotes.
fn holds_a_line_end(line: &[u8]) -> bool {
    let mut quoted = false;
    let line = line.trim_ascii_end();
    line.iter().any(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'\r' && !quoted
    })
}

/// Whether a cell goes on in the next line, of a line that may begin within one.
fn ends_within_quotes(line: &[u8], begins_within: bool) -> bool {
    enum At {
        Beginning,
        Plain,
        Quoted,
        Closed,
    }
    let mut at = if begins_within { At::Quoted } else { At::Beginning };
    for byte in line {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) | (At::Beginning | At::Closed, b'"') => At::Quoted,
            (_, b'\r') => return false,
            (_, b',') => At::Beginning,
            _ => At::Plain,
        };
    }
    matches!(at, At::Quoted)
}

/// The trimmed cells of a line without odd quotes: those around a whole cell, doubled within, and no others.
fn cells(line: &[u8]) -> Option<Vec<String>> {
    let mut rest = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    if rest.contains('\r') {
        return None;
    }
    let mut cells = Vec::new();
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut end = quoted.find('"')?;
                while quoted[end + 1..].starts_with('"') {
                    end += 2 + quoted[end + 2..].find('"')?;
                }
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if cell.contains('"') && !rest.starts_with('"') {
            return None;
        }
        cells.push(cell.trim().to_owned());
        rest = match after {
            "" => return Some(cells),
            after => after.strip_prefix(',')?,
        };
    }
}
