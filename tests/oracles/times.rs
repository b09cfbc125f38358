//! Times, spans and hours: the same texts mean the same as when they are read digit by digit.

use chrono::TimeDelta;
use ledger::domain::time::Timestamp;
use ledger::domain::worth::pending_span;
use ledger::input::span;

/// In milliseconds.
const TEN_YEARS: u128 = 3650 * 86_400_000;
const MICROS: i64 = 1_000_000;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_time(text);

    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number = number.trim_start_matches('0');
    let number = if digits == 0 || number.len() > 20 {
        None
    } else {
        number.parse().ok().or(Some(0_u128))
    };
    let millis = |unit: u128| number.map(|number| number * unit).filter(|millis| *millis <= TEN_YEARS);
    let unit_millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let read = span(text).map(|span| span.as_millis());
    assert_eq!(read, unit_millis.and_then(millis), "the span {text:?}");

    let hours = if unit.is_empty() { millis(3_600_000) } else { None };
    let read = pending_span(text);
    let expected = hours.map(|millis| TimeDelta::milliseconds(i64::try_from(millis).expect("ten years")));
    assert_eq!(read, expected, "the hours {text:?}");
}

fn check_time(text: &str) {
    let read = Timestamp::parse(text).ok();
    if let Some(expected) = strict(text) {
        let within = (0..253_402_300_800 * MICROS).contains(&expected);
        assert_eq!(
            read.map(Timestamp::micros),
            within.then_some(expected),
            "the time {text:?}"
        );
    }
    if let Some(time) = read {
        let shown = time.to_string();
        assert_eq!(strict(&shown), Some(time.micros()), "{text:?} is shown as {shown}");
        assert_eq!(Timestamp::parse(&shown), Ok(time), "{text:?} is shown as {shown}");
        assert!(time.date().is_some() && time.start_of_day() <= time, "{text:?}");
    }
}

/// Microseconds since 1970 of `2026-03-01T12:00:00.5+01:00`, truncated; nothing for any other shape.
fn strict(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, length: usize| {
        let digits = bytes.get(from..from + length)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    for (place, sign) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        (bytes.get(place) == Some(&sign)).then_some(())?;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = [
        31,
        if is_leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let in_month = *days.get(usize::try_from(month - 1).ok()?)?;
    if day < 1 || day > in_month || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let before = |year: i64| 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let in_year: i64 = days[..usize::try_from(month - 1).ok()?].iter().sum();
    let date = before(year) - before(1970) + in_year + day - 1;

    let mut rest = &bytes[19..];
    let mut micros = 0;
    if rest.first() == Some(&b'.') {
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then_some(())?;
        micros = (0..6).fold(0, |sum, at| {
            sum * 10 + if at < digits { i64::from(rest[1 + at] - b'0') } else { 0 }
        });
        rest = &rest[1 + digits..];
    }
    let offset = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let at = bytes.len() - 5;
            let (hours, minutes) = (number(at, 2)?, number(at + 3, 2)?);
            (hours < 24 && minutes < 60).then_some(())?;
            (hours * 3_600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some((date * 86_400 + hour * 3_600 + minute * 60 + second - offset) * MICROS + micros)
}
