//! The hash of an entry: it is SHA-256 over the form that ARCHITECTURE.md describes, that form can be taken apart again,
//! and so no two entries share one.

use ledger::domain::chain::{Chain, ChainHash, EntryForm, link};
use ledger::domain::entry::{CounterAccount, Deltas, EntryKind, Movement, Note, Stamp, Standing};
use ledger::domain::money::Minor;
use ledger::domain::text::{Actor, Description, IdempotencyKey, Json, Reference};
use ledger::domain::time::Timestamp;
use sha2::{Digest, Sha256};

use super::draw::Draw;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    user_id: String,
    currency: String,
    seq: i64,
    movement: Movement,
    after: Standing,
    stamp: Stamp,
}

/// The fields of a form in their order; `None` for one that is absent.
type Fields = Vec<Option<Vec<u8>>>;

/// One entry, and what is changed of it for another.
pub fn check(bytes: &[u8]) {
    let mut draw = Draw::of(bytes);
    let previous = ChainHash::from_bytes([draw.byte(); 32]);
    let entry = entry(&mut draw);
    let hash = hashed_as_described(previous, &entry);

    let mut other = entry.clone();
    for _ in 0..=draw.below(2) {
        change(&mut other, &mut draw);
    }
    let other_hash = hashed_as_described(previous, &other);
    assert_eq!(hash == other_hash, entry == other, "{entry:?}\n{other:?}");
    let elsewhere = ChainHash::from_bytes([draw.byte(); 32]);
    assert_eq!(hashed_as_described(elsewhere, &entry) == hash, elsewhere == previous);
}

fn hashed_as_described(previous: ChainHash, entry: &Entry) -> ChainHash {
    let fields = fields(entry);
    let form = written(&fields);
    assert_eq!(taken_apart(&form), Some(fields.clone()), "the form is ambiguous");
    let expected = Sha256::new()
        .chain_update(previous.as_bytes())
        .chain_update(&form)
        .finalize();
    let account = (entry.user_id.as_str(), entry.currency.as_str());
    let hash = link(
        previous,
        account,
        entry.seq,
        &entry.movement,
        &entry.after,
        &entry.stamp,
    );
    assert_eq!(hash.as_bytes()[..], expected[..], "{entry:?}");
    assert_eq!(ChainHash::parse(&hash.to_string()), Some(hash));

    // As the checks of a whole ledger do it: the account once, and the form of each entry from its number on.
    let form_of = |seq: i64| {
        let mut form = EntryForm::new();
        form.integer(seq);
        for field in &fields[4..] {
            let put: Result<(), ()> = form.field(|bytes| {
                bytes.extend_from_slice(field.as_deref().unwrap_or_default());
                Ok(field.is_some())
            });
            assert_eq!(put, Ok(()));
        }
        form
    };
    assert_eq!(Chain::of(account).link(previous, &form_of(entry.seq)), hash);
    assert_eq!(Chain::of(account).link(previous, &form_of(0).numbered(entry.seq)), hash);
    hash
}

fn fields(entry: &Entry) -> Fields {
    let Entry {
        user_id,
        currency,
        seq,
        movement,
        after,
        stamp,
    } = entry;
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let integer = |integer: i64| Some(integer.to_be_bytes().to_vec());
    let Note {
        reference,
        description,
        metadata,
    } = &stamp.note;
    vec![
        text("ledger.entry/1"),
        text(user_id),
        text(currency),
        integer(*seq),
        text(movement.kind.name()),
        integer(movement.deltas.balance.get()),
        integer(movement.deltas.held.get()),
        integer(movement.deltas.debt.get()),
        integer(after.balance.get()),
        integer(after.held.get()),
        integer(after.debt.get()),
        text(movement.counter_account.as_str()),
        reference.as_ref().and_then(|reference| text(reference.as_str())),
        description.as_ref().and_then(|description| text(description.as_str())),
        metadata.as_ref().and_then(|metadata| text(metadata.as_str())),
        text(stamp.actor.as_str()),
        movement.reverses.and_then(integer),
        stamp.key.as_ref().and_then(|key| text(key.as_str())),
        integer(stamp.at.micros()),
    ]
}

