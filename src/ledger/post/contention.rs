//! Whether others are at work on the same account.

use crate::domain::account::AccountId;

/// Whether others are at the same account: waiting for its lock is cheaper then than guessing and being too late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contention {
    account: Option<AccountId>,
    /// How many operations more are expected to meet somebody.
    remaining: u8,
}

impl Contention {
    const MEMORY: u8 = 50;

    pub(super) fn noticed(&mut self, account: AccountId) {
        *self = Self {
            account: Some(account),
            remaining: Self::MEMORY,
        };
    }

    pub(super) fn expected(&mut self, account: AccountId) -> bool {
        if self.account != Some(account) || self.remaining == 0 {
            return false;
        }
        self.remaining -= 1;
        true
    }
}
