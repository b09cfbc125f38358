//! What was asked, told twice: by an intent, and by the entry that it made.
//!
//! The entry of a plain operation holds all that its intent says, so what the intent must say is made from the entry,
//! and only a fingerprint of it is kept until the intent is read. Whatever does not fit, or is not plain, is held against
//! its entry part by part (`domain::evidence`): a fingerprint acquits, and never accuses.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use serde_json::{Map, Value};

use super::reading::Reading;
use crate::db::evidence::PlainAttempt;
use crate::domain::balance::ReadEntry;
use crate::domain::currency::Currency;
use crate::domain::entry::{EntryKind, method_named, service_named};
use crate::domain::operation::OperationKind;
use crate::ledger::payload::{Plain, plain_payload};

/// Of how many entries of one account: bounds memory.
const MOST: usize = 4_000_000;

/// By how much an entry may come too early.
const STRAY: usize = 100;

/// Makes fingerprints that nobody can aim at: their key is drawn anew for every page.
#[derive(Default)]
pub(super) struct Fingerprints {
    key: RandomState,
    claim: Vec<u8>,
}

/// The fingerprints of one account's entries, by sequence number; 0 where an entry has none.
#[derive(Default)]
pub(super) struct Claims(Vec<u32>);

impl Claims {
    /// With room for so many, and none to spare: there are millions of them.
    pub(super) fn of(entries: i64) -> Self {
        let believable = usize::try_from(entries).ok().filter(|entries| *entries <= MOST);
        Self(Vec::with_capacity(believable.unwrap_or(0)))
    }
}

impl Fingerprints {
    /// Keeps what the intent of that entry must say.
    pub(super) fn keep(&mut self, reading: &mut Reading<'_>, entry: &ReadEntry) {
        let Reading { claims, currency, .. } = reading;
        let Some(index) = index(entry.place.seq) else { return };
        // What is not where it should be needs a closer look anyway.
        if index >= MOST || index > claims.0.len() + STRAY {
            return;
        }
        if claims.0.len() <= index {
            claims.0.resize(index + 1, 0);
        }
        self.claim.clear();
        claims.0[index] = match write_claim(&mut self.claim, currency, entry) {
            Some(()) => self.fingerprint(&self.claim),
            None => 0,
        };
    }

    /// Whether that is what the attempt's entry says.
    pub(super) fn hold(&self, claims: &Claims, attempt: &PlainAttempt) -> bool {
        let kept = index(attempt.seq).and_then(|index| claims.0.get(index));
        kept.is_some_and(|kept| {
            *kept == self.fingerprint(&attempt.claim)
                || in_order(attempt).is_some_and(|claim| *kept == self.fingerprint(&claim))
        })
    }

    fn fingerprint(&self, claim: &[u8]) -> u32 {
        let mut hasher = self.key.build_hasher();
        hasher.write(claim);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0).max(1)
    }
}

/// Fields that say how to go about it, and leave no trace in the entry.
const OPTIONS: [&str; 2] = ["suspend", "gateway_response"];

/// The others, in the order in which a payload is written.
const FIELDS: [&str; 7] = [
    "op",
    "amount",
    "service",
    "method",
    "reference",
    "description",
    "metadata",
];

/// The same claim without options, its fields in order; `None` where there are others.
fn in_order(attempt: &PlainAttempt) -> Option<Vec<u8>> {
    let (before, payload) = attempt.claim.split_at_checked(attempt.payload_at)?;
    let mut given: Map<String, Value> = serde_json::from_slice(payload.strip_suffix(&[0])?).ok()?;
    given.retain(|name, _| !OPTIONS.contains(&name.as_str()));
    let fields: Map<String, Value> = FIELDS.iter().filter_map(|name| given.remove_entry(*name)).collect();
    if !given.is_empty() {
        return None;
    }
    let mut claim = before.to_vec();
    serde_json::to_writer(&mut claim, &fields).ok()?;
    claim.push(0);
    Some(claim)
}

fn index(seq: i64) -> Option<usize> {
    usize::try_from(seq.checked_sub(1)?).ok()
}

