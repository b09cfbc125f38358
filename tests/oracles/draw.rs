//! Values made of the bytes that a fuzzer hands in; zeros once they are used up.

use ledger::domain::currency::{Currency, CurrencyCode, MAX_EXPONENT};
use ledger::domain::text::is_unprintable;

pub struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub fn integer(&mut self) -> i64 {
        i64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Up to 255 bytes, what is no UTF-8 replaced.
    pub fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// What every text of the ledger may be: printable, trimmed, of few bytes and not empty.
    pub fn line(&mut self) -> String {
        let text: String = self.text().chars().filter(|c| !is_unprintable(*c)).take(32).collect();
        let text = text.trim();
        if text.is_empty() {
            "x".to_owned()
        } else {
            text.to_owned()
        }
    }

    pub fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() % 2 == 1).then(|| value(self))
    }

    /// One of each number of digits that there may be.
    pub fn currency(&mut self) -> Currency {
        let exponent = self.byte() % (MAX_EXPONENT + 1);
        let code = CurrencyCode::parse("UNIT").expect("a code");
        Currency::new(code, exponent).expect("few digits")
    }

    /// What has not been drawn yet, if it is UTF-8.
    pub fn rest(&self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }
}
