//! The recharges and holds that a batch makes and moves on one account, until they are written together.

use std::collections::BTreeMap;

use crate::db::records_bulk::{Change, HoldChange, RechargeChange};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::hold::Hold;
use crate::domain::money::Minor;
use crate::domain::operation::Subject;
use crate::domain::recharge::{Recharge, RechargeStatus};
use crate::domain::snapshot::Found;
use crate::ledger::record::{Record, look_up};

/// As the batch has left them so far. What is not in here is as the database has it.
#[derive(Default)]
pub(super) struct Records {
    pub(super) next_recharge: Option<i64>,
    pub(super) next_hold: Option<i64>,
    recharges: BTreeMap<i64, Kept<Recharge, RechargeStatus>>,
    holds: BTreeMap<i64, Kept<Hold, Minor>>,
}

struct Kept<R, B> {
    now: R,
    /// How the database has it; `None` where it doesn't.
    before: Option<B>,
    is_changed: bool,
}

impl<R, B> Kept<R, B> {
    const fn found(now: R, before: B) -> Self {
        Self {
            now,
            before: Some(before),
            is_changed: false,
        }
    }

    const fn made(now: R) -> Self {
        Self {
            now,
            before: None,
            is_changed: true,
        }
    }

    fn change(self) -> Option<Change<R, B>> {
        self.is_changed.then_some(Change {
            before: self.before,
            after: self.now,
        })
    }
}

/// Whether an operation with that subject can be carried out on what is kept here.
pub(super) const fn are_about(subject: Subject) -> bool {
    matches!(
        subject,
        Subject::NewRecharge | Subject::Recharge(_) | Subject::NewHold | Subject::Hold(_)
    )
}

impl Records {
    /// What an operation is about; `None` of what was not looked up yet.
    pub(super) fn kept(&self, subject: Subject) -> Option<Found> {
        match subject {
            Subject::NewRecharge => self.next_recharge.map(Found::NextNumber),
            Subject::NewHold => self.next_hold.map(Found::NextNumber),
            Subject::Recharge(number) => {
                let kept = self.recharges.get(&number)?;
                Some(Found::Recharge(kept.now.clone()))
            }
            Subject::Hold(number) => {
                let kept = self.holds.get(&number)?;
                Some(Found::Hold(kept.now.clone()))
            }
            _ => Some(Found::Nothing),
        }
    }

    /// The same, from the database if it must be, and kept from now on.
    pub(super) fn look_up(&mut self, db: &mut Db, account: AccountId, subject: Subject) -> Result<Found, DbError> {
        if let Some(kept) = self.kept(subject) {
            return Ok(kept);
        }
        let found = look_up(db, account, subject)?;
        match (&found, subject) {
            (Found::NextNumber(number), Subject::NewRecharge) => self.next_recharge = Some(*number),
            (Found::NextNumber(number), Subject::NewHold) => self.next_hold = Some(*number),
            (Found::Recharge(recharge), _) => self.keep_recharge(recharge.clone()),
            (Found::Hold(hold), _) => self.keep_hold(hold.clone()),
            _ => {}
        }
        Ok(found)
    }

    pub(super) fn keep_recharge(&mut self, recharge: Recharge) {
        let status = recharge.status;
        self.recharges.insert(recharge.id.number, Kept::found(recharge, status));
    }

    pub(super) fn keep_hold(&mut self, hold: Hold) {
        let remaining = hold.remaining;
        self.holds.insert(hold.id.number, Kept::found(hold, remaining));
    }

    /// The record as an operation has left it.
    pub(super) fn put(&mut self, record: &Record) {
        match record {
            Record::Recharge(recharge) => put(
                &mut self.recharges,
                &mut self.next_recharge,
                recharge.id.number,
                recharge,
            ),
            Record::Hold(hold) => put(&mut self.holds, &mut self.next_hold, hold.id.number, hold),
            Record::Purchase(_) | Record::Gift(_) | Record::Grant(_) => {}
        }
    }

    /// Everything that the database does not have.
    pub(super) fn drain(&mut self, recharges: &mut Vec<RechargeChange>, holds: &mut Vec<HoldChange>) {
        recharges.extend(
            std::mem::take(&mut self.recharges)
                .into_values()
                .filter_map(Kept::change),
        );
        holds.extend(std::mem::take(&mut self.holds).into_values().filter_map(Kept::change));
    }
}

fn put<R: Clone, B>(kept: &mut BTreeMap<i64, Kept<R, B>>, next: &mut Option<i64>, number: i64, record: &R) {
    if let Some(known) = kept.get_mut(&number) {
        known.now = record.clone();
        known.is_changed = true;
    } else {
        kept.insert(number, Kept::made(record.clone()));
        *next = number.checked_add(1);
    }
}
