//! What was asked, told twice: by an intent, and by the entry that it made.
//!
//! The entry of a plain operation holds all that its intent says, so what the intent must say is made from the entry. Of
//! both a fingerprint is counted, one up and one down, whichever is read first: nothing is left where they agree. What is
//! left is held against its entry part by part (`domain::evidence`): a fingerprint acquits, and never accuses.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Map, Value};

use super::MOST_ENTRIES;
use crate::db::evidence::PlainAttempt;
use crate::domain::balance::ReadEntry;
use crate::domain::currency::Currency;
use crate::domain::entry::{EntryKind, method_named, service_named};
use crate::domain::evidence::Attempt;
use crate::domain::money::Minor;
use crate::domain::operation::OperationKind;
use crate::ledger::payload::{Plain, plain_payload};

/// What is left of the fingerprints of one account's entries and intents, by the entry's sequence number.
pub(super) struct Claims {
    left: Box<[AtomicU32]>,
    /// Something was told that has no place here.
    beyond: AtomicBool,
}

impl Claims {
    /// With room for so many entries; the balance row that says so may say anything.
    pub(super) fn of(entries: i64) -> Self {
        let believable = usize::try_from(entries).ok();
        let believable = believable.filter(|_| entries <= MOST_ENTRIES).unwrap_or(0);
        Self {
            left: (0..believable).map(|_| AtomicU32::new(0)).collect(),
            beyond: AtomicBool::new(false),
        }
    }

    pub(super) const fn room(&self) -> usize {
        self.left.len()
    }

    fn add(&self, seq: i64, fingerprint: u32) {
        match self.at(seq) {
            Some(left) => _ = left.fetch_add(fingerprint, Ordering::Relaxed),
            None => self.doubt(),
        }
    }

    fn subtract(&self, seq: i64, fingerprint: u32) {
        match self.at(seq) {
            Some(left) => _ = left.fetch_sub(fingerprint, Ordering::Relaxed),
            None => self.doubt(),
        }
    }

    fn doubt(&self) {
        self.beyond.store(true, Ordering::Relaxed);
    }

    fn at(&self, seq: i64) -> Option<&AtomicU32> {
        self.left.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    /// Whether entries and intents have told the same, once all of them are read.
    pub(super) fn agree(&self) -> bool {
        !self.beyond.load(Ordering::Relaxed) && self.left.iter().all(|left| left.load(Ordering::Relaxed) == 0)
    }
}

/// Makes fingerprints that nobody can aim at: their key is drawn anew for every page. Clones make the same.
#[derive(Clone, Default)]
pub(super) struct Fingerprints {
    key: RandomState,
    written: Vec<u8>,
}

impl Fingerprints {
    /// Takes what the intent of that entry must say.
    pub(super) fn entry(&mut self, (claims, currency): (&Claims, &Currency), entry: &ReadEntry) {
        if let Some(claim) = Claim::by_entry(entry) {
            claims.add(entry.place.seq, self.of_claim(&claim, currency));
        }
    }

    /// Takes what an intent says of which everything stands in its entry.
    pub(super) fn plain(&self, claims: &Claims, attempt: &PlainAttempt) {
        let fingerprint = if has_options(attempt) {
            without_options(attempt).map(|claim| self.of(&claim))
        } else {
            Some(self.of(&attempt.claim))
        };
        match fingerprint {
            Some(fingerprint) => claims.subtract(attempt.seq, fingerprint),
            None => claims.doubt(),
        }
    }

    /// Takes back what the entry of any other intent has told: it is held against it part by part.
    pub(super) fn other(&mut self, (claims, currency): (&Claims, &Currency), attempt: &Attempt) {
        if let (Some(seq), Some(claim)) = (attempt.first_seq, Claim::by_named(attempt)) {
            claims.subtract(seq, self.of_claim(&claim, currency));
        }
    }

    fn of_claim(&mut self, claim: &Claim<'_>, currency: &Currency) -> u32 {
        self.written.clear();
        claim.write(&mut self.written, currency);
        self.of(&self.written)
    }

    fn of(&self, claim: &[u8]) -> u32 {
        let mut hasher = self.key.build_hasher();
        hasher.write(claim);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0).max(1)
    }
}

/// Fields that say how to go about it, and leave no trace in the entry.
const OPTIONS: [&str; 2] = ["suspend", "gateway_response"];

