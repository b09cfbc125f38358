//! Lines of a stream, with their numbers, in bounded memory.

use std::io::{self, BufRead};

/// Longest line worth reading, in bytes.
pub const LONGEST_LINE: usize = 64 * 1024;

/// UTF-8's, at the beginning of a file.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line's number in the file, from 1, and what it says; without its end.
pub type Numbered<T> = (u64, Result<T, String>);

/// Hands out line after line; of one that is too long, only that it was.
pub struct Lines<R> {
    source: R,
    number: u64,
    /// In bytes.
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    /// A byte-order mark at the beginning is no part of the first line.
    pub fn of(source: R) -> io::Result<Self> {
        Self::up_to(source, LONGEST_LINE)
    }

    /// As [`Self::of`], with lines of up to so many bytes.
    pub fn up_to(mut source: R, longest: usize) -> io::Result<Self> {
        if source.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            source.consume(3);
        }
        Ok(Self {
            source,
            number: 0,
            longest,
        })
    }

    pub const fn source(&self) -> &R {
        &self.source
    }

    /// The number of the line that was read last.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty; `None` at the end.
    pub fn read(&mut self) -> io::Result<Option<Numbered<Vec<u8>>>> {
        loop {
            let mut line = Vec::new();
            let mut length = 0_usize;
            let ended = loop {
                let buffer = self.source.fill_buf()?;
                if buffer.is_empty() {
                    break length == 0;
                }
                let end = buffer.iter().position(|byte| *byte == b'\n');
                let piece = &buffer[..end.unwrap_or(buffer.len())];
                length += piece.len();
                if length <= self.longest {
                    line.extend_from_slice(piece);
                }
                let used = piece.len() + usize::from(end.is_some());
                self.source.consume(used);
                if end.is_some() {
                    break false;
                }
            };
            if ended {
                return Ok(None);
            }
            self.number += 1;
            if length > self.longest {
                let reason = format!("the line is longer than {} bytes", self.longest);
                return Ok(Some((self.number, Err(reason))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Ok(line))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::of(io::BufReader::with_capacity(7, text)).unwrap();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.read().unwrap() {
            all.push((number, line.ok().map(|line| String::from_utf8(line).unwrap())));
        }
        all
    }

    #[test]
    fn numbers_lines_skips_empty_ones_and_leaves_long_ones_out() {
        let long = "x".repeat(LONGEST_LINE + 1);
        let text = format!("\u{feff}one\n\n  \nfour\r\n{long}\nsix");
        let lines = read(text.as_bytes());
        let expected = [
            (1, Some("one".to_owned())),
            (4, Some("four\r".to_owned())),
            (5, None),
            (6, Some("six".to_owned())),
        ];
        assert_eq!(lines, expected);
        assert!(read(b"").is_empty());
        assert!(read(b"\n\n").is_empty());
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(read(longest.as_bytes()), [(1, Some(longest))]);
    }
}
