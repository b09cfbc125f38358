//! Access that charges have paid for.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::access::{AccessGrant, GrantStatus};
use crate::domain::account::Account;
use crate::domain::text::Description;
use crate::ledger::access::{Checked, GrantView};

pub fn grant_fields(account: &Account, grant: &AccessGrant) -> Value {
    let revoked = grant.revoked.as_ref();
    json!({
        "id": grant.id.to_string(),
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "resource": grant.resource.as_str(),
        "entry": grant.id.number,
        "granted_at": grant.granted_at.to_string(),
        "granted_by": grant.granted_by.as_str(),
        "expires_at": grant.expires_at.map(|at| at.to_string()),
        "revoked_at": revoked.map(|how| how.at.to_string()),
        "revoked_by": revoked.map(|how| how.by.as_str()),
        "revoked_why": revoked.and_then(|how| how.why.as_ref()).map(Description::as_str),
    })
}

fn view_fields(view: &GrantView) -> Value {
    let mut fields = grant_fields(&view.account, &view.grant);
    fields["status"] = view.status.name().into();
    fields
}

/// How long a grant lasts, in words.
fn lasting(grant: &AccessGrant) -> String {
    match (&grant.revoked, grant.expires_at) {
        (Some(how), _) => format!("revoked {}", how.at),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "for ever".into(),
    }
}

pub fn grant_standing(grant: &AccessGrant) -> String {
    format!("{} {}, {}", grant.id, grant.resource, lasting(grant))
}

pub fn grants(views: &[GrantView]) -> Document {
    let table = Block::Table {
        headers: vec!["Id", "User", "Resource", "Status", "Granted", "Lasting"],
        rows: views
            .iter()
            .map(|view| {
                vec![
                    view.grant.id.to_string(),
                    view.account.user_id.to_string(),
                    view.grant.resource.to_string(),
                    view.status.name().into(),
                    view.grant.granted_at.to_string(),
                    lasting(&view.grant),
                ]
            })
            .collect(),
    };
    let rows = views.iter().map(view_fields).collect();
    Document::list("access-list", "grants", rows, vec![table])
}

pub fn checked(checked: &Checked) -> Document {
    let Checked {
        user_id,
        resource,
        grant,
    } = checked;
    let said = match grant {
        None => "no: never paid for".into(),
        Some(view) => match view.status {
            GrantStatus::Active => format!("yes, {}", lasting(&view.grant)),
            GrantStatus::Revoked => format!("no: {}", lasting(&view.grant)),
            GrantStatus::Expired => format!("no: it was {}", lasting(&view.grant)),
        },
    };
    let data = json!({
        "user_id": user_id.as_str(),
        "resource": resource.as_str(),
        "allowed": checked.allowed(),
        "status": grant.as_ref().map_or("never_granted", |view| view.status.name()),
        "grant": grant.as_ref().map(view_fields),
    });
    let line = format!("Access of user {user_id} to {resource}: {said}");
    Document::single("access-check", data, vec![Block::Line(line)])
}
