//! The right to what a charge has paid for: a profile, a download, a month of something.

use chrono::TimeDelta;

use super::named::named;
use super::purchase::Deactivation;
use super::record_id::record_id;
use super::text::{Actor, Resource};
use super::time::Timestamp;

record_id!(
    /// How a grant is named outside: `a12-7` came with entry 7 of account 12.
    GrantId, 'a', "an access grant", "ledger access list"
);

/// What a charge is to give access to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub resource: Resource,
    /// For ever unless given.
    pub expires_in: Option<TimeDelta>,
}

/// Access that was paid for; its number is that of the charge's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessGrant {
    pub id: GrantId,
    pub resource: Resource,
    pub granted_at: Timestamp,
    pub granted_by: Actor,
    pub expires_at: Option<Timestamp>,
    /// By whom, when and why, once the whole charge was given back.
    pub revoked: Option<Deactivation>,
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum GrantStatus {
        Active = "active",
        Expired = "expired",
        Revoked = "revoked",
    }
}

impl AccessGrant {
    /// It has expired from the very moment on.
    pub fn status_at(&self, now: Timestamp) -> GrantStatus {
        if self.revoked.is_some() {
            GrantStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            GrantStatus::Expired
        } else {
            GrantStatus::Active
        }
    }
}
