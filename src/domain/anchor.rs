//! Anchors: what a ledger was at a moment, as text that is kept where nobody who may write to the ledger can change it.
//!
//! See `docs/anchors.md` for the format. An anchor says of each account that has moved since the anchor before it which
//! entry was the last and what its hash was; a ledger that extends the anchor still has that entry with that hash.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::chain::ChainHash;

const HEADER: &str = "ledger-anchor/1";

/// An account's last entry as an anchor has it; number 0 for an account without entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub user_id: String,
    pub currency: String,
    pub seq: i64,
    pub head: ChainHash,
}

/// One anchor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// When it was made, as text.
    pub at: String,
    pub digest: String,
    pub entries: u64,
    pub positions: Vec<Position>,
}

/// What a file of anchors holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorFile {
    pub anchors: Vec<Anchor>,
    /// How many bytes its whole anchors take; what follows was torn off while it was being written.
    pub whole: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct NotAnchors {
    pub line: usize,
    pub what: &'static str,
}

impl Anchor {
    /// The lines to be appended to a file.
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER} {} {} {}\n", self.at, self.entries, self.digest);
        for Position {
            user_id,
            currency,
            seq,
            head,
        } in &self.positions
        {
            // As a JSON string, in which no user id can end the line or look like another field.
            let name = serde_json::Value::from(user_id.as_str());
            let _infallible = writeln!(text, "{currency} {seq} {head} {name}");
        }
        let sum = sum_of(&text);
        let _infallible = writeln!(text, "end {sum}");
        text
    }
}

fn sum_of(text: &str) -> ChainHash {
    ChainHash::from_bytes(Sha256::digest(text.as_bytes()).into())
}

/// Reads a file of anchors; only its end may be torn off.
pub fn parse(text: &str) -> Result<AnchorFile, NotAnchors> {
    let mut file = AnchorFile::default();
    let mut open: Option<Anchor> = None;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bad = |what| NotAnchors { line: index + 1, what };
        let Some(content) = line.strip_suffix('\n') else { break };
        let end = at + line.len();
        match open.take() {
            None => open = Some(header(content).ok_or(bad("an anchor does not begin as one"))?),
            Some(anchor) => match content.strip_prefix("end ") {
                Some(sum) if sum == sum_of(&text[file.whole..at]).to_string() => {
                    file.anchors.push(anchor);
                    file.whole = end;
                }
                Some(_) => return Err(bad("the anchor is not as it was written")),
                None => {
                    let mut anchor = anchor;
                    let position = position(content).ok_or(bad("this is not an account's position"))?;
                    anchor.positions.push(position);
                    open = Some(anchor);
                }
            },
        }
        at = end;
    }
    // Only an anchor that was being written is an end that may be taken off.
    let rest = &text[file.whole..];
    if !(rest.starts_with(HEADER) || HEADER.starts_with(rest)) {
        return Err(NotAnchors {
            line: text[..file.whole].lines().count() + 1,
            what: "an anchor does not begin as one",
        });
    }
    Ok(file)
}

fn header(line: &str) -> Option<Anchor> {
    let mut fields = line.strip_prefix(HEADER)?.strip_prefix(' ')?.split(' ');
    let anchor = Anchor {
        at: fields.next()?.to_owned(),
        entries: fields.next()?.parse().ok()?,
        digest: fields
            .next()
            .filter(|digest| ChainHash::parse(digest).is_some())?
            .to_owned(),
        positions: Vec::new(),
    };
    fields.next().is_none().then_some(anchor)
}

fn position(line: &str) -> Option<Position> {
    let mut fields = line.splitn(4, ' ');
    Some(Position {
        currency: fields.next().filter(|code| !code.is_empty())?.to_owned(),
        seq: fields.next()?.parse().ok().filter(|seq| *seq >= 0)?,
        head: ChainHash::parse(fields.next()?)?,
        user_id: serde_json::from_str(fields.next()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(names: &[&str]) -> Anchor {
        let position = |name: &&str| Position {
            user_id: (*name).to_owned(),
            currency: "USD".into(),
            seq: 7,
            head: ChainHash::from_bytes([9; 32]),
        };
        Anchor {
            at: "2026-03-01T12:00:00Z".into(),
            digest: ChainHash::GENESIS.to_string(),
            entries: 7,
            positions: names.iter().map(position).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_whatever_the_users_are_called() {
        let anchors = vec![
            anchor(&["5", "end ab", "a b\n\"c\" ledger-anchor/1", "người dùng", "\u{1b}[2J"]),
            anchor(&[]),
        ];
        let text: String = anchors.iter().map(Anchor::text).collect();
        let whole = text.len();
        assert_eq!(parse(&text), Ok(AnchorFile { anchors, whole }));
        assert_eq!(parse(""), Ok(AnchorFile::default()));
    }

    #[test]
    fn an_end_that_was_torn_off_at_any_byte_is_recognised() {
        let (first, second) = (anchor(&["5"]).text(), anchor(&["6", "7"]).text());
        for cut in 0..second.len() {
            let read = parse(&format!("{first}{}", &second[..cut])).unwrap();
            assert_eq!((read.anchors.len(), read.whole), (1, first.len()), "{cut}");
            assert_eq!(parse(&second[..cut]).unwrap().anchors.len(), 0);
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        let good = anchor(&["5"]).text();
        let line_of = |text: &str| parse(text).unwrap_err().line;
        assert_eq!(line_of(&good.replace(" 7 0", " 8 0")), 3);
        assert_eq!(line_of(&good.replace("USD 7", "USD 6")), 3);
        assert_eq!(line_of(&good.replace("USD 7", "USD x")), 2);
        assert_eq!(line_of(&format!("{good}hello\n")), 4);
        assert_eq!(line_of(&format!("{good}hello")), 4);
        assert_eq!(line_of("hello"), 1);
        assert_eq!(line_of("user_id,amount\n5,7\n"), 1);
    }
}
