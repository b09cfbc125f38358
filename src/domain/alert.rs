//! Alerts: what a person has to look at.

use super::account::AccountId;
use super::text::Actor;
use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Can be repaired by the tool.
    Warning,
    /// Waits for a person.
    Critical,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.name() == name)
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
