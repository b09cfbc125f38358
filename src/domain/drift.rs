//! How a balance row differs from what its entries come to.

use super::balance::{Figures, State};
use super::chain::ChainHash;
use super::money::Minor;

/// One stored figure that is not what the entries say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    Amount {
        field: &'static str,
        stored: Minor,
        actual: Minor,
    },
    Number {
        field: &'static str,
        stored: i64,
        actual: i64,
    },
    Head {
        stored: ChainHash,
        actual: ChainHash,
    },
    /// There is no balance row.
    Missing {
        actual: Figures,
    },
    /// There is a balance row, and no account.
    Extra {
        stored: Figures,
    },
}

impl Drift {
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Amount { field, .. } | Self::Number { field, .. } => field,
            Self::Head { .. } => "chain_head",
            Self::Missing { .. } | Self::Extra { .. } => "row",
        }
    }

    /// How much money is concerned, whichever way.
    pub fn money(&self) -> u64 {
        match self {
            Self::Amount { stored, actual, .. } => stored.get().abs_diff(actual.get()),
            Self::Missing { actual: lost } | Self::Extra { stored: lost } => lost.largest(),
            Self::Number { .. } | Self::Head { .. } => 0,
        }
    }
}

/// Every figure in which a stored row and the state of its entries differ.
pub fn compare((stored, stored_revision): (&State, i64), (actual, actual_revision): (&State, i64)) -> Vec<Drift> {
    let amounts = [
        ("balance", stored.figures.balance, actual.figures.balance),
        ("held", stored.figures.held, actual.figures.held),
        ("debt", stored.figures.debt, actual.figures.debt),
        (
            "total_recharged",
            stored.figures.total_recharged,
            actual.figures.total_recharged,
        ),
        ("total_spent", stored.figures.total_spent, actual.figures.total_spent),
    ];
    let numbers = [
        ("last_seq", stored.last_seq, actual.last_seq),
        ("settings_revision", stored_revision, actual_revision),
    ];
    let head = (stored.chain_head != actual.chain_head).then_some(Drift::Head {
        stored: stored.chain_head,
        actual: actual.chain_head,
    });
    amounts
        .into_iter()
        .filter(|(_, stored, actual)| stored != actual)
        .map(|(field, stored, actual)| Drift::Amount { field, stored, actual })
        .chain(
            numbers
                .into_iter()
                .filter(|(_, stored, actual)| stored != actual)
                .map(|(field, stored, actual)| Drift::Number { field, stored, actual }),
        )
        .chain(head)
        .collect()
}
