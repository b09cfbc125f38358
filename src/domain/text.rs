//! Free text that people give: bounded, one line, without control characters.
//!
//! What passes here can be stored, chained and shown anywhere without surprises.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// What is wrong with a text; `what` names the field as the user knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("{what} must not be empty")]
    Empty { what: &'static str },
    #[error("{what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: usize },
    #[error("{what} must not contain control or invisible formatting characters")]
    Control { what: &'static str },
    #[error("{what} must not begin or end with a space")]
    Untrimmed { what: &'static str },
    #[error("{what} is not valid JSON: {reason}")]
    NotJson { what: &'static str, reason: String },
    #[error("{what} is nested more than {limit} deep")]
    TooDeep { what: &'static str, limit: usize },
}

/// Characters that would steer a terminal, or make two different texts look alike.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Writes every such character, line breaks among them, as `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        if is_unprintable(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
        safe
    }))
}

/// In single quotes, within which a POSIX shell takes everything but the quote itself as it is.
pub fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Scheme and server of an address, without user, password, path and query: in any of them there may be a secret.
pub fn server_of(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    // At the last `@`, so that one in a password hides too much rather than too little.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    let server: &str = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let cut = if server.len() < rest.len() { "/..." } else { "" };
    format!("{scheme}://{server}{cut}")
}

fn checked(text: &str, what: &'static str, limit: usize) -> Result<Arc<str>, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { what });
    }
    if text.len() > limit {
        return Err(TextError::TooLong { what, limit });
    }
    if text.chars().any(is_unprintable) {
        return Err(TextError::Control { what });
    }
    if text.trim() != text {
        return Err(TextError::Untrimmed { what });
    }
    Ok(text.into())
}

/// Declares a text type: its name for people and its longest length in bytes.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:literal) => {
        $(#[$doc])*
        ///
        /// Shared: the same text stands in requests, entries and answers.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, TextError> {
                checked(text, $what, $limit).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type!(
    /// Who owns a balance, as the service knows them: `5`, a UUID.
    UserId, "the user id", 128
);
text_type!(
    /// What was paid for: `vps`, `hosting`, `email`.
    Service, "the service", 64
);
text_type!(
    /// A pointer into the service's own records: `VpsUsage:123`.
    Reference, "the reference", 200
);
text_type!(
    /// What access is paid for: `profile_analysis:acme`.
    Resource, "the resource", 200
);
text_type!(
    /// A line for people: what it was for, or why it was done.
    Description, "the description", 500
);
text_type!(
    /// Who did it.
    Actor, "the actor", 128
);
text_type!(
    /// The caller's name for one operation; the same key is the same operation.
    IdempotencyKey, "the idempotency key", 200
);

/// A payment method: a lower-case word such as `bank_transfer` or `momo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentMethod(Arc<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a payment method is a lower-case name of letters, digits and underscores, such as bank_transfer, credit_card, paypal, zalo_pay or momo"
)]
pub struct InvalidMethod;

impl PaymentMethod {
    pub fn parse(text: &str) -> Result<Self, InvalidMethod> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if first && rest && text.len() <= 40 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidMethod)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A JSON value kept as compact text, in the order its fields were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    const LIMIT: usize = 16 * 1024;

    /// Arrays and objects within each other. What holds a value, such as a payload and the line of an export, is nested
    /// deeper, and has to be read too.
    const DEEPEST: usize = 100;

    pub fn parse(text: &str, what: &'static str) -> Result<Self, TextError> {
        if text.len() > Self::LIMIT {
            return Err(TextError::TooLong {
                what,
                limit: Self::LIMIT,
            });
        }
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| TextError::NotJson {
            what,
            reason: error.to_string(),
        })?;
        if depth(&value) > Self::DEEPEST {
            return Err(TextError::TooDeep {
                what,
                limit: Self::DEEPEST,
            });
        }
        Ok(Self(escape_unprintable(&value.to_string()).into_owned().into()))
    }

    /// Text that the ledger itself stored earlier.
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value; a stored text that is no JSON any more comes back as a JSON string.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_else(|_| serde_json::Value::String(self.0.to_string()))
    }
}

/// How many arrays and objects stand within each other; bounded by what can be read.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// JSON text with every unprintable character written as `\uXXXX`.
///
/// In valid JSON these can only stand inside strings, where the escape means the same.
pub fn escape_unprintable(json: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    // To the end in any case: without a way out, many bytes are looked at in one step.
    if json.bytes().fold(true, |all, byte| all & plain(byte)) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unprintable(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_printable() {
        assert!(UserId::parse("018f3c1e-7b1a-7c3e-9d2f-aa55aa55aa55").is_ok());
        assert!(UserId::parse("Nguyễn'; DROP TABLE entries;--").is_ok());
        assert_eq!(UserId::parse(""), Err(TextError::Empty { what: "the user id" }));
        assert!(matches!(
            UserId::parse(&"x".repeat(10_240)),
            Err(TextError::TooLong { .. })
        ));
        for bad in ["a\nb", "a\u{0}", "\u{1b}[31m", "a\u{202e}b", "\u{9b}0m"] {
            assert!(matches!(UserId::parse(bad), Err(TextError::Control { .. })), "{bad:?}");
        }
        assert!(matches!(UserId::parse(" 5"), Err(TextError::Untrimmed { .. })));
    }

    #[test]
    fn a_quoted_word_has_its_own_quotes_outside_of_quotes() {
        for (word, quoted) in [
            ("", "''"),
            ("plain", "'plain'"),
            (r#"$(x) `y` \ "z""#, r#"'$(x) `y` \ "z"'"#),
            ("it's", r"'it'\''s'"),
            ("'", r"''\'''"),
        ] {
            assert_eq!(shell_quoted(word), quoted);
        }
    }

    #[test]
    fn json_keeps_order_and_digits_and_escapes_what_steers() {
        let json = Json::parse(r#"{ "b": 12345678901234567890.10, "a": "\u009b" }"#, "the metadata").unwrap();
        assert_eq!(json.as_str(), "{\"b\":12345678901234567890.10,\"a\":\"\\u009b\"}");
        assert!(Json::parse("{", "the metadata").is_err());
        assert!(Json::parse(&"[".repeat(5000), "the metadata").is_err());
        let nested = |deep: usize| Json::parse(&("[".repeat(deep) + &"]".repeat(deep)), "the metadata");
        assert!(nested(100).is_ok());
        assert!(matches!(nested(101), Err(TextError::TooDeep { .. })));
    }

    #[test]
    fn methods_are_lower_case_words() {
        assert!(PaymentMethod::parse("zalo_pay").is_ok());
        for bad in ["", "Zalo", "zalo pay", "1pay", "pay-pal"] {
            assert_eq!(PaymentMethod::parse(bad), Err(InvalidMethod), "{bad:?}");
        }
    }
}