/// Key, operation, actor and payload as the intent of that entry must have them, each ended as
/// [`PlainAttempt::claim`] has it; `None` where the entry alone does not tell.
fn write_claim(to: &mut Vec<u8>, currency: &Currency, entry: &ReadEntry) -> Option<()> {
    // Number, kind and the six figures come first.
    let mut fields = entry.form.fields().skip(8);
    let mut next = || -> Option<Option<&str>> { fields.next()?.map(str::from_utf8).transpose().ok() };
    let counter_account = next()??;
    let (reference, description, metadata) = (next()?, next()?, next()?);
    let actor = next()??;
    if fields.next()?.is_some() {
        return None;
    }
    let key = fields.next()??;
    let moved = entry.deltas.balance;
    let (operation, amount, counterpart) = match entry.kind? {
        EntryKind::ServiceFee => {
            let service = service_named(counter_account)?;
            (OperationKind::Charge, moved.negated().ok()?, Some(("service", service)))
        }
        EntryKind::Recharge => (
            OperationKind::Recharge,
            moved,
            Some(("method", method_named(counter_account)?)),
        ),
        EntryKind::Adjustment => (OperationKind::Adjust, moved, None),
        EntryKind::Penalty => (OperationKind::Penalty, moved.negated().ok()?, None),
        _ => return None,
    };
    for text in [key, operation.name().as_bytes(), actor.as_bytes()] {
        to.extend_from_slice(text);
        to.push(0);
    }
    let plain = Plain {
        operation,
        amount,
        counterpart,
        reference,
        description,
        metadata,
    };
    plain_payload(to, &plain, currency);
    to.push(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::account::{Account, AccountId};
    use crate::domain::balance::Place;
    use crate::domain::chain::{ChainHash, EntryForm};
    use crate::domain::entry::{CounterAccount, Deltas, Note, Standing};
    use crate::domain::money::Minor;
    use crate::domain::operation::{Operation, Settle};
    use crate::domain::text::{Description, Json, Reference};
    use crate::ledger::payload::payload;
    use crate::ledger::payload::samples::{currency, note, operation};

    /// Kind, counter-account and what the balance gets; `None` of what an entry alone does not tell.
    fn told(operation: &Operation) -> Option<(EntryKind, CounterAccount, Minor)> {
        Some(match operation {
            Operation::Charge {
                service,
                amount,
                grants: None,
                ..
            } => (
                EntryKind::ServiceFee,
                CounterAccount::service(service),
                amount.outflow(),
            ),
            Operation::Recharge {
                method,
                amount,
                settle: Settle::Now,
                ..
            } => (EntryKind::Recharge, CounterAccount::gateway(method), amount.minor()),
            Operation::Adjust { amount } => (
                EntryKind::Adjustment,
                CounterAccount::named("equity:adjustment"),
                amount.minor(),
            ),
            Operation::Penalty { amount } => (
                EntryKind::Penalty,
                CounterAccount::named("income:penalty"),
                amount.outflow(),
            ),
            _ => return None,
        })
    }

    fn entry(
        seq: i64,
        (kind, counter_account, balance): &(EntryKind, CounterAccount, Minor),
        note: &Note,
    ) -> ReadEntry {
        let mut form = EntryForm::new();
        let text = |form: &mut EntryForm, text: Option<&str>| {
            form.field(|to| -> Result<bool, ()> {
                to.extend_from_slice(text.unwrap_or_default().as_bytes());
                Ok(text.is_some())
            })
            .unwrap();
        };
        form.integer(seq);
        text(&mut form, Some(kind.name()));
        for figure in [*balance, Minor::ZERO, Minor::ZERO, *balance, Minor::ZERO, Minor::ZERO] {
            form.integer(figure.get());
        }
        text(&mut form, Some(counter_account.as_str()));
        text(&mut form, note.reference.as_ref().map(Reference::as_str));
        text(&mut form, note.description.as_ref().map(Description::as_str));
        text(&mut form, note.metadata.as_ref().map(Json::as_str));
        text(&mut form, Some("billing"));
        text(&mut form, None);
        text(&mut form, Some("key-1"));
        form.integer(0);
        ReadEntry {
            kind: Some(*kind),
            deltas: Deltas::of_balance(*balance),
            place: Place {
                seq,
                after: Standing::default(),
                hash: ChainHash::GENESIS,
            },
            keyed: true,
            form,
        }
    }

    fn attempt(seq: i64, operation: &Operation, note: &Note, currency: &Currency) -> PlainAttempt {
        let mut claim = format!("key-1\0{}\0billing\0", operation.kind().name()).into_bytes();
        let payload_at = claim.len();
        claim.extend_from_slice(payload(operation, note, currency).as_str().as_bytes());
        claim.push(0);
        PlainAttempt {
            account: AccountId::new(1),
            seq,
            claim,
            payload_at,
        }
    }

    proptest! {
        // One operation in five is plain.
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn an_entry_tells_what_its_intent_says_and_nothing_else(
            operation in operation(),
            mut note in note(),
            currency in currency(),
            place in 0..200_usize,
        ) {
            // Text that cannot be shown is written otherwise in metadata than in a payload: that is looked at closely.
            note.metadata = note.metadata.filter(|json| *json.as_str() == *json.value().to_string());
            let Some(plain) = told(&operation) else { return Ok(()) };
            let account = Account::sample(currency.clone());
            let mut reading = Reading::new(&account, 0, None);
            let mut fingerprints = Fingerprints::default();
            fingerprints.keep(&mut reading, &entry(1, &plain, &note));
            let mut attempt = attempt(1, &operation, &note, &currency);
            prop_assert!(fingerprints.hold(&reading.claims, &attempt));
            // What an option says is not the entry's to tell.
            let has_options = in_order(&attempt).is_none_or(|claim| claim != attempt.claim);
            let end = if has_options { attempt.payload_at } else { attempt.claim.len() };
            let place = place % end;
            attempt.claim[place] ^= 1;
            prop_assert!(!fingerprints.hold(&reading.claims, &attempt));
            attempt.claim[place] ^= 1;
            attempt.seq = 2;
            prop_assert!(!fingerprints.hold(&reading.claims, &attempt));
        }
    }
}
