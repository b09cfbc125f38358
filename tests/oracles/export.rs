//! Exports: every line is read or wrong, in whatever pieces the file comes; no other checksum than that of the lines
//! before ends one.

use std::fmt::Write as _;
use std::io::{BufReader, Cursor};

use ledger::input::export::ExportReader;
use ledger::ledger::restore::Part;
use sha2::{Digest, Sha256};

/// Stands in the place of the checksum that the lines come to.
const CHECKSUM: &str = "CHECKSUM";

pub fn check(bytes: &[u8]) {
    // That a byte-order mark is no part of the first line is for others to see.
    let text = with_checksum(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let (parts, reason) = read(&text, 8 * 1024);
    let in_pieces = read(&text, 7);
    assert_eq!(
        (&parts, &reason),
        (&in_pieces.0, &in_pieces.1),
        "how a file comes makes a difference"
    );

    let numbers: Vec<u64> = parts.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let ended = parts.last().is_some_and(|(_, part)| part.starts_with("End"));
    assert!(
        ended || reason.is_some(),
        "nothing is wrong after {} parts, and it has not ended",
        parts.len()
    );
    if !ended {
        return;
    }
    let line = |number: u64| {
        text.split(|byte| *byte == b'\n')
            .nth(number as usize - 1)
            .expect("as many lines")
    };
    let last = *numbers.last().expect("an end");
    let sum = checksum(text.split(|byte| *byte == b'\n').take(last as usize - 1));
    let says = String::from_utf8_lossy(line(last)).contains(&sum);
    assert!(
        says || (1..last).any(|number| line(number).trim_ascii().is_empty()),
        "another checksum than {sum}"
    );
}

/// What is read until the end or the first wrong line, and what is wrong with that.
fn read(text: &[u8], piece: usize) -> (Vec<(u64, String)>, Option<String>) {
    let mut reader = ExportReader::of(BufReader::with_capacity(piece, Cursor::new(text))).expect("memory can be read");
    let mut parts = Vec::new();
    loop {
        match reader.read().expect("memory can be read") {
            None => return (parts, None),
            Some((number, Ok(part))) => parts.push((number, shown(&part))),
            Some((_, Err(reason))) => {
                assert!(!reason.is_empty());
                return (parts, Some(reason));
            }
        }
    }
}

/// All of it that does not change from run to run: acts are given names of their own.
fn shown(part: &Part) -> String {
    match part {
        Part::Account(account) => format!("Account {account:?}"),
        Part::Entry(entry) => format!("Entry {entry:?}"),
        Part::Balance(state) => format!("Balance {state:?}"),
        Part::Currency(currency) => format!("Currency {currency:?}"),
        Part::Beside(_) => "Beside".to_owned(),
        Part::End(totals) => format!("End {totals:?}"),
    }
}

/// The text with the checksum of the lines before the first line that asks for it.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let asks = |line: &&[u8]| line.windows(CHECKSUM.len()).any(|text| text == CHECKSUM.as_bytes());
    let Some(at) = lines.iter().position(asks) else {
        return bytes.to_vec();
    };
    let held = lines[..at].iter().filter(|line| !line.trim_ascii().is_empty());
    let sum = checksum(held.copied());
    let end = String::from_utf8_lossy(lines[at]).replace(CHECKSUM, &sum);
    let mut text = lines[..at].join(&b'\n');
    if at > 0 {
        text.push(b'\n');
    }
    text.extend_from_slice(end.as_bytes());
    for line in &lines[at + 1..] {
        text.push(b'\n');
        text.extend_from_slice(line);
    }
    text
}

fn checksum<'a>(lines: impl Iterator<Item = &'a [u8]>) -> String {
    let mut sum = Sha256::new();
    for line in lines {
        sum.update(line);
        sum.update(b"\n");
    }
    sum.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
