//! Names and texts as other programs accept them; each encoding can be reversed, so no two names become one.

use std::fmt::Write as _;

use crate::domain::text::is_unprintable;

/// Percent-encodes the bytes of `text` that `keep` does not let through.
fn percent(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if keep(c) && c != '%' {
            safe.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(safe, "%{byte:02X}");
            }
        }
    }
    safe
}

/// A part of an hledger account name: letters, digits and `.@+_~-` as they are, all else percent-encoded.
pub fn hledger_part(text: &str) -> String {
    percent(text, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '+' | '_' | '~' | '-')
    })
}

/// The value of an hledger tag: a comma, which would end it, and what is no plain character are percent-encoded.
pub fn hledger_value(text: &str) -> String {
    let safe = percent(text, |c| {
        c != ',' && !is_unprintable(c) && (c == ' ' || !c.is_whitespace())
    });
    let (start, end) = (safe.len() - safe.trim_start().len(), safe.trim_end().len());
    match safe.get(start..end) {
        Some(middle) => format!("{}{middle}{}", "%20".repeat(start), "%20".repeat(safe.len() - end)),
        // Nothing but spaces.
        None => "%20".repeat(safe.len()),
    }
}

/// A commodity of hledger: letters alone stand for themselves, others in quotes.
pub fn hledger_commodity(code: &str) -> String {
    if code.bytes().all(|b| b.is_ascii_alphabetic()) {
        code.to_owned()
    } else {
        format!("\"{code}\"")
    }
}

/// Letters and digits as they are, `-` as `--`, any other byte as `-` and two hexadecimal digits in lower case.
pub fn beancount_rest(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' => safe.push_str("--"),
            _ if byte.is_ascii_alphanumeric() => safe.push(char::from(byte)),
            _ => {
                let _ = write!(safe, "-{byte:02x}");
            }
        }
    }
    safe
}

/// A part of a beancount account name, which has to begin with a capital or a digit: a small letter is made a capital,
/// and before anything but a digit stands `X-Z`, which [`beancount_rest`] never makes.
pub fn beancount_part(text: &str) -> String {
    let rest = beancount_rest(text);
    match text.bytes().next() {
        Some(first) if first.is_ascii_lowercase() => {
            format!("{}{}", char::from(first.to_ascii_uppercase()), &rest[1..])
        }
        Some(first) if first.is_ascii_digit() => rest,
        _ => format!("X-Z{rest}"),
    }
}

/// A commodity of beancount, which has to end with a letter or digit and must not be a word of its language.
pub fn beancount_commodity(code: &str) -> String {
    if code.ends_with('_') || ["TRUE", "FALSE", "NULL"].contains(&code) {
        format!("{code}.0")
    } else {
        code.to_owned()
    }
}

/// A beancount string, quotes included.
pub fn beancount_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 2);
    safe.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            '\n' => safe.push_str("\\n"),
            // No text of a ledger holds these; a damaged one must not steer a terminal.
            _ if is_unprintable(c) => {
                let _ = write!(safe, "\\\\u{{{:x}}}", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    safe.push('"');
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percent_decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    fn beancount_decoded(part: &str) -> String {
        let (first, rest) = match part.strip_prefix("X-Z") {
            Some(rest) => (None, rest),
            None => (Some(part.as_bytes()[0].to_ascii_lowercase()), &part[1..]),
        };
        let mut bytes: Vec<u8> = first.into_iter().collect();
        let mut rest = rest.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'-' {
                bytes.push(byte);
                continue;
            }
            match rest.next().unwrap() {
                b'-' => bytes.push(b'-'),
                high => {
                    let digits = [high, rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn names_stay_readable() {
        let uuid = "018f3c1e-7b1a-7c3e-9d2f-aa55aa55aa55";
        for (text, hledger, beancount) in [
            ("5", "5", "5"),
            ("vps", "vps", "Vps"),
            ("Vps", "Vps", "X-ZVps"),
            ("zalo_pay", "zalo_pay", "Zalo-5fpay"),
            (uuid, uuid, "018f3c1e--7b1a--7c3e--9d2f--aa55aa55aa55"),
            ("a:b  c", "a%3Ab%20%20c", "A-3ab-20-20c"),
            ("é", "%C3%A9", "X-Z-c3-a9"),
        ] {
            assert_eq!(hledger_part(text), hledger);
            assert_eq!(beancount_part(text), beancount);
        }
        assert_eq!(hledger_commodity("P_2"), "\"P_2\"");
        assert_eq!(beancount_commodity("P_"), "P_.0");
        assert_eq!(beancount_text("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }

    /// Any text at all, also one that no field of a ledger takes.
    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..24).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn hledger_names_can_be_read_back(text in any_text()) {
            let part = hledger_part(&text);
            prop_assert!(part.bytes().all(|b| b.is_ascii_graphic() && !b":;()[]\"'".contains(&b)));
            prop_assert_eq!(percent_decoded(&part), text);
        }

        #[test]
        fn hledger_values_can_be_read_back(text in any_text()) {
            let value = hledger_value(&text);
            prop_assert!(!value.chars().any(|c| c == ',' || is_unprintable(c)));
            prop_assert_eq!(value.trim(), &value);
            prop_assert_eq!(percent_decoded(&value), text);
        }

        #[test]
        fn beancount_names_can_be_read_back(text in any_text()) {
            let part = beancount_part(&text);
            prop_assert!(part.bytes().next().is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
            prop_assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            prop_assert_eq!(beancount_decoded(&part), text);
        }

        #[test]
        fn beancount_texts_end_where_they_should(text in any_text()) {
            let quoted = beancount_text(&text);
            let inside = &quoted[1..quoted.len() - 1];
            let mut escaped = false;
            for c in inside.chars() {
                prop_assert!(c != '\n' && (escaped || c != '"'));
                escaped = c == '\\' && !escaped;
            }
            prop_assert!(!escaped);
        }
    }
}