/// Whether the payload may have some of them.
fn has_options(attempt: &PlainAttempt) -> bool {
    let payload = str::from_utf8(&attempt.claim[attempt.payload_at..]);
    payload.is_ok_and(|payload| OPTIONS.iter().any(|name| payload.contains(name)))
}

/// The same claim without options.
fn without_options(attempt: &PlainAttempt) -> Option<Vec<u8>> {
    let (before, payload) = attempt.claim.split_at_checked(attempt.payload_at)?;
    let mut given: Map<String, Value> = serde_json::from_slice(payload.strip_suffix(&[0])?).ok()?;
    given.retain(|name, _| !OPTIONS.contains(&name.as_str()));
    let mut claim = before.to_vec();
    serde_json::to_writer(&mut claim, &given).ok()?;
    claim.push(0);
    Some(claim)
}

/// What an entry tells of a plain operation.
struct Claim<'a> {
    key: &'a str,
    actor: &'a str,
    plain: Plain<'a>,
}

impl<'a> Claim<'a> {
    /// `None` where the entry alone does not tell.
    fn by_entry(entry: &'a ReadEntry) -> Option<Self> {
        // Number, kind and the six figures come first.
        let mut fields = entry.form.fields().skip(8);
        let mut next = || -> Option<Option<&str>> { fields.next()?.map(str::from_utf8).transpose().ok() };
        let counter_account = next()??;
        let note = [next()?, next()?, next()?];
        let actor = next()??;
        if fields.next()?.is_some() {
            return None;
        }
        let key = str::from_utf8(fields.next()??).ok()?;
        let plain = plain(entry.kind?, entry.deltas.balance, counter_account, note)?;
        Some(Self { key, actor, plain })
    }

    /// The same of the entry that an attempt names, as far as it is its own.
    fn by_named(attempt: &'a Attempt) -> Option<Self> {
        let entry = attempt.entry.as_ref().filter(|entry| entry.reverses.is_none())?;
        let note = [&entry.reference, &entry.description, &entry.metadata].map(Option::as_deref);
        let (kind, moved) = (EntryKind::parse(&entry.kind)?, Minor::new(entry.balance_delta));
        Some(Self {
            key: &attempt.key,
            actor: &entry.actor,
            plain: plain(kind, moved, &entry.counter_account, note)?,
        })
    }

    /// As [`PlainAttempt::claim`] has it.
    fn write(&self, to: &mut Vec<u8>, currency: &Currency) {
        for text in [self.key, self.plain.operation.name(), self.actor] {
            to.extend_from_slice(text.as_bytes());
            to.push(0);
        }
        plain_payload(to, &self.plain, currency);
        to.push(0);
    }
}

/// The operation of which an entry of that kind comes, if that is a plain one.
fn plain<'a>(
    kind: EntryKind,
    moved: Minor,
    counter_account: &'a str,
    [reference, description, metadata]: [Option<&'a str>; 3],
) -> Option<Plain<'a>> {
    let (operation, amount, counterpart) = match kind {
        EntryKind::ServiceFee => {
            let service = service_named(counter_account)?;
            (OperationKind::Charge, moved.negated().ok()?, Some(("service", service)))
        }
        EntryKind::Recharge => {
            let method = method_named(counter_account)?;
            (OperationKind::Recharge, moved, Some(("method", method)))
        }
        EntryKind::Adjustment => (OperationKind::Adjust, moved, None),
        EntryKind::Penalty => (OperationKind::Penalty, moved.negated().ok()?, None),
        _ => return None,
    };
    Some(Plain {
        operation,
        amount,
        counterpart,
        reference,
        description,
        metadata,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::account::AccountId;
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
            let fingerprints = Fingerprints::default();
            let agree = |attempt: &PlainAttempt| {
                let claims = Claims::of(2);
                fingerprints.clone().entry((&claims, &currency), &entry(1, &plain, &note));
                fingerprints.plain(&claims, attempt);
                claims.agree()
            };
            let mut attempt = attempt(1, &operation, &note, &currency);
            prop_assert!(agree(&attempt));
            // What an option says is not the entry's to tell.
            let end = if has_options(&attempt) { attempt.payload_at } else { attempt.claim.len() };
            let place = place % end;
            attempt.claim[place] ^= 1;
            prop_assert!(!agree(&attempt));
            attempt.claim[place] ^= 1;
            for seq in [2, 3, 0, i64::MIN] {
                attempt.seq = seq;
                prop_assert!(!agree(&attempt));
            }
        }
    }
}
