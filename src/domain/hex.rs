//! Bytes as hexadecimal digits, two for each: small ones where they are written, either where they are read.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the digits of `bytes`.
pub fn push<const N: usize>(text: &mut String, bytes: &[u8; N]) {
    // All of them at once: a bulk run writes a hash with every row.
    let mut digits = [[0; 2]; N];
    for (pair, byte) in digits.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    text.push_str(std::str::from_utf8(digits.as_flattened()).unwrap_or_default());
}

/// The digits of `bytes`.
pub fn of<const N: usize>(bytes: &[u8; N]) -> String {
    let mut text = String::with_capacity(2 * N);
    push(&mut text, bytes);
    text
}

/// The bytes whose digits `text` is, if it is neither more nor less.
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(bytes)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_and_read_back() {
        for byte in 0..=u8::MAX {
            let text = of(&[byte, !byte]);
            assert_eq!(text, format!("{byte:02x}{:02x}", !byte));
            assert_eq!(parse(&text), Some([byte, !byte]));
            assert_eq!(parse(&text.to_uppercase()), Some([byte, !byte]));
        }
        let mut text = "x".to_owned();
        push(&mut text, &[0x0f, 0xa0]);
        assert_eq!(text, "x0fa0");
    }

    #[test]
    fn what_is_no_digit_or_one_too_many_or_too_few_is_not_read() {
        for wrong in [
            "", "0f", "0fa", "0fa00", "0fa00f", "0fg0", " 0fa", "+fa0", "0x0f", "éé", "/:@`",
        ] {
            assert_eq!(parse::<2>(wrong), None, "{wrong}");
        }
    }
}
