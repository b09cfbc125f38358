//! Rows of a file with their line numbers: objects of NDJSON, or rows of CSV under a header.

use std::collections::HashSet;
use std::io::{self, BufRead};

use super::lines::{BYTE_ORDER_MARK, Lines};
use super::operations::{Fields, Wrong};
use crate::domain::code::Code;

/// Hands out row after row; one that cannot be read does not stop the others.
pub struct Rows<R> {
    lines: Lines<R>,
    /// Of CSV.
    headers: Option<csv::StringRecord>,
    /// The line with a quote that has not been closed since: what follows is the text of a cell.
    open_since: Option<u64>,
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
            return Ok(Self {
                lines,
                headers: None,
                open_since: None,
            });
        }
        let header = lines.read().map_err(unreadable)?;
        let headers = header.and_then(|(_, line)| cells(b"", &line.ok()?).ok().flatten());
        match headers.filter(|headers| headers.iter().any(|name| name == column)) {
            Some(headers) => Ok(Self {
                lines,
                headers: Some(headers),
                open_since: None,
            }),
            None => Err(format!(
                "neither NDJSON nor a CSV whose first line names the columns, among them {column}"
            )),
        }
    }

    /// A column of which one cannot tell which is meant.
    pub fn doubled(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        let mut columns = self.headers.iter().flatten();
        columns.find(|name| !name.is_empty() && !seen.insert(*name))
    }

    pub const fn source(&self) -> &R {
        self.lines.source()
    }

    /// The next row; `None` at the end.
    pub fn read(&mut self) -> io::Result<Option<(u64, Result<Fields, Wrong>)>> {
        let Some((number, line)) = self.lines.read()? else {
            return Ok(None);
        };
        let fields = match (&self.headers, line) {
            (_, Err(why)) => Err(wrong(why)),
            (None, Ok(line)) => Fields::from_json(&line),
            (Some(headers), Ok(line)) => match self.open_since {
                None => {
                    let fields = under(headers, &line);
                    self.open_since = matches!(fields, Ok(None)).then_some(number);
                    fields.and_then(|fields| fields.ok_or_else(|| STAYS_OPEN.to_owned()))
                }
                Some(since) => {
                    self.open_since = matches!(cells(QUOTE, &line), Ok(None)).then_some(since);
                    Err(format!("it is the text of a cell that was opened in line {since}"))
                }
            }
            .map_err(wrong),
        };
        Ok(Some((number, fields)))
    }
}

/// `None` where the line ends within quotes.
fn under(headers: &csv::StringRecord, line: &[u8]) -> Result<Option<Fields>, String> {
    let Some(cells) = cells(b"", line)? else {
        return Ok(None);
    };
    if cells.len() != headers.len() {
        let (found, wanted) = (cells.len(), headers.len());
        return Err(format!("the row has {found} cells, the header {wanted}"));
    }
    Ok(Some(Fields::from_csv(headers, &cells)))
}

const QUOTE: &[u8] = b"\"";

const STAYS_OPEN: &str = "a quote is opened and not closed in this line: no cell may hold the end of a line";

/// What is put behind a line: the reader takes a quote that is never closed for closed, so it is seen whether this is a
/// row of its own.
const NEXT_ROW: &[u8] = b"\n.";

/// The cells of one line, after a quote that is open if one is; `None` where it ends within quotes. No cell may hold the
/// end of a line, and nothing may stand behind one.
fn cells(open: &[u8], line: &[u8]) -> Result<Option<csv::StringRecord>, String> {
    // The reader drops a byte order mark. That of the file is gone already; one further down belongs to its cell.
    let mark = if open.is_empty() && line.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK
    } else {
        b""
    };
    let text = [open, mark, line, NEXT_ROW].concat();
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&*text)
        .into_records();
    let mut row = || {
        rows.next()
            .transpose()
            .map_err(|_| "the row is not valid UTF-8".to_owned())
    };
    match (row()?, row()?, row()?) {
        (Some(cells), Some(next), None) if next == ["."][..] => Ok(Some(cells)),
        (Some(_), None, None) => Ok(None),
        _ => Err("the row holds a carriage return: rows end with a line feed".into()),
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
    fn no_line_of_a_cell_that_has_several_is_done_as_if_it_stood_alone() {
        let told = wrongs(
            "op,user_id\ncharge,\"thanks\ncharge,6\ncharge,7\"\ncharge,\"5\"\n\"charge\",\"\"\"5\"\ncharge,\"\n\"\ncharge,8\n",
        );
        let open = || Some(STAYS_OPEN.to_owned());
        let text_of = |line: u64| Some(format!("it is the text of a cell that was opened in line {line}"));
        let right = || None;
        let wanted = [
            open(),
            text_of(2),
            text_of(2),
            right(),
            right(),
            open(),
            text_of(7),
            right(),
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_stands_behind_a_carriage_return_is_not_passed_over() {
        let told = wrongs("op,user_id\r\ncharge,5\r\ncharge,5\rcharge,6\r\ncharge,\"5\r6\"\n");
        let within = "the row holds a carriage return: rows end with a line feed";
        assert_eq!(told, [None, Some(within.to_owned()), None]);
        assert!(Rows::of("op,user_id\rcharge,5\r".as_bytes(), "op").is_err());
    }
}
