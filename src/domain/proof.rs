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

    /// The state that later entries are added to; `None` where the proof's own row cannot be believed.
    pub fn start(&self) -> Option<State> {
        let standing = self.proof.state.figures.standing();
        let believed = match self.entry {
            _ if self.proof.state.last_seq == 0 => self.proof.state == State::default(),
            Some((hash, after)) => hash == self.proof.state.chain_head && after == standing,
            None => false,
        };
        believed.then_some(self.proof.state)
    }
}

/// The figures after what later entries come to; `None` beyond the range.
pub fn moved_on(start: &Figures, later: &Figures) -> Option<Figures> {
    Some(Figures {
        balance: start.balance.plus(later.balance).ok()?,
        held: start.held.plus(later.held).ok()?,
        debt: start.debt.plus(later.debt).ok()?,
        total_recharged: start.total_recharged.plus(later.total_recharged).ok()?,
        total_spent: start.total_spent.plus(later.total_spent).ok()?,
    })
}
