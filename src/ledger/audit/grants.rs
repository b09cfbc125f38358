//! Mending access that does not stand with its charge, under the account's lock, with a record of what was done.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::REPAIR;
use super::scan::{Orphan, Scan};
use crate::db::unit_of_work::write;
use crate::db::{Db, access, entries, snapshot};
use crate::domain::access::{AccessGrant, GrantId};
use crate::domain::account::AccountId;
use crate::domain::entry::EntryKind;
use crate::domain::intent::Intent;
use crate::domain::purchase::Deactivation;
use crate::domain::snapshot::Reversible;
use crate::domain::text::{Actor, Description, Resource};
use crate::domain::time::Timestamp;
use crate::ledger::act::act;
use crate::ledger::job::Run;
use crate::ledger::{Ledger, LedgerError, interrupt};

/// Ends grants that nothing stands for, and writes those that charges have paid for.
pub(super) fn mend(ledger: &mut Ledger, run: &mut Run, scan: &mut Scan) -> Result<(), LedgerError> {
    for (orphan, place) in std::mem::take(&mut scan.orphans) {
        interrupt::check()?;
        run.keep(ledger)?;
        let mended = mend_one(ledger, &run.id, &orphan)?;
        if let Some(finding) = scan.findings.list.get_mut(place) {
            finding.mended = mended;
        }
    }
    Ok(())
}

/// `false` for what cannot be mended: a charge whose attempt does not say what it was to give.
fn mend_one(ledger: &mut Ledger, run_id: &str, orphan: &Orphan) -> Result<bool, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    let account = match orphan {
        Orphan::Grant(grant) => grant.id.account,
        Orphan::Charge(intent) => intent.account,
    };
    write(&mut ledger.db, REPAIR, |db| {
        // A damaged account keeps its damage for verify-sync; its lock is all that is wanted here.
        if let Err(error) = snapshot::lock(db, account)
            && error.is_transient()
        {
            return Err(error.into());
        }
        let (before, after) = match orphan {
            Orphan::Grant(grant) => match revoke(db, grant, &actor, at)? {
                Some(after) => (Some(described(grant)), described(&after)),
                None => return Ok(true),
            },
            Orphan::Charge(intent) => match supply(db, intent, &actor, at)? {
                Supplied::Done(grant) => (None, described(&grant)),
                Supplied::There => return Ok(true),
                Supplied::Impossible => return Ok(false),
            },
        };
        act(account, REPAIR, (&actor, at))
            .in_run(run_id)
            .before(before)
            .after(after)
            .record(db)?;
        Ok(true)
    })
}

/// The grant as it is then; `None` where it was revoked meanwhile, or a charge stands for it now.
fn revoke(db: &mut Db, grant: &AccessGrant, actor: &Actor, at: Timestamp) -> Result<Option<AccessGrant>, LedgerError> {
    let account = grant.id.account.get();
    let unfounded = access::grants_unfounded(db, account, account, i64::MAX)?;
    if !unfounded.iter().any(|still| still.grant.id == grant.id) {
        return Ok(None);
    }
    let how = Deactivation {
        at,
        by: actor.clone(),
        why: Description::parse("no charge stands for it").ok(),
    };
    if !access::grant_revoke(db, grant.id, &how)? {
        return Ok(None);
    }
    Ok(access::grant_find(db, grant.id)?)
}

enum Supplied {
    Done(AccessGrant),
    /// Somebody was faster.
    There,
    /// The attempt does not say what was paid for, or there is no such charge.
    Impossible,
}

/// Writes what the charge's attempt says that it was to give, as it would have been.
fn supply(db: &mut Db, intent: &Intent, actor: &Actor, at: Timestamp) -> Result<Supplied, LedgerError> {
    let Some(number) = intent.subject else {
        return Ok(Supplied::Impossible);
    };
    let id = GrantId {
        account: intent.account,
        number,
    };
    if access::grant_find(db, id)?.is_some() {
        return Ok(Supplied::There);
    }
    let paid = charge(db, intent.account, number)?;
    let Some(((charged_at, charge), asked)) = paid.zip(asked(intent)) else {
        return Ok(Supplied::Impossible);
    };
    let (resource, lasts) = asked;
    let grant = AccessGrant {
        id,
        resource,
        granted_at: charged_at,
        granted_by: intent.actor.clone(),
        expires_at: lasts.map(|span| charged_at.after(span)),
        revoked: None,
    };
    access::grant_insert(db, &grant)?;
    if charge.reversed.magnitude() >= charge.movement.deltas.balance.magnitude() {
        revoke(db, &grant, actor, at)?;
    }
    Ok(access::grant_find(db, id)?.map_or(Supplied::Impossible, Supplied::Done))
}

/// When the charge was made, and how much of it has been given back.
fn charge(db: &mut Db, account: AccountId, seq: i64) -> Result<Option<(Timestamp, Reversible)>, LedgerError> {
    let made = entries::entries_between(db, account, seq, seq)?.into_iter().next();
    let reversible = entries::entry_reversible(db, account, seq)?;
    let is_charge = |reversible: &Reversible| reversible.movement.kind == EntryKind::ServiceFee;
    Ok(made.map(|entry| entry.stamp.at).zip(reversible.filter(is_charge)))
}

/// What the attempt asked for, and for how long.
fn asked(intent: &Intent) -> Option<(Resource, Option<TimeDelta>)> {
    let payload: Value = serde_json::from_str(intent.payload.as_str()).ok()?;
    let resource = Resource::parse(payload["grants"].as_str()?).ok()?;
    let lasts = payload["access_expires_ms"]
        .as_i64()
        .and_then(TimeDelta::try_milliseconds);
    Some((resource, lasts))
}

fn described(grant: &AccessGrant) -> Value {
    json!({
        "access": grant.id.to_string(),
        "resource": grant.resource.as_str(),
        "granted_at": grant.granted_at.to_string(),
        "expires_at": grant.expires_at.map(|at| at.to_string()),
        "revoked_at": grant.revoked.as_ref().map(|how| how.at.to_string()),
    })
}
