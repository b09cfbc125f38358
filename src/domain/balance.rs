//! The state of an account as its entries make it: the one definition of "recompute".
//!
//! Whether an entry should have been allowed is not asked here, only whether it follows from the one before.

use super::chain::{self, Chain, ChainHash, EntryForm};
use super::entry::{Deltas, Entry, EntryKind, Movement, Stamp, Standing, Total};
use super::money::{Minor, OutOfRange};

/// The figures of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What is available: can be charged or frozen.
    pub balance: Minor,
    /// What open holds have set aside.
    pub held: Minor,
    /// What the account owes after a clawback of credits it had already spent.
    pub debt: Minor,
    pub total_recharged: Minor,
    pub total_spent: Minor,
}

impl Figures {
    /// How large the largest of them is, whichever way.
    pub fn largest(&self) -> u64 {
        let Self {
            balance,
            held,
            debt,
            total_recharged,
            total_spent,
        } = self;
        let all = [balance, held, debt, total_recharged, total_spent];
        all.map(|figure| figure.magnitude()).into_iter().max().unwrap_or(0)
    }

    /// The figures after an entry of that kind.
    pub fn moved(&self, kind: EntryKind, deltas: Deltas) -> Result<Self, OutOfRange> {
        let recharged = match kind.total() {
            Some(Total::Recharged) => deltas.balance,
            _ => Minor::ZERO,
        };
        let spent = match kind.total() {
            Some(Total::Spent) => deltas.balance.plus(deltas.held)?.negated()?,
            _ => Minor::ZERO,
        };
        Ok(Self {
            balance: self.balance.plus(deltas.balance)?,
            held: self.held.plus(deltas.held)?,
            debt: self.debt.plus(deltas.debt)?,
            total_recharged: self.total_recharged.plus(recharged)?,
            total_spent: self.total_spent.plus(spent)?,
        })
    }

    /// The figures after several entries.
    pub fn moved_by(&self, movements: &[Movement]) -> Result<Self, OutOfRange> {
        movements
            .iter()
            .try_fold(*self, |figures, m| figures.moved(m.kind, m.deltas))
    }

    pub const fn standing(&self) -> Standing {
        Standing {
            balance: self.balance,
            held: self.held,
            debt: self.debt,
        }
    }
}

/// Figures and position in the chain: what the balance row stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub figures: Figures,
    pub last_seq: i64,
    pub chain_head: ChainHash,
}

/// How an entry fails to follow from what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The sequence number is not the next one.
    Sequence,
    /// The figures after the entry do not follow from those before it and its deltas.
    Figures,
    /// The hash is not the one of this content after the previous hash.
    Hash,
    /// An earlier pass has proven it, and it is no longer there.
    Gone,
    /// An earlier pass has proven another entry in its place.
    Replaced,
    /// Other records name it, and the journal ends before it.
    Cut,
}

impl Break {
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Sequence => "its sequence number does not follow the one before",
            Self::Figures => "its figures do not follow from the entry before",
            Self::Hash => "its hash does not match its content and the entry before",
            Self::Gone => "an earlier verify-sync has proven it and it is gone",
            Self::Cut => "other records name it and it is gone",
            Self::Replaced => "it is not the entry that an earlier verify-sync has proven",
        }
    }
}

/// The state after one more entry; the entry is held against the state before it.
pub fn fold(state: &State, account: (&str, &str), entry: &Entry) -> Result<State, Break> {
    let Entry {
        seq,
        movement,
        after,
        stamp,
        hash,
    } = entry;
    let place = Place {
        seq: *seq,
        after: *after,
        hash: *hash,
    };
    folded(state, (movement.kind, movement.deltas), place, |previous| {
        chain::link(previous, account, *seq, movement, after, stamp)
    })
}

/// An entry as it is read to be checked: its figures, and everything that is hashed as one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// `None` for a kind that there is not.
    pub kind: Option<EntryKind>,
    pub deltas: Deltas,
    pub place: Place,
    /// Whether it carries an idempotency key.
    pub keyed: bool,
    pub form: EntryForm,
}

/// An entry's place in the journal: number, figures and hash after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub seq: i64,
    pub after: Standing,
    pub hash: ChainHash,
}

/// As [`fold`], of an entry that was read to be checked.
pub fn fold_read(state: &State, chain: &Chain, entry: &ReadEntry) -> Result<State, Break> {
    let kind = entry.kind.ok_or(Break::Figures)?;
    folded(state, (kind, entry.deltas), entry.place, |previous| {
        chain.link(previous, &entry.form)
    })
}

fn folded(
    state: &State,
    (kind, deltas): (EntryKind, Deltas),
    place: Place,
    link: impl FnOnce(ChainHash) -> ChainHash,
) -> Result<State, Break> {
    if state.last_seq.checked_add(1) != Some(place.seq) {
        return Err(Break::Sequence);
    }
    let figures = state.figures.moved(kind, deltas).map_err(|_| Break::Figures)?;
    if figures.standing() != place.after {
        return Err(Break::Figures);
    }
    if link(state.chain_head) != place.hash {
        return Err(Break::Hash);
    }
    Ok(State {
        figures,
        last_seq: place.seq,
        chain_head: place.hash,
    })
}

/// Gives a movement its place after `state`: the entry, and the state with it.
pub fn append(
    state: &State,
    account: (&str, &str),
    movement: Movement,
    stamp: &Stamp,
) -> Result<(Entry, State), OutOfRange> {
    let figures = state.figures.moved(movement.kind, movement.deltas)?;
    let after = figures.standing();
    let seq = state.last_seq.checked_add(1).ok_or(OutOfRange)?;
    let hash = chain::link(state.chain_head, account, seq, &movement, &after, stamp);
    let entry = Entry {
        seq,
        movement,
        after,
        stamp: stamp.clone(),
        hash,
    };
    Ok((
        entry,
        State {
            figures,
            last_seq: seq,
            chain_head: hash,
        },
    ))
}
