//! What happened to a journal that no longer follows from itself, as far as its hashes tell.

use super::balance::{ReadEntry, State};
use super::chain::Chain;

/// What was done to the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// The content of an entry is not what was hashed; those after it still follow from its hash.
    Edited { seq: i64 },
    /// The hash of an entry was changed: its content is the one that the next entry follows.
    HashChanged { seq: i64 },
    /// Numbers `first..=last` are missing.
    Deleted { first: i64, last: i64 },
    /// So many entries are missing before this one, and those from it on were given their numbers.
    DeletedAndRenumbered { seq: i64, missing: i64 },
    /// This entry was put in before the one that had its place.
    Inserted { seq: i64 },
    /// The entry at `seq` had its place elsewhere; the one that stood there is now at `now`.
    Reordered { seq: i64, now: i64 },
    /// Entries that something else names are gone from the end.
    Cut { first: i64, last: i64 },
    /// Several entries from this one on were rewritten.
    Rewritten { seq: i64 },
}

impl Tamper {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::HashChanged { .. } => "hash_changed",
            Self::Deleted { .. } | Self::DeletedAndRenumbered { .. } => "deleted",
            Self::Inserted { .. } => "inserted",
            Self::Reordered { .. } => "reordered",
            Self::Cut { .. } => "cut",
            Self::Rewritten { .. } => "rewritten",
        }
    }

    /// In words, for people.
    pub fn meaning(self) -> String {
        match self {
            // Before the first there is none whose hash it could follow.
            Self::Edited { seq: ..=1 } => "its content was edited".into(),
            Self::Edited { seq } => {
                format!("its content was edited, or entry {} was with its hash", seq - 1)
            }
            Self::HashChanged { .. } => "its hash was changed, its content was not".into(),
            Self::Deleted { first, last } if first == last => format!("entry {first} was deleted"),
            Self::Deleted { first, last } => format!("entries {first} to {last} were deleted"),
            Self::DeletedAndRenumbered { missing: 1, .. } => {
                "an entry before it was deleted and those after it were renumbered".into()
            }
            Self::DeletedAndRenumbered { missing, .. } => {
                format!("{missing} entries before it were deleted and those after them renumbered")
            }
            Self::Inserted { .. } => "it was inserted".into(),
            Self::Reordered { now, .. } => format!("entries were reordered: the one that stood here is entry {now}"),
            Self::Cut { first, last } if first == last => {
                format!("entry {first} was cut off the end: other records name it")
            }
            Self::Cut { first, last } => {
                format!("entries {first} to {last} were cut off the end: other records name them")
            }
            Self::Rewritten { .. } => "it and entries after it were rewritten".into(),
        }
    }
}

/// How many entries are read to tell what happened to one.
pub const WINDOW: usize = 200;

/// What happened where the chain breaks: `before` is the state up to there, `window` the entries from there on, in order.
pub fn diagnose(chain: &Chain, before: &State, window: &[ReadEntry]) -> Option<Tamper> {
    let broken = window.first()?;
    let seq = broken.place.seq;
    let expected = before.last_seq.checked_add(1)?;
    if seq != expected {
        return Some(Tamper::Deleted {
            first: expected,
            last: seq.checked_sub(1)?,
        });
    }
    // Whether the entry at `at` would follow `previous` under another number.
    let stood_at = |entry: &ReadEntry, previous, number| {
        number > 0 && chain.link(previous, &entry.form.numbered(number)) == entry.place.hash
    };
    let next = window.get(1);
    if let Some(at) = window
        .iter()
        .skip(1)
        .position(|entry| stood_at(entry, before.chain_head, seq))
    {
        let genuine = &window[at + 1];
        // Where the entry that is here now is genuine elsewhere, the two have changed places.
        let moved = window.iter().any(|other| {
            stood_at(broken, other.place.hash, other.place.seq) || stood_at(broken, other.place.hash, genuine.place.seq)
        });
        return Some(if moved || at > 0 {
            Tamper::Reordered {
                seq,
                now: genuine.place.seq,
            }
        } else {
            Tamper::Inserted { seq }
        });
    }
    let Some(next) = next else {
        return Some(Tamper::Edited { seq });
    };
    if chain.link(broken.place.hash, &next.form) == next.place.hash {
        return Some(Tamper::Edited { seq });
    }
    if chain.link(chain.link(before.chain_head, &broken.form), &next.form) == next.place.hash {
        return Some(Tamper::HashChanged { seq });
    }
    (1..=i64::try_from(WINDOW).unwrap_or(i64::MAX))
        .find(|missing| stood_at(next, broken.place.hash, next.place.seq.saturating_add(*missing)))
        .map(|missing| Tamper::DeletedAndRenumbered { seq, missing })
        .or(Some(Tamper::Rewritten { seq }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_is_not_told_of_one_before_it() {
        assert_eq!(Tamper::Edited { seq: 1 }.meaning(), "its content was edited");
        assert_eq!(
            Tamper::Edited { seq: 2 }.meaning(),
            "its content was edited, or entry 1 was with its hash"
        );
    }
}
