//! Access that charges pay for, until the whole charge has been given back.

use super::account::Account;
use super::operation::{Access, Step};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The number of the charge's entry.
    pub entry: i64,
    pub resource: String,
    pub granted_at: i64,
    pub granted_by: String,
    pub expires_at: Option<i64>,
    /// When, and by whom.
    pub revoked: Option<(i64, String)>,
}

impl Account {
    /// By the charge that has just been booked.
    pub fn grant_access(&mut self, access: &Access, step: &Step) {
        self.grants.push(Grant {
            entry: self.last_seq(),
            resource: access.resource.clone(),
            granted_at: step.at_micros,
            granted_by: step.actor.clone(),
            expires_at: access.expires_in.map(|seconds| step.later(seconds)),
            revoked: None,
        });
    }

    /// Where nothing is left of the money that paid for it.
    pub fn revoke_if_all_is_back(&mut self, entry: i64, step: &Step) {
        let Some(paid) = self.entries.iter().find(|known| known.seq == entry) else {
            return;
        };
        let back: i64 = self
            .entries
            .iter()
            .filter(|later| later.kind == "refund" && later.reverses == Some(entry))
            .map(|later| later.balance_delta)
            .sum();
        if back + paid.balance_delta < 0 {
            return;
        }
        let grants = self.grants.iter_mut().filter(|grant| grant.entry == entry);
        for grant in grants.filter(|grant| grant.revoked.is_none()) {
            grant.revoked = Some((step.at_micros, step.actor.clone()));
        }
    }
}
