//! Holds: money set aside until it is committed, released or expires.

use super::money::{Amount, Minor};
use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStatus {
    Open,
    Committed,
    Released,
    Expired,
}

impl HoldStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A freeze and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub number: i64,
    pub amount: Amount,
    /// Still held; zero once it has ended.
    pub remaining: Minor,
    pub status: HoldStatus,
    pub expires_at: Option<Timestamp>,
}

impl Hold {
    /// The status that counts at `now`: an overdue open hold has expired, whether or not the job has come by.
    pub fn status_at(&self, now: Timestamp) -> HoldStatus {
        match self.status {
            HoldStatus::Open if self.expires_at.is_some_and(|at| at <= now) => HoldStatus::Expired,
            status => status,
        }
    }
}
