//! What an earlier pass has proven of an account, and what may be built upon it.

use super::account::AccountId;
use super::balance::{Break, Figures, State};
use super::chain::ChainHash;
use super::entry::Standing;

/// An account's figures and place in its chain, as a pass has proven them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub account: AccountId,
    pub state: State,
}

/// A proof, and hash and figures of the entry that now stands where it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub proof: Proof,
    pub entry: Option<(ChainHash, Standing)>,
}

impl Held {
    /// How the journal contradicts what was proven of it, if it does.
    pub fn contradiction(&self) -> Option<Break> {
        match self.entry {
            _ if self.proof.state.last_seq == 0 => None,
            None => Some(Break::Gone),
            Some((hash, _)) => (hash != self.proof.state.chain_head).then_some(Break::Replaced),
        }
    }
}

/// An account's balance row beside its proof and what its entries from the proven one on come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screened {
    pub stored: State,
    /// Whether the row's revision of the settings is the account's.
    pub same_settings: bool,
    pub proven: State,
    /// How many entries there are after the proven one, and the number of the last of all.
    pub entries: i64,
    pub last_seq: i64,
    /// Whether the proven entry is there, with its hash and figures.
    pub proof_stands: bool,
    /// Whether the last entry is the one that the balance row repeats, with its hash and figures.
    pub row_stands: bool,
    /// What the entries after the proven one come to.
    pub later: Figures,
}

impl Screened {
    /// Whether the account is in sync beyond doubt; if not, every entry has to be looked at.
    pub fn is_in_sync(&self) -> bool {
        let Self {
            stored, proven, later, ..
        } = self;
        let proof_stands = if proven.last_seq == 0 {
            *proven == State::default()
        } else {
            self.proof_stands
        };
        let row_stands = if stored.last_seq == 0 {
            *stored == State::default()
        } else {
            self.row_stands
        };
        let figures = moved_on(&proven.figures, later);
        self.same_settings
            && proof_stands
            && row_stands
            && self.last_seq == stored.last_seq
            && stored.last_seq.checked_sub(proven.last_seq) == Some(self.entries)
            && figures == Some(stored.figures)
    }
}

/// The figures after what later entries come to; `None` beyond the range.
fn moved_on(start: &Figures, later: &Figures) -> Option<Figures> {
    Some(Figures {
        balance: start.balance.plus(later.balance).ok()?,
        held: start.held.plus(later.held).ok()?,
        debt: start.debt.plus(later.debt).ok()?,
        total_recharged: start.total_recharged.plus(later.total_recharged).ok()?,
        total_spent: start.total_spent.plus(later.total_spent).ok()?,
    })
}
