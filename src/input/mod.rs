//! Reading what others hand in: files of accounts, exports, callbacks of gateways. With size limits and places of errors.

pub mod accounts;
pub mod callback;
pub mod export;
pub mod lines;
pub mod operations;
pub mod rows;

use std::time::Duration;

/// Reads 500ms, 30s, 20m, 48h or 7d; `None` for anything else, and beyond ten years.
pub fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let longest = 3650 * 86_400_000;
    let millis = number.checked_mul(unit).filter(|millis| *millis <= longest)?;
    Some(Duration::from_millis(millis))
}
