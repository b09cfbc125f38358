//! Alerts: opened once per cause, closed when the cause is gone, acknowledged by a person.

use serde_json::json;

use super::Ledger;
use super::clock::unique_name;
use super::currency::NO_ACCOUNT;
use super::error::LedgerError;
use crate::db::operations::{NewOperation, operation_insert};
use crate::db::unit_of_work::write;
use crate::db::{DbError, alerts};
use crate::domain::account::AccountId;
use crate::domain::alert::{Alert, Severity};

/// Something that a person has to look at, as a check found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `None` for the ledger as a whole.
    pub account: Option<AccountId>,
    /// What makes it the same alert when it is found again: `health:negative_balance`.
    pub name: String,
    pub severity: Severity,
    pub message: String,
}

/// Opens an alert for each cause that is new, and closes those whose name begins with `family` and that are not
/// among `causes` any more.
pub(super) fn reconcile(ledger: &mut Ledger, family: &str, causes: &[Cause]) -> Result<(), LedgerError> {
    let now = ledger.now();
    write(&mut ledger.db, "alerts", |db| {
        for cause in causes {
            let alert = Alert {
                account: cause.account,
                id: unique_name(),
                cause: cause.name.clone(),
                severity: cause.severity,
                message: cause.message.clone(),
                first_seen: now,
                last_seen: now,
                closed_at: None,
                acknowledged_at: None,
                acknowledged_by: None,
            };
            alerts::alert_raise(db, &alert).map_err(|error| match error {
                DbError::Taken(text) => DbError::Retry(text),
                error => error,
            })?;
        }
        for open in alerts::alerts_open(db, family)? {
            let still = |cause: &Cause| cause.account == open.account && cause.name == open.cause;
            if !causes.iter().any(still) {
                alerts::alert_close(db, &open, now)?;
            }
        }
        Ok(())
    })
}

/// Newest first; only the open ones unless `all`.
pub fn list(ledger: &mut Ledger, all: bool, limit: i64) -> Result<Vec<Alert>, LedgerError> {
    Ok(alerts::alerts_list(&mut ledger.db, all, limit)?)
}

/// Takes notice of an alert; `false` beside it when somebody has before.
pub fn acknowledge(ledger: &mut Ledger, id: &str) -> Result<(Alert, bool), LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "alert acknowledged", |db| {
        let alert = alerts::alert_find(db, id)?.ok_or_else(|| {
            LedgerError::NotFound(format!(
                "alert {id} does not exist; `ledger alerts list --all` shows them"
            ))
        })?;
        if alert.acknowledged_at.is_some() {
            return Ok((alert, false));
        }
        alerts::alert_acknowledge(db, &alert, &actor, at)?;
        let state = |acknowledged: bool| {
            json!({"alert": alert.id, "cause": alert.cause, "acknowledged": acknowledged}).to_string()
        };
        let operation = NewOperation {
            account: alert.account.unwrap_or(NO_ACCOUNT),
            id: &unique_name(),
            run_id: None,
            command: "alerts ack",
            actor: &actor,
            at,
            before: Some(&state(false)),
            after: Some(&state(true)),
        };
        operation_insert(db, &operation)?;
        let acknowledged = Alert {
            acknowledged_at: Some(at),
            acknowledged_by: Some(actor.clone()),
            ..alert
        };
        Ok((acknowledged, true))
    })
}
