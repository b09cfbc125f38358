//! Users from a CSV or NDJSON file.
//!
//! CSV has a header with `user_id` and, as wished, `currency` and `low_balance_threshold`; NDJSON has objects
//! with the same fields. A bad line is reported by its number and does not stop the others.

use std::io::{BufReader, Read};

use super::lines::Numbered;
use super::operations::{Fields, Wrong};
use super::rows::Rows;

/// A line as read, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLine {
    pub user_id: String,
    pub currency: Option<String>,
    pub low_balance_threshold: Option<String>,
}

/// Reads either format; other fields are nobody's business here.
pub fn read(source: impl Read) -> Result<Vec<Numbered<AccountLine>>, String> {
    let mut rows = Rows::of(BufReader::new(source), "user_id")?;
    if let Some(twice) = rows.doubled() {
        return Err(format!("the column {twice} stands twice"));
    }
    let mut lines = Vec::new();
    while let Some((number, fields)) = rows.read().map_err(|error| error.to_string())? {
        let line = fields.and_then(account).map_err(|wrong| wrong.reason);
        lines.push((number, line));
    }
    Ok(lines)
}

fn account(mut fields: Fields) -> Result<AccountLine, Wrong> {
    Ok(AccountLine {
        user_id: fields.required("user_id")?,
        currency: fields.text("currency")?,
        low_balance_threshold: fields.text("low_balance_threshold")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the lines, and which of them can be used.
    fn numbers(text: &str) -> Vec<(u64, bool)> {
        let lines = read(text.as_bytes()).unwrap();
        lines.iter().map(|(number, line)| (*number, line.is_ok())).collect()
    }

    #[test]
    fn reads_both_formats_and_keeps_going() {
        let csv = "\u{feff}user_id,currency\n5,USD\n6,\n";
        let lines = read(csv.as_bytes()).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].1.as_ref().unwrap().currency.as_deref(), Some("USD"));
        let ndjson = "{\"user_id\":5}\n\nnot json\n{\"user_id\":\"6\",\"low_balance_threshold\":\"10\"}";
        assert_eq!(numbers(ndjson), [(1, true), (3, false), (4, true)]);
        assert!(read("name\nBob\n".as_bytes()).is_err());
        assert!(read("user_id,user_id\n5,6\n".as_bytes()).is_err());
    }

    #[test]
    fn lines_have_the_numbers_that_an_editor_shows() {
        let unix = "user_id,name\n5,Ann\n\n6\n\n\n,Bob\n7,\"C,D\"\n";
        let expected = [(2, true), (4, false), (7, false), (8, true)];
        assert_eq!(numbers(unix), expected);
        assert_eq!(numbers(&unix.replace('\n', "\r\n")), expected);
        assert_eq!(numbers(&format!("\r\n{}", unix.replace('\n', "\r\n")))[0], (3, true));
    }
}
