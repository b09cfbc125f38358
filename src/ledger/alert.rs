//! Alerts: opened once per cause, closed when the cause is gone, acknowledged by a person.

use serde_json::json;
use std::collections::HashSet;

use super::Ledger;
use super::account::chosen;
use super::act::act;
use super::clock::unique_name;
use super::error::LedgerError;
use super::outbox;
use crate::db::alerts::AlertFilter;
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError, alerts};
use crate::domain::account::AccountId;
use crate::domain::alert::{Alert, Severity};
use crate::domain::currency::CurrencyCode;
use crate::domain::event::Event;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

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
/// among `causes` any more. Returns what it closed.
pub(super) fn reconcile(ledger: &mut Ledger, family: &str, causes: &[Cause]) -> Result<Vec<Alert>, LedgerError> {
    reconcile_where(ledger, family, causes, ByHand::No, |_, _| Ok(true))
}

/// Whether alerts are closed because somebody asked for it, which is an act, or because their cause is gone.
#[derive(Clone, Copy)]
pub(super) enum ByHand<'a> {
    No,
    Act { command: &'a str, run_id: &'a str },
}

/// As [`reconcile`], but closes an alert only where `is_gone` agrees: not seeing a cause is no proof for every check.
pub(super) fn reconcile_where(
    ledger: &mut Ledger,
    family: &str,
    causes: &[Cause],
    by_hand: ByHand<'_>,
    mut is_gone: impl FnMut(&mut Ledger, &Alert) -> Result<bool, LedgerError>,
) -> Result<Vec<Alert>, LedgerError> {
    let (actor, now) = (ledger.actor.clone(), ledger.now());
    for some in causes.chunks(AT_ONCE) {
        write(&mut ledger.db, "alerts", |db| {
            some.iter().try_for_each(|cause| raise(db, cause, now))
        })?;
    }
    // What has no account, or the number of none, is the ledger's as a whole.
    let key = |account: Option<AccountId>| account.unwrap_or(AccountId::NONE);
    let seen: HashSet<(AccountId, &str)> = causes.iter().map(|c| (key(c.account), c.name.as_str())).collect();
    let mut gone = Vec::new();
    for open in alerts::alerts_open(&mut ledger.db, family)? {
        if !seen.contains(&(key(open.account), open.cause.as_str())) && is_gone(ledger, &open)? {
            gone.push(open);
        }
    }
    for some in gone.chunks(AT_ONCE) {
        write(&mut ledger.db, "alerts closed", |db| -> Result<(), LedgerError> {
            for open in some {
                if alerts::alert_close(db, open, now)?
                    && let ByHand::Act { command, run_id } = by_hand
                {
                    act(key(open.account), command, (&actor, now))
                        .in_run(run_id)
                        .before(json!({"alert": open.id, "cause": open.cause, "message": open.message}))
                        .after(json!({"closed_at": now.to_string()}))
                        .record(db)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(gone)
}

/// How many alerts are written while others wait.
const AT_ONCE: usize = 500;

fn raise(db: &mut Db, cause: &Cause, now: Timestamp) -> Result<(), LedgerError> {
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
    let raised = alerts::alert_raise(db, &alert).map_err(DbError::taken_is_retry);
    if raised? {
        let account = alert.account.unwrap_or(AccountId::NONE);
        outbox::tell(db, account, &[Event::alert_opened(&alert)], now)?;
    }
    Ok(())
}

/// Which alerts a list shows.
#[derive(Clone, Debug)]
pub struct AlertQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub severity: Option<Severity>,
    /// Closed ones too.
    pub all: bool,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &AlertQuery) -> Result<Vec<Alert>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = AlertFilter {
        account,
        severity: query.severity,
        all: query.all,
        limit: query.limit,
    };
    Ok(alerts::alerts_list(&mut ledger.db, &filter)?)
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
        let state = |acknowledged: bool| json!({"alert": alert.id, "cause": alert.cause, "acknowledged": acknowledged});
        act(alert.account.unwrap_or(AccountId::NONE), "alerts ack", (&actor, at))
            .before(state(false))
            .after(state(true))
            .record(db)?;
        let acknowledged = Alert {
            acknowledged_at: Some(at),
            acknowledged_by: Some(actor.clone()),
            ..alert
        };
        Ok((acknowledged, true))
    })
}
