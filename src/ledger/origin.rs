//! From where the ledger is administered.

use super::job::host;

/// The system user and the host, whoever `--actor` says is at work: `deploy@billing-2`.
pub(super) fn here() -> String {
    let user = whoami::username().unwrap_or_else(|_| "unknown".into());
    format!("{user}@{}", host())
}
