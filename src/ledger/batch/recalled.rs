//! The first outcomes of keys that were applied before, read back together: a file that is sent again is full of them.

use std::collections::BTreeMap;

use super::item::Item;
use super::working::Working;
use crate::db::bulk::entries_of_many;
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::entry::Entry;
use crate::domain::intent::Intent;
use crate::domain::operation::Subject;
use crate::ledger::post::Posted;
use crate::ledger::record::Record;

/// Their entries, by account and sequence number.
pub(super) struct Recalled(BTreeMap<(AccountId, i64), Entry>);

impl Recalled {
    pub(super) fn read<'i, 'a: 'i>(db: &mut Db, items: impl Iterator<Item = &'i Item<'a>>) -> Result<Self, DbError> {
        let mut wanted: Vec<(AccountId, i64, i64)> = items
            .filter_map(|item| item.applied.as_deref())
            .filter_map(|intent| intent.entries.map(|(first, last)| (intent.account, first, last)))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let entries = entries_of_many(db, &wanted)?.into_iter();
        Ok(Self(
            entries.map(|(account, entry)| ((account, entry.seq), entry)).collect(),
        ))
    }

    /// As `post` recalls it; `None` of what needs another look at the database.
    pub(super) fn posted(
        &self,
        db: &mut Db,
        working: &mut Working<'_>,
        intent: &Intent,
        subject: Subject,
    ) -> Result<Option<Posted>, DbError> {
        let record = match made_or_moved(subject, intent) {
            Subject::None => None,
            subject @ (Subject::Recharge(_) | Subject::Hold(_)) => {
                Record::of(working.records.look_up(db, intent.account, subject)?).map(Box::new)
            }
            _ => return Ok(None),
        };
        let entries: Vec<Entry> = match intent.entries {
            Some((first, last)) if first <= last => {
                let made = self.0.range((intent.account, first)..=(intent.account, last));
                made.map(|(_, entry)| entry.clone()).collect()
            }
            _ => Vec::new(),
        };
        let standing = entries.last().map(|last| last.after);
        Ok(Some(Posted {
            account: working.located.account.clone(),
            standing: standing.unwrap_or_else(|| working.located.state.figures.standing()),
            entries: entries.into(),
            record,
            resumed: None,
        }))
    }
}

/// The record that an applied operation with that subject is about: one that it made has its number by now.
pub(super) const fn made_or_moved(subject: Subject, intent: &Intent) -> Subject {
    match (subject, intent.subject) {
        (Subject::NewRecharge, Some(number)) => Subject::Recharge(number),
        (Subject::NewHold, Some(number)) => Subject::Hold(number),
        (subject, _) => subject,
    }
}
