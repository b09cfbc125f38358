//! How records of an account are named outside: `r12-7` is the seventh recharge of account 12.

use super::account::AccountId;

/// Reads a prefix, the account and the number; `None` for anything else.
pub(super) fn parse(text: &str, prefix: char) -> Option<(AccountId, i64)> {
    parse_from(text, prefix, 1)
}

/// As [`parse`], with accounts from that number on: what belongs to none is under 0.
pub(super) fn parse_from(text: &str, prefix: char, lowest: i64) -> Option<(AccountId, i64)> {
    let (account, number) = text.strip_prefix(prefix)?.split_once('-')?;
    let at_least = |part: &str, lowest: i64| {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|n: &i64| digits && *n >= lowest)
    };
    Some((AccountId::new(at_least(account, lowest)?), at_least(number, 1)?))
}

/// Declares the id of one kind of record, with its letter and where people find it.
macro_rules! record_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $what:literal, $list:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            pub account: $crate::domain::account::AccountId,
            pub number: i64,
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}-{}", $letter, self.account, self.number)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::record_id::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let (account, number) = $crate::domain::record_id::parse(text, $letter)
                    .ok_or($crate::domain::record_id::InvalidId { what: $what, letter: $letter, list: $list })?;
                Ok(Self { account, number })
            }
        }
    };
}

pub(super) use record_id;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} id looks like {letter}12-7; `{list}` shows them")]
pub struct InvalidId {
    pub(super) what: &'static str,
    pub(super) letter: char,
    pub(super) list: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_account_and_number() {
        assert_eq!(parse("r12-7", 'r'), Some((AccountId::new(12), 7)));
        let bad = [
            "",
            "12-7",
            "r12",
            "r-1-2",
            "r0-1",
            "r1-0",
            "r+1-2",
            "r1-2x",
            "h1-2",
            "r99999999999999999999-1",
        ];
        for text in bad {
            assert_eq!(parse(text, 'r'), None, "{text:?}");
        }
    }
}