fn written(fields: &Fields) -> Vec<u8> {
    let mut form = Vec::new();
    for field in fields {
        let length = field
            .as_ref()
            .map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).expect("short"));
        form.extend(length.to_be_bytes());
        form.extend(field.iter().flatten());
    }
    form
}

fn taken_apart(mut form: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    while !form.is_empty() {
        let (length, rest) = form.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        form = rest;
        fields.push(if length == u32::MAX {
            None
        } else {
            let (field, rest) = form.split_at_checked(length as usize)?;
            form = rest;
            Some(field.to_vec())
        });
    }
    Some(fields)
}

fn entry(draw: &mut Draw) -> Entry {
    Entry {
        user_id: draw.text(),
        currency: draw.text(),
        seq: draw.integer(),
        movement: Movement {
            kind: EntryKind::ALL[draw.below(EntryKind::ALL.len())],
            deltas: Deltas {
                balance: minor(draw),
                held: minor(draw),
                debt: minor(draw),
            },
            counter_account: CounterAccount::stored(draw.text()),
            reverses: draw.maybe(Draw::integer),
        },
        after: Standing {
            balance: minor(draw),
            held: minor(draw),
            debt: minor(draw),
        },
        stamp: Stamp {
            note: Note {
                reference: draw.maybe(reference),
                description: draw.maybe(description),
                metadata: draw.maybe(|draw| Json::stored(draw.text())),
            },
            actor: Actor::parse(&draw.line()).expect("a line"),
            key: draw.maybe(|draw| IdempotencyKey::parse(&draw.line()).expect("a line")),
            at: Timestamp::from_micros(draw.integer()),
        },
    }
}

fn minor(draw: &mut Draw) -> Minor {
    Minor::new(draw.integer())
}

fn reference(draw: &mut Draw) -> Reference {
    Reference::parse(&draw.line()).expect("a line")
}

fn description(draw: &mut Draw) -> Description {
    Description::parse(&draw.line()).expect("a line")
}

/// Above all, what looks alike where fields are merely put one after the other.
fn change(entry: &mut Entry, draw: &mut Draw) {
    let Entry {
        user_id,
        currency,
        seq,
        movement,
        after,
        stamp,
    } = entry;
    let note = &mut stamp.note;
    match draw.below(12) {
        0 => move_last(user_id, currency),
        1 => *seq = draw.integer(),
        2 => std::mem::swap(&mut movement.deltas.balance, &mut movement.deltas.held),
        3 => std::mem::swap(&mut after.held, &mut after.debt),
        4 => after.balance = minor(draw),
        5 => movement.kind = EntryKind::ALL[draw.below(EntryKind::ALL.len())],
        6 => movement.reverses = draw.maybe(Draw::integer),
        7 => {
            // A text becomes its neighbour's.
            let reference = note.reference.take().map(|reference| reference.to_string());
            let described = note.description.take().map(|description| description.to_string());
            note.reference = described.and_then(|text| Reference::parse(&text).ok());
            note.description = reference.and_then(|text| Description::parse(&text).ok());
        }
        8 => note.metadata = draw.maybe(|draw| Json::stored(draw.text())),
        9 => {
            let mut counter = movement.counter_account.as_str().to_owned();
            let mut reference = note
                .reference
                .take()
                .map_or_else(String::new, |reference| reference.to_string());
            move_last(&mut counter, &mut reference);
            movement.counter_account = CounterAccount::stored(counter);
            note.reference = Reference::parse(&reference).ok();
        }
        10 => stamp.key = draw.maybe(|draw| IdempotencyKey::parse(&draw.line()).expect("a line")),
        _ => stamp.at = Timestamp::from_micros(draw.integer()),
    }
}

/// The last character of one becomes the first of the other.
fn move_last(from: &mut String, to: &mut String) {
    if let Some(last) = from.pop() {
        to.insert(0, last);
    }
}
