//! The chain of hashes and the digest, from their description.

use sha2::{Digest, Sha256};

use super::account::Account;
use super::money::Entry;
use super::operation::AccountName;

pub type Hash = [u8; 32];

impl Account {
    /// Gives the entries their places in the chain, as far as their keys are known.
    pub fn seal(&mut self) {
        while let Some(entry) = self.entries.get(self.sealed)
            && !entry.awaits_key
        {
            let hash = chain_hash(self.chain_head(), &self.name, entry);
            self.entries[self.sealed].hash = hash;
            self.sealed += 1;
        }
    }

    pub fn unsealed(&self) -> usize {
        self.entries.len() - self.sealed
    }

    /// The keys of the entries that have no place in the chain yet. One that was given is not learnt.
    pub fn learn_keys(&mut self, keys: Vec<Option<String>>) {
        for (entry, key) in self.entries[self.sealed..].iter_mut().zip(keys) {
            entry.idempotency_key = entry.idempotency_key.take().or(key);
            entry.awaits_key &= entry.idempotency_key.is_none();
        }
        self.seal();
    }

    /// The entries from that one on have no key, and will not get one.
    pub fn leave_without_key(&mut self, from: usize) {
        for entry in &mut self.entries[from..] {
            entry.awaits_key = false;
        }
        self.seal();
    }

    fn chain_head(&self) -> Hash {
        self.sealed
            .checked_sub(1)
            .map_or([0; 32], |last| self.entries[last].hash)
    }
}

pub fn digest(accounts: &[Account]) -> Hash {
    let mut canonical = Canonical::new("ledger.digest/1");
    for account in accounts {
        canonical.text(&account.name.user_id);
        canonical.text(&account.name.currency);
        canonical.integer(account.last_seq());
        canonical.bytes(&account.chain_head());
    }
    Sha256::digest(canonical.0).into()
}

fn chain_hash(previous: Hash, account: &AccountName, entry: &Entry) -> Hash {
    let mut canonical = Canonical::new("ledger.entry/1");
    canonical.text(&account.user_id);
    canonical.text(&account.currency);
    canonical.integer(entry.seq);
    canonical.text(entry.kind);
    canonical.integer(entry.balance_delta);
    canonical.integer(entry.held_delta);
    canonical.integer(entry.debt_delta);
    canonical.integer(entry.balance_after);
    canonical.integer(entry.held_after);
    canonical.integer(entry.debt_after);
    canonical.text(&entry.counter_account);
    canonical.optional_text(entry.note.reference.as_deref());
    canonical.optional_text(entry.note.description.as_deref());
    canonical.optional_text(entry.note.metadata.as_deref());
    canonical.text(&entry.actor);
    canonical.optional_integer(entry.reverses);
    canonical.optional_text(entry.idempotency_key.as_deref());
    canonical.integer(entry.at_micros);
    Sha256::new()
        .chain_update(previous)
        .chain_update(canonical.0)
        .finalize()
        .into()
}

/// Each field behind its length, so that no two lists of fields look alike.
struct Canonical(Vec<u8>);

impl Canonical {
    fn new(version: &str) -> Self {
        let mut canonical = Self(Vec::new());
        canonical.text(version);
        canonical
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("no field is that long");
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
    }

    fn absent(&mut self) {
        self.0.extend(u32::MAX.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn integer(&mut self, integer: i64) {
        self.bytes(&integer.to_be_bytes());
    }

    fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.absent(),
        }
    }

    fn optional_integer(&mut self, integer: Option<i64>) {
        match integer {
            Some(integer) => self.integer(integer),
            None => self.absent(),
        }
    }
}

/// As the command line prints hashes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
