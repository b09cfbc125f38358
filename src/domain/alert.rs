//! Alerts: what a person has to look at.

use super::account::AccountId;
use super::named::named;
use super::text::Actor;
use super::time::Timestamp;

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Severity {
        /// Can be repaired by the tool.
        Warning = "WARNING",
        /// Waits for a person.
        Critical = "CRITICAL",
    }
}

/// One cause, from when it was first seen until it was gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// `None` for the ledger as a whole.
    pub account: Option<AccountId>,
    pub id: String,
    /// What makes it the same alert when it is seen again: `health:negative_balance`.
    pub cause: String,
    pub severity: Severity,
    pub message: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<Actor>,
}
