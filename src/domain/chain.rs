//! The hash chain that makes a rewritten history show.
//!
//! `hash = SHA-256(previous hash || canonical entry)`, where the hash before the first entry is
//! 32 zero bytes. The canonical form, version 1, is the fields of [`link`] in their order, each as its
//! length (4 bytes, big-endian) and its bytes; an absent one is the length `0xFFFFFFFF` and no bytes;
//! integers are 8 bytes, big-endian, two's complement; times are microseconds since 1970.
//! It names the account by user id and currency, so the same history gives the same hashes in every
//! database, and lengths come first, so no choice of texts can make two entries look alike.

use std::fmt;

use sha2::digest::Update;
use sha2::{Digest, Sha256};

use super::entry::{Movement, Stamp, Standing};
use super::hex;

/// A link of an account's chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first entry is chained to.
    pub const GENESIS: Self = Self([0; 32]);

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits, small ones, as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        hex::parse(text).map(Self)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::of(&self.0))
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
    account: (&str, &str),
    seq: i64,
    movement: &Movement,
    after: &Standing,
    stamp: &Stamp,
) -> ChainHash {
    let note = &stamp.note;
    let mut form = Form(Sha256::new());
    form.0.put(&previous.0);
    name_account(&mut form, account);
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

/// What every entry of an account has in common, before its own fields.
fn name_account<S: Sink>(form: &mut Form<S>, (user_id, currency): (&str, &str)) {
    form.text(ENTRY_FORM);
    form.text(user_id);
    form.text(currency);
}

/// The hashes of one account's entries, one after the other.
#[derive(Clone, Debug)]
pub struct Chain(Vec<u8>);

impl Chain {
    pub fn of(account: (&str, &str)) -> Self {
        let mut form = Form(Vec::with_capacity(96));
        name_account(&mut form, account);
        Self(form.0)
    }

    /// The hash of the entry of that form after `previous`.
    pub fn link(&self, previous: ChainHash, form: &EntryForm) -> ChainHash {
        let mut sha = Sha256::new();
        Update::update(&mut sha, &previous.0);
        Update::update(&mut sha, &self.0);
        Update::update(&mut sha, &form.0);
        ChainHash(sha.finalize().into())
    }
}

/// An entry's own fields as they are hashed, from its sequence number on; written in the order of [`link`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryForm(Vec<u8>);

impl EntryForm {
    pub fn new() -> Self {
        Self(Vec::with_capacity(384))
    }

    pub fn integer(&mut self, integer: i64) {
        self.0.extend_from_slice(&8_u32.to_be_bytes());
        self.0.extend_from_slice(&integer.to_be_bytes());
    }

    /// A field whose bytes `write` appends; `false` of it says that there are none.
    pub fn field<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>) -> Result<(), E> {
        let at = self.0.len();
        self.0.extend_from_slice(&ABSENT.to_be_bytes());
        if write(&mut self.0)? {
            let length = length(self.0.len() - at - 4);
            self.0[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// The bytes of every field, in the order in which they were written.
    pub fn fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (prefix, behind) = rest.split_first_chunk()?;
            let prefix = u32::from_be_bytes(*prefix);
            let length = if prefix == ABSENT {
                0
            } else {
                usize::try_from(prefix).ok()?
            };
            let (field, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some((prefix != ABSENT).then_some(field))
        })
    }

    /// The form that the entry would have under another sequence number.
    #[must_use]
    pub fn numbered(&self, seq: i64) -> Self {
        let mut form = self.clone();
        if let Some(bytes) = form.0.get_mut(4..12) {
            bytes.copy_from_slice(&seq.to_be_bytes());
        }
        form
    }
}

/// The digest of a whole ledger: every account's name, last sequence number and chain head,
/// accounts in the order of their creation, encoded like an entry.
pub struct LedgerDigest(Form<Sha256>);

impl Default for LedgerDigest {
    fn default() -> Self {
        let mut form = Form(Sha256::new());
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

/// Stands for the length of a field that is absent.
const ABSENT: u32 = u32::MAX;

/// Texts are bounded far below 4 GiB where they are parsed.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(ABSENT - 1)
}

/// Where the bytes of a form go.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        Update::update(self, bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Length-prefixed fields.
struct Form<S>(S);

impl<S: Sink> Form<S> {
    fn field(&mut self, bytes: &[u8]) {
        self.0.put(&length(bytes.len()).to_be_bytes());
        self.0.put(bytes);
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
            None => self.0.put(&ABSENT.to_be_bytes()),
        }
    }
}

impl Form<Sha256> {
    fn finish(self) -> ChainHash {
        ChainHash(self.0.finalize().into())
    }
}
