//! Writing documents and messages to the two standard streams.

use std::io::{self, ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::apply::Row;
use super::document::{Block, Document};
use super::terminal::escape_lines;
use crate::domain::text::{escape, escape_unprintable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Ndjson,
    Csv,
}

/// Where documents go, and in which format.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    pub format: Format,
    /// Nothing wrong, nothing said.
    pub quiet: bool,
}

impl Writer {
    /// Shows the outcome on standard output; `ok` tells whether anything is wrong with it.
    pub fn show(&self, document: &Document, ok: bool) -> io::Result<()> {
        if self.quiet && ok {
            return Ok(());
        }
        let text = match self.format {
            Format::Table => people(&document.human),
            Format::Json => {
                let schema = format!("ledger.{}/1", document.command);
                line(&json!({"schema": schema, "ok": ok, "data": document.data}))
            }
            Format::Ndjson => document.rows.iter().map(line).collect(),
            Format::Csv => csv(&document.rows)?,
        };
        write_all(&mut io::stdout().lock(), &text)
    }

    /// Rows of a stream, one a line in every format; when quiet only those that are not well.
    pub fn rows(&self, rows: &[Row]) -> io::Result<()> {
        let mut text = String::with_capacity(rows.iter().map(|row| row.text.len() + 1).sum());
        for row in rows.iter().filter(|row| !(self.quiet && row.ok)) {
            text.push_str(&escape_unprintable(&row.text));
            text.push('\n');
        }
        write_all(&mut io::stdout().lock(), &text)
    }

    /// What people want to know beside a stream, on standard error.
    pub fn tell_aside(&self, document: &Document) -> io::Result<()> {
        if self.quiet || self.format != Format::Table {
            return Ok(());
        }
        write_all(&mut io::stderr().lock(), &people(&document.human))
    }

    /// A step of a command that tells a story as it goes; for people only.
    pub fn tell(&self, text: &str) -> io::Result<()> {
        if self.quiet || self.format != Format::Table {
            return Ok(());
        }
        write_all(&mut io::stdout().lock(), &format!("{}\n", escape_lines(text)))
    }

    /// Shows a failure on standard error.
    pub fn fail(&self, error: &Value, message: &str) -> io::Result<()> {
        let text = match self.format {
            Format::Table => format!("error: {}\n", escape_lines(message)),
            Format::Json | Format::Ndjson | Format::Csv => {
                line(&json!({"schema": "ledger.error/1", "ok": false, "error": error}))
            }
        };
        write_all(&mut io::stderr().lock(), &text)
    }
}

/// A reader that has gone away has seen what it wanted.
fn write_all(stream: &mut impl Write, text: &str) -> io::Result<()> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn line(value: &Value) -> String {
    format!("{}\n", escape_unprintable(&value.to_string()))
}

fn people(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Line(line) => text.push_str(&escape_lines(line)),
            Block::Pairs(pairs) => {
                let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let lines: Vec<String> = pairs
                    .iter()
                    .map(|(name, value)| format!("{name:width$}  {}", escape(value)))
                    .collect();
                text.push_str(&lines.join("\n"));
            }
            Block::Table { headers, rows } => text.push_str(&table(headers, rows)),
        }
        text.push('\n');
    }
    text
}

fn table(headers: &[&'static str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell).into_owned()));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The columns are the fields of the first row, which every row of a kind has.
fn csv(rows: &[Value]) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns: Vec<&String> = rows
        .first()
        .and_then(Value::as_object)
        .map(|row| row.keys().collect())
        .unwrap_or_default();
    if columns.is_empty() {
        return Ok(String::new());
    }
    writer.write_record(&columns)?;
    for row in rows {
        writer.write_record(columns.iter().map(|column| cell(&row[column.as_str()])))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => spreadsheet_safe(&escape(text)),
        other => escape(&other.to_string()).into_owned(),
    }
}

/// A text that a spreadsheet would run as a formula gets an apostrophe; numbers with a sign stay as they are.
fn spreadsheet_safe(text: &str) -> String {
    let formula = match text.as_bytes().first() {
        Some(b'=' | b'@') => true,
        Some(b'+' | b'-') => !text[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        _ => false,
    };
    if formula { format!("'{text}") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_and_defuses() {
        let rows = [json!({"a": "x,\"y\"", "b": "=1+1", "c": "-5.00", "d": null, "e": {"k": 1}})];
        assert_eq!(
            csv(&rows).unwrap(),
            "a,b,c,d,e\n\"x,\"\"y\"\"\",'=1+1,-5.00,,\"{\"\"k\"\":1}\"\n"
        );
    }
}
