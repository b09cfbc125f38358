//! PostgreSQL's COPY: the fastest way for many rows into a table.

use std::io::{self, Write};

use diesel::pg::CopyFormat;
use diesel::{ExecuteCopyFromDsl, PgConnection, QueryResult};

use super::statement::Binds;
use crate::domain::hex;

/// The columns that are copied, in the order in which [`Rows`] get them; what is left out has its default.
mod tables {
    diesel::table! {
        entries (account_id, seq) {
            account_id -> BigInt,
            seq -> BigInt,
            balance_delta -> BigInt,
            held_delta -> BigInt,
            debt_delta -> BigInt,
            kind -> Text,
            balance_after -> BigInt,
            held_after -> BigInt,
            debt_after -> BigInt,
            reverses -> Nullable<BigInt>,
            at -> BigInt,
            hash -> Binary,
            counter_account -> Text,
            actor -> Text,
            idempotency_key -> Nullable<Text>,
            reference -> Nullable<Text>,
            description -> Nullable<Text>,
            metadata -> Nullable<Text>,
        }
    }

    diesel::table! {
        intents (account_id, idempotency_key, attempt) {
            account_id -> BigInt,
            idempotency_key -> Text,
            attempt -> BigInt,
            operation -> Text,
            payload -> Text,
            actor -> Text,
            created_at -> BigInt,
            state -> Text,
            reason -> Nullable<Text>,
            first_seq -> Nullable<BigInt>,
            last_seq -> Nullable<BigInt>,
            subject -> Nullable<BigInt>,
            duration_us -> Nullable<BigInt>,
        }
    }

    diesel::table! {
        recharges (account_id, number) {
            account_id -> BigInt,
            number -> BigInt,
            amount -> BigInt,
            method -> Text,
            status -> Text,
            created_at -> BigInt,
            expires_at -> Nullable<BigInt>,
            finished_at -> Nullable<BigInt>,
            entry_seq -> Nullable<BigInt>,
            gateway_response -> Nullable<Text>,
            reference -> Nullable<Text>,
            description -> Nullable<Text>,
            metadata -> Nullable<Text>,
        }
    }

    diesel::table! {
        holds (account_id, number) {
            account_id -> BigInt,
            number -> BigInt,
            amount -> BigInt,
            remaining -> BigInt,
            committed -> BigInt,
            released -> BigInt,
            status -> Text,
            service -> Nullable<Text>,
            created_at -> BigInt,
            expires_at -> Nullable<BigInt>,
            finished_at -> Nullable<BigInt>,
            entry_seq -> BigInt,
            reference -> Nullable<Text>,
            description -> Nullable<Text>,
            metadata -> Nullable<Text>,
        }
    }
}

/// Which table.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    Entries,
    Intents,
    Recharges,
    Holds,
}

/// Rows in COPY's text format, cell by cell.
#[derive(Debug, Default)]
pub struct Rows(String);

impl<'a> Binds<'a> for &mut Rows {
    fn int(self, value: impl Into<Option<i64>>) -> Self {
        match value.into() {
            Some(value) => {
                self.0.push_str(itoa::Buffer::new().format(value));
                self.0.push('\t');
            }
            None => self.null(),
        }
        self
    }

    fn text(self, value: impl Into<Option<&'a str>>) -> Self {
        let Some(value) = value.into() else {
            self.null();
            return self;
        };
        // Most have nothing to be escaped, which is told fastest of all their bytes at once.
        if !value.bytes().fold(false, |found, byte| found | parts_cells(byte)) {
            self.0.push_str(value);
            self.0.push('\t');
            return self;
        }
        for piece in value.split_inclusive(['\\', '\t', '\n', '\r']) {
            let special = piece.chars().next_back().and_then(escaped);
            let plain = special.map_or(piece, |_| &piece[..piece.len() - 1]);
            self.0.push_str(plain);
            self.0.push_str(special.unwrap_or_default());
        }
        self.0.push('\t');
        self
    }

    fn bytes(self, value: &'a [u8; 32]) -> Self {
        self.0.push_str("\\\\x");
        hex::push(&mut self.0, value);
        self.0.push('\t');
        self
    }
}

impl Rows {
    fn null(&mut self) {
        self.0.push_str("\\N\t");
    }

    fn end(&mut self) {
        self.0.pop();
        self.0.push('\n');
    }
}

const fn parts_cells(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')
}

const fn escaped(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    }
}

/// Appends a row for each item, its cells written by `cells`; how many there were.
///
/// They are written while they are sent, so that the server is at work on the first ones by then.
pub fn copy<I: Iterator + Clone>(
    connection: &mut PgConnection,
    target: Target,
    items: I,
    cells: impl Fn(&mut Rows, I::Item) -> &mut Rows,
) -> QueryResult<usize> {
    if items.clone().next().is_none() {
        return Ok(0);
    }
    let send = |to: &mut dyn Write| -> QueryResult<()> {
        let sent = send_rows(to, items.clone(), &cells);
        sent.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))
    };
    macro_rules! into {
        ($table:ident) => {
            diesel::copy_from(tables::$table::table)
                .from_raw_data(tables::$table::table, send)
                .with_format(CopyFormat::Text)
                .execute(connection)
        };
    }
    match target {
        Target::Entries => into!(entries),
        Target::Intents => into!(intents),
        Target::Recharges => into!(recharges),
        Target::Holds => into!(holds),
    }
}

fn send_rows<T>(
    to: &mut dyn Write,
    items: impl Iterator<Item = T>,
    cells: &impl Fn(&mut Rows, T) -> &mut Rows,
) -> io::Result<()> {
    // The driver sends each piece as a message of its own.
    const PIECE: usize = 1 << 14;
    let mut rows = Rows(String::with_capacity(2 * PIECE));
    for item in items {
        cells(&mut rows, item).end();
        if rows.0.len() >= PIECE {
            to.write_all(rows.0.as_bytes())?;
            rows.0.clear();
        }
    }
    to.write_all(rows.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_parted_and_what_parts_them_is_escaped() {
        let mut rows = Rows::default();
        let hash = [0x0f; 32];
        rows.int(1)
            .int(None)
            .text("a\\b\tc\nd\\")
            .text(None)
            .text("")
            .bytes(&hash)
            .end();
        let hash = "0f".repeat(32);
        assert_eq!(rows.0, format!("1\t\\N\ta\\\\b\\tc\\nd\\\\\t\\N\t\t\\\\x{hash}\n"));
    }

    #[test]
    fn rows_are_sent_in_order_whatever_the_pieces() {
        fn cells(rows: &mut Rows, number: i64) -> &mut Rows {
            rows.int(number)
        }
        let mut sent = Vec::new();
        send_rows(&mut sent, 0..10_000, &cells).unwrap();
        let expected: Vec<String> = (0..10_000).map(|number: i64| number.to_string()).collect();
        assert!(sent == (expected.join("\n") + "\n").as_bytes());
    }
}
