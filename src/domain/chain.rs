//! The hash chain that makes a rewritten history show.
//!
//! `hash = SHA-256(previous hash || canonical entry)`, where the hash before the first entry is
//! 32 zero bytes. The canonical form, version 1, is the fields of [`link`] in their order, each as its
//! length (4 bytes, big-endian) and its bytes; an absent one is the length `0xFFFFFFFF` and no bytes;
//! integers are 8 bytes, big-endian, two's complement; times are microseconds since 1970.
//! It names the account by user id and currency, so the same history gives the same hashes in every
//! database, and lengths come first, so no choice of texts can make two entries look alike.

use std::fmt;

use sha2::{Digest, Sha256};

use super::entry::{Movement, Stamp, Standing};

/// A link of an account's chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first entry is chained to.
    pub const GENESIS: Self = Self([0; 32]);

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const ENTRY_FORM: &str = "ledger.entry/1";
const DIGEST_FORM: &str = "ledger.digest/1";

/// The hash of an entry of the account `(user_id, currency)` that follows `previous`.
pub fn link(
    previous: ChainHash,
    (user_id, currency): (&str, &str),
    seq: i64,
    movement: &Movement,
    after: &Standing,
    stamp: &Stamp,
) -> ChainHash {
    let note = &stamp.note;
    let mut form = Form::new();
    form.0.update(previous.0);
    form.text(ENTRY_FORM);
    form.text(user_id);
    form.text(currency);
    form.integer(seq);
    form.text(movement.kind.name());
    form.integer(movement.deltas.balance.get());
    form.integer(movement.deltas.held.get());
    form.integer(movement.deltas.debt.get());
    form.integer(after.balance.get());
    form.integer(after.held.get());
    form.integer(after.debt.get());
    form.text(movement.counter_account.as_str());
    form.optional(note.reference.as_ref().map(|r| r.as_str().as_bytes()));
    form.optional(note.description.as_ref().map(|d| d.as_str().as_bytes()));
    form.optional(note.metadata.as_ref().map(|m| m.as_str().as_bytes()));
    form.text(stamp.actor.as_str());
    form.optional(
        movement
            .reverses
            .map(i64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    );
    form.optional(stamp.key.as_ref().map(|k| k.as_str().as_bytes()));
    form.integer(stamp.at.micros());
    form.finish()
}

/// The digest of a whole ledger: every account's name, last sequence number and chain head,
/// accounts in the order of their creation, encoded like an entry.
pub struct LedgerDigest(Form);

impl Default for LedgerDigest {
    fn default() -> Self {
        let mut form = Form::new();
        form.text(DIGEST_FORM);
        Self(form)
    }
}

impl LedgerDigest {
    pub fn account(&mut self, user_id: &str, currency: &str, last_seq: i64, head: ChainHash) {
        self.0.text(user_id);
        self.0.text(currency);
        self.0.integer(last_seq);
        self.0.field(&head.0);
    }

    pub fn finish(self) -> ChainHash {
        self.0.finish()
    }
}

/// Length-prefixed fields going into one SHA-256.
struct Form(Sha256);

impl Form {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn field(&mut self, bytes: &[u8]) {
        // Texts are bounded far below 4 GiB where they are parsed.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
        self.0.update(length.to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    fn integer(&mut self, integer: i64) {
        self.field(&integer.to_be_bytes());
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => self.0.update(u32::MAX.to_be_bytes()),
        }
    }

    fn finish(self) -> ChainHash {
        ChainHash(self.0.finalize().into())
    }
}
