//! Users from a CSV or NDJSON file.
//!
//! CSV has a header with `user_id` and, as wished, `currency` and `low_balance_threshold`; NDJSON has objects
//! with the same fields. A bad line is reported by its number and does not stop the others.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use super::lines::{Lines, Numbered};

/// A line as read, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLine {
    pub user_id: String,
    pub currency: Option<String>,
    pub low_balance_threshold: Option<String>,
}

/// Reads either format: a file whose first character is `{` is NDJSON.
pub fn read(source: impl Read) -> Result<Vec<Numbered<AccountLine>>, String> {
    let mut source = BufReader::new(source);
    skip_byte_order_mark(&mut source).map_err(|error| error.to_string())?;
    let first = source.fill_buf().map_err(|error| error.to_string())?.first().copied();
    if first == Some(b'{') {
        read_ndjson(source)
    } else {
        read_csv(source)
    }
}

fn skip_byte_order_mark(source: &mut impl BufRead) -> std::io::Result<()> {
    if source.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
        source.consume(3);
    }
    Ok(())
}

fn read_ndjson(source: impl BufRead) -> Result<Vec<Numbered<AccountLine>>, String> {
    let mut source = Lines::of(source).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    while let Some((number, line)) = source.read().map_err(|error| error.to_string())? {
        lines.push((number, line.and_then(|line| object(&line))));
    }
    Ok(lines)
}

fn object(line: &[u8]) -> Result<AccountLine, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not valid JSON: {error}"))?;
    let text = |name: &str| match &value[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(format!("{name} must be a text or a number")),
    };
    Ok(AccountLine {
        user_id: text("user_id")?.ok_or("user_id is missing")?,
        currency: text("currency")?,
        low_balance_threshold: text("low_balance_threshold")?,
    })
}

fn read_csv(source: impl Read) -> Result<Vec<Numbered<AccountLine>>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let headers = reader
        .headers()
        .map_err(|error| format!("the header cannot be read: {error}"))?
        .clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let Some(user_id) = column("user_id") else {
        return Err("the first line must name the columns, among them user_id".into());
    };
    let (currency, threshold) = (column("currency"), column("low_balance_threshold"));
    let mut lines = Vec::new();
    for record in reader.into_records() {
        match record {
            Ok(record) => {
                let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|cell| !cell.is_empty());
                let line = AccountLine {
                    user_id: cell(Some(user_id)).unwrap_or_default().to_string(),
                    currency: cell(currency).map(str::to_string),
                    low_balance_threshold: cell(threshold).map(str::to_string),
                };
                lines.push((record.position().map_or(0, csv::Position::line), Ok(line)));
            }
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                lines.push((number, Err(format!("not valid CSV: {error}"))));
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_formats_and_keeps_going() {
        let csv = "\u{feff}user_id,currency\n5,USD\n6,\n";
        let lines = read(csv.as_bytes()).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].1.as_ref().unwrap().currency.as_deref(), Some("USD"));
        let ndjson = "{\"user_id\":5}\n\nnot json\n{\"user_id\":\"6\",\"low_balance_threshold\":\"10\"}";
        let lines = read(ndjson.as_bytes()).unwrap();
        assert_eq!(
            lines
                .iter()
                .map(|(number, line)| (*number, line.is_ok()))
                .collect::<Vec<_>>(),
            [(1, true), (3, false), (4, true)]
        );
        assert!(read("name\nBob\n".as_bytes()).is_err());
    }
}
