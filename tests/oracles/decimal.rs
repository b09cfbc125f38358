//! Plain decimals read and written digit by digit.

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// No digits with at most one point between them.
    Malformed,
    TooManyDecimals,
    /// Beyond 64 bits, or a text longer than any that is looked at.
    TooLarge,
    /// So many units of the last place.
    Units(i64),
}

/// Characters that are looked at in an amount.
const LONGEST: usize = 40;

pub fn read(text: &str, places: u8) -> Decimal {
    let (mut units, mut whole, mut after) = (Some(0_i64), 0_usize, None::<usize>);
    for character in text.chars() {
        let digit = match character {
            '.' if after.is_none() => {
                after = Some(0);
                continue;
            }
            '0'..='9' => i64::from(u32::from(character) - u32::from('0')),
            _ => return Decimal::Malformed,
        };
        match &mut after {
            None => whole += 1,
            Some(places) => *places += 1,
        }
        units = units.and_then(|units| units.checked_mul(10)?.checked_add(digit));
    }
    if whole == 0 || after == Some(0) {
        return Decimal::Malformed;
    }
    let after = after.unwrap_or(0);
    if after > usize::from(places) {
        return Decimal::TooManyDecimals;
    }
    for _ in after..usize::from(places) {
        units = units.and_then(|units| units.checked_mul(10));
    }
    match units {
        Some(units) if text.len() <= LONGEST => Decimal::Units(units),
        _ => Decimal::TooLarge,
    }
}

/// With all the places.
pub fn shown(units: i64, places: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let places = usize::from(places);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, after) = digits.split_at(digits.len() - places);
    let point = if places == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{after}")
}
