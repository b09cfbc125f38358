//! Rows of a file with their line numbers: objects of NDJSON, or rows of CSV under a header.

use std::borrow::Cow;
use std::io::{self, BufRead};

use super::lines::{BYTE_ORDER_MARK, Lines};
use super::operations::{Fields, Wrong};
use crate::domain::code::Code;

/// Hands out row after row; one that cannot be read does not stop the others.
pub struct Rows<R> {
    lines: Lines<R>,
    /// Of CSV.
    headers: Option<csv::StringRecord>,
}

fn wrong(reason: String) -> Wrong {
    Wrong {
        code: Code::InvalidInput,
        reason,
    }
}

impl<R: BufRead> Rows<R> {
    /// What begins with a brace is NDJSON, anything else CSV, whose header must name that column.
    pub fn of(mut source: R, column: &str) -> Result<Self, String> {
        let unreadable = |error: io::Error| error.to_string();
        let beginning = source.fill_buf().map_err(unreadable)?;
        let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        let mut lines = Lines::of(source).map_err(unreadable)?;
        if first.is_none_or(|byte| byte == b'{') {
            return Ok(Self { lines, headers: None });
        }
        let header = lines.read().map_err(unreadable)?;
        let headers = header.and_then(|(_, line)| cells(&line.ok()?).ok());
        match headers.filter(|headers| headers.iter().any(|name| name == column)) {
            Some(headers) => Ok(Self {
                lines,
                headers: Some(headers),
            }),
            None => Err(format!(
                "neither NDJSON nor a CSV whose first line names the columns, among them {column}"
            )),
        }
    }

    pub const fn source(&self) -> &R {
        self.lines.source()
    }

    /// The next row; `None` at the end.
    pub fn read(&mut self) -> io::Result<Option<(u64, Result<Fields, Wrong>)>> {
        let Some((number, line)) = self.lines.read()? else {
            return Ok(None);
        };
        let fields = line.map_err(wrong).and_then(|line| match &self.headers {
            None => Fields::from_json(&line),
            Some(headers) => under(headers, &line).map_err(wrong),
        });
        Ok(Some((number, fields)))
    }
}

fn under(headers: &csv::StringRecord, line: &[u8]) -> Result<Fields, String> {
    let cells = cells(line)?;
    if cells.len() != headers.len() {
        let (found, wanted) = (cells.len(), headers.len());
        return Err(format!("the row has {found} cells, the header {wanted}"));
    }
    Ok(Fields::from_csv(headers, &cells))
}

/// The cells of one line; none may hold the end of a line, and nothing may stand behind one.
fn cells(line: &[u8]) -> Result<csv::StringRecord, String> {
    // The reader drops a byte order mark. That of the file is gone already; one further down belongs to its cell.
    let line = if line.starts_with(BYTE_ORDER_MARK) {
        Cow::Owned([BYTE_ORDER_MARK, line].concat())
    } else {
        Cow::Borrowed(line)
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&*line);
    let (mut cells, mut behind) = (csv::StringRecord::new(), csv::StringRecord::new());
    let read = reader.read_record(&mut cells);
    match read.and_then(|_| reader.read_record(&mut behind)) {
        Ok(false) => Ok(cells),
        Ok(true) => Err("the row holds a carriage return: rows end with a line feed".into()),
        Err(_) => Err("the row is not valid UTF-8".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each row, what is wrong with it.
    fn wrongs(text: &str) -> Vec<Option<String>> {
        let mut rows = Rows::of(text.as_bytes(), "op").unwrap();
        let read = std::iter::from_fn(|| rows.read().unwrap());
        read.map(|(_, fields)| fields.err().map(|wrong| wrong.reason)).collect()
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_at_the_beginning_of_a_file_only() {
        let mut rows = Rows::of("\u{feff}user_id,op\n\u{feff}5,charge\n".as_bytes(), "op").unwrap();
        let (_, fields) = rows.read().unwrap().unwrap();
        let as_json = Fields::from_json("{\"user_id\":\"\u{feff}5\",\"op\":\"charge\"}".as_bytes());
        assert_eq!(format!("{fields:?}"), format!("{as_json:?}"));
    }

    #[test]
    fn what_stands_behind_a_carriage_return_is_not_passed_over() {
        let told = wrongs("op,user_id\r\ncharge,5\r\ncharge,5\rcharge,6\r\ncharge,\"5\r6\"\n");
        let within = "the row holds a carriage return: rows end with a line feed";
        assert_eq!(told, [None, Some(within.to_owned()), None]);
        assert!(Rows::of("op,user_id\rcharge,5\r".as_bytes(), "op").is_err());
    }
}
