//! Recurring charges held against the log of acts, and against what was charged in their name.

use std::collections::BTreeMap;

use super::Issue;
use super::intents::Asked;
use super::records::Records;
use crate::db::operations::operations_by;
use crate::db::recurring::{period_attempts, recurring_between};
use crate::db::{Db, DbError, Numbered, Unreadable};
use crate::domain::account::AccountId;
use crate::domain::agreed::{Act, Agreed};
use crate::domain::recurring::RecurringId;
use crate::ledger::error::LedgerError;
use crate::ledger::recurring::{ADD, CANCEL};

const TABLE: &str = "recurring_charges";

impl Records {
    pub(super) fn recurring(&mut self, db: &mut Db, range: (i64, i64), asked: &Asked<'_>) -> Result<(), LedgerError> {
        let mut agreed: BTreeMap<(AccountId, i64), Option<Agreed>> = BTreeMap::new();
        for Numbered { account, number, row } in recurring_between(db, range)? {
            let charge = row.map_err(|Unreadable(why)| {
                let issue = Issue::wrong(TABLE, number.to_string(), &why);
                self.issues.push((account, issue));
            });
            agreed.insert((account, number), charge.ok().map(Agreed::new));
        }
        for act in operations_by(db, range, &[ADD, CANCEL])? {
            let Some(id) = named(act.after.as_deref()).filter(|id| id.account == act.account) else {
                continue;
            };
            let begins = act.command == ADD;
            let said = Act {
                actor: act.actor,
                at: act.at,
                after: act.after,
            };
            match agreed.get_mut(&(id.account, id.number)) {
                Some(Some(agreed)) if begins => agreed.begun(said),
                Some(Some(agreed)) => agreed.ended(said),
                None if begins => {
                    let gone = Issue::wrong(TABLE, id.number.to_string(), "it was agreed on, and is gone");
                    self.issues.push((id.account, gone));
                }
                Some(None) | None => {}
            }
        }
        if agreed.is_empty() {
            return Ok(());
        }
        let currency = |account: &AccountId| asked.get(account).map(|(_, currency)| *currency);
        period_attempts(db, range, |attempt| -> Result<(), DbError> {
            let RecurringId { account, number } = attempt.id;
            if let (Some(Some(agreed)), Some(currency)) = (agreed.get_mut(&(account, number)), currency(&account)) {
                agreed.attempted(&attempt.key, attempt.applied, &attempt.payload, currency);
            }
            Ok(())
        })?;
        for ((account, number), agreed) in agreed {
            let wrong = currency(&account).zip(agreed);
            let wrong = wrong.map(|(currency, agreed)| agreed.contradictions(currency));
            self.wrong(account, TABLE, number, wrong);
        }
        Ok(())
    }
}

/// Which one an act was on.
fn named(after: Option<&str>) -> Option<RecurringId> {
    let after: serde_json::Value = serde_json::from_str(after?).ok()?;
    after["recurring"].as_str()?.parse().ok()
}
