//! The records beside the entries that operations make and move: recharges, holds, purchases, gifts and access.
//!
//! Read and written in the transaction of their entry, under the account's lock; what becomes of them is decided in
//! `domain`.

use std::fmt::Display;

use super::error::LedgerError;
use crate::db::numbers::{Numbered, next_number};
use crate::db::{Db, DbError, access, entries, gifts, holds, purchases, recharges};
use crate::domain::access::{AccessGrant, GrantId};
use crate::domain::account::AccountId;
use crate::domain::effects::{GiftWrite, GrantWrite, HoldWrite, Posting, PurchaseWrite, RechargeWrite, RecordWrite};
use crate::domain::entry::{Note, Stamp};
use crate::domain::hold::{Hold, HoldId};
use crate::domain::operation::Subject;
use crate::domain::purchase::{CreditState, Deactivation, Gift, GiftId, Purchase, PurchaseId};
use crate::domain::recharge::{Recharge, RechargeId};
use crate::domain::snapshot::Found;
use crate::domain::text::Description;
use crate::domain::time::Timestamp;

/// A record that an operation made or moved, as it is after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Recharge(Recharge),
    Hold(Hold),
    Purchase(Box<Purchase>),
    Gift(Box<Gift>),
    Grant(Box<AccessGrant>),
}

impl Record {
    pub const fn number(&self) -> i64 {
        match self {
            Self::Recharge(recharge) => recharge.id.number,
            Self::Hold(hold) => hold.id.number,
            Self::Purchase(purchase) => purchase.id.number,
            Self::Gift(gift) => gift.id.number,
            Self::Grant(grant) => grant.id.number,
        }
    }

    pub const fn as_recharge(&self) -> Option<&Recharge> {
        match self {
            Self::Recharge(recharge) => Some(recharge),
            _ => None,
        }
    }

    /// The record that was found, if it was one.
    pub fn of(found: Found) -> Option<Self> {
        match found {
            Found::Recharge(recharge) => Some(Self::Recharge(recharge)),
            Found::Hold(hold) => Some(Self::Hold(hold)),
            Found::Purchase(purchase, _) => Some(Self::Purchase(purchase)),
            Found::Gift(gift, _) => Some(Self::Gift(gift)),
            Found::Nothing | Found::NextNumber(_) | Found::Entry(..) => None,
        }
    }
}

/// What an operation is about, under the account's lock.
pub fn look_up(db: &mut Db, account: AccountId, subject: Subject) -> Result<Found, DbError> {
    Ok(match subject {
        // A grant needs no number of its own: its charge's entry has one.
        Subject::None | Subject::NewGrant => Found::Nothing,
        Subject::NewRecharge => Found::NextNumber(next_number(db, Numbered::Recharges, account)?),
        Subject::Recharge(number) => {
            let found = recharges::recharge_find(db, RechargeId { account, number })?;
            found.map_or(Found::Nothing, Found::Recharge)
        }
        Subject::NewHold => Found::NextNumber(next_number(db, Numbered::Holds, account)?),
        Subject::Hold(number) => find_hold(db, HoldId { account, number })?,
        Subject::Entry(seq) => find_entry(db, account, seq)?,
        Subject::NewPurchase => Found::NextNumber(next_number(db, Numbered::Purchases, account)?),
        Subject::Purchase(number) => find_purchase(db, PurchaseId { account, number })?,
        Subject::NewGift => Found::NextNumber(next_number(db, Numbered::Gifts, account)?),
        Subject::Gift(number) => find_gift(db, GiftId { account, number })?,
    })
}

fn find_entry(db: &mut Db, account: AccountId, seq: i64) -> Result<Found, DbError> {
    let Some(entry) = entries::entry_reversible(db, account, seq)? else {
        return Ok(Found::Nothing);
    };
    let grant = access::grant_find(db, GrantId { account, number: seq })?;
    Ok(Found::Entry(entry, grant.map(Box::new)))
}

/// A hold that is not what its freeze set aside is not built upon.
fn find_hold(db: &mut Db, id: HoldId) -> Result<Found, DbError> {
    let Some(hold) = holds::hold_find(db, id)? else {
        return Ok(Found::Nothing);
    };
    let freeze = entries::entries_between(db, id.account, hold.entry_seq, hold.entry_seq)?;
    match freeze.first() {
        Some(entry) if entry.movement.deltas.held == hold.amount.minor() => Ok(Found::Hold(hold)),
        _ => Err(DbError::Integrity(format!(
            "hold {id} is not what its entry has set aside; nothing was done; run `ledger health`"
        ))),
    }
}

fn find_purchase(db: &mut Db, id: PurchaseId) -> Result<Found, DbError> {
    let Some(purchase) = purchases::purchase_find(db, id)? else {
        return Ok(Found::Nothing);
    };
    let brought = purchase.pending.and_then(|credit| credit.entry_seq);
    let entry = match brought {
        Some(seq) => entries::entry_reversible(db, id.account, seq)?,
        None => None,
    };
    if brought.is_some() && entry.is_none() {
        return Err(DbError::Integrity(format!(
            "the entry of the credits of purchase {id} has disappeared; nothing was done; run `ledger health`"
        )));
    }
    Ok(Found::Purchase(Box::new(purchase), entry))
}

fn find_gift(db: &mut Db, id: GiftId) -> Result<Found, DbError> {
    let Some(gift) = gifts::gift_find(db, id)? else {
        return Ok(Found::Nothing);
    };
    let entry = entries::entry_reversible(db, id.account, gift.entry_seq)?;
    let entry = entry.ok_or_else(|| DbError::Integrity(format!("the entry of gift {id} has disappeared")))?;
    Ok(Found::Gift(Box::new(gift), entry))
}

/// The record that an operation made or moved earlier.
pub fn recall(
    db: &mut Db,
    account: AccountId,
    subject: Subject,
    number: Option<i64>,
) -> Result<Option<Record>, DbError> {
    let Some(number) = number else { return Ok(None) };
    let found = match subject {
        Subject::NewRecharge | Subject::Recharge(_) => look_up(db, account, Subject::Recharge(number))?,
        Subject::NewHold | Subject::Hold(_) => look_up(db, account, Subject::Hold(number))?,
        Subject::NewPurchase | Subject::Purchase(_) => look_up(db, account, Subject::Purchase(number))?,
        Subject::NewGift | Subject::Gift(_) => look_up(db, account, Subject::Gift(number))?,
        // A refund's record is the access that it has revoked.
        Subject::NewGrant | Subject::Entry(_) => {
            let grant = access::grant_find(db, GrantId { account, number })?;
            return Ok(grant.map(|grant| Record::Grant(Box::new(grant))));
        }
        Subject::None => Found::Nothing,
    };
    Ok(Record::of(found))
}

/// What the caller says with this operation, and for the rest what was said when its record was opened.
pub fn with_note_of(stamp: &Stamp, found: &Found) -> Stamp {
    let earlier = match found {
        Found::Recharge(recharge) => &recharge.note,
        Found::Hold(hold) => &hold.note,
        Found::Purchase(purchase, _) => &purchase.note,
        Found::Gift(gift, _) => &gift.note,
        Found::Nothing | Found::NextNumber(_) | Found::Entry(..) => return stamp.clone(),
    };
    let now = &stamp.note;
    Stamp {
        note: Note {
            reference: now.reference.clone().or_else(|| earlier.reference.clone()),
            description: now.description.clone().or_else(|| earlier.description.clone()),
            metadata: now.metadata.clone().or_else(|| earlier.metadata.clone()),
        },
        ..stamp.clone()
    }
}

/// Writes the record's change; the record as it is then.
///
/// `said` is what the caller says now; the stamp's note may have been completed from the record.
pub fn write(
    db: &mut Db,
    account: AccountId,
    change: &RecordWrite,
    posting: &Posting,
    (stamp, said): (&Stamp, &Note),
) -> Result<Record, LedgerError> {
    let why = said.description.as_ref();
    match change {
        RecordWrite::Recharge(change) => Ok(Record::Recharge(write_recharge(db, change, stamp)?)),
        RecordWrite::Hold(change) => Ok(Record::Hold(write_hold(db, change, stamp)?)),
        RecordWrite::Purchase(change) => {
            let purchase = write_purchase(db, account, change, posting, (stamp, why))?;
            Ok(Record::Purchase(Box::new(purchase)))
        }
        RecordWrite::Gift(change) => {
            let gift = write_gift(db, account, change, (stamp, why))?;
            Ok(Record::Gift(Box::new(gift)))
        }
        RecordWrite::Grant(change) => {
            let grant = write_grant(db, account, change, (stamp, why))?;
            Ok(Record::Grant(Box::new(grant)))
        }
    }
}

/// A recharge or hold as a change leaves it; `None` of the others, which are read back when they are written.
pub fn after(change: &RecordWrite, stamp: &Stamp) -> Option<Record> {
    match change {
        RecordWrite::Recharge(change) => Some(Record::Recharge(recharge_after(change, stamp))),
        RecordWrite::Hold(change) => Some(Record::Hold(hold_after(change, stamp))),
        RecordWrite::Purchase(_) | RecordWrite::Gift(_) | RecordWrite::Grant(_) => None,
    }
}

fn recharge_after(change: &RechargeWrite, stamp: &Stamp) -> Recharge {
    match change {
        RechargeWrite::Open(recharge) => Recharge {
            note: stamp.note.clone(),
            ..recharge.clone()
        },
        RechargeWrite::Move { after, .. } => after.clone(),
    }
}

fn hold_after(change: &HoldWrite, stamp: &Stamp) -> Hold {
    match change {
        HoldWrite::Open(hold) => Hold {
            note: stamp.note.clone(),
            ..hold.clone()
        },
        HoldWrite::Move { after, .. } => after.clone(),
    }
}

fn write_recharge(db: &mut Db, change: &RechargeWrite, stamp: &Stamp) -> Result<Recharge, DbError> {
    let recharge = recharge_after(change, stamp);
    match change {
        RechargeWrite::Open(_) => recharges::recharge_insert(db, &recharge)?,
        RechargeWrite::Move { from, .. } => {
            if !recharges::recharge_move(db, *from, &recharge)? {
                return Err(moved("recharge", recharge.id));
            }
        }
    }
    Ok(recharge)
}

fn write_hold(db: &mut Db, change: &HoldWrite, stamp: &Stamp) -> Result<Hold, DbError> {
    let hold = hold_after(change, stamp);
    match change {
        HoldWrite::Open(_) => holds::hold_insert(db, &hold)?,
        HoldWrite::Move { remaining_before, .. } => {
            if !holds::hold_move(db, *remaining_before, &hold)? {
                return Err(moved("hold", hold.id));
            }
        }
    }
    Ok(hold)
}

fn moved(what: &str, id: impl Display) -> DbError {
    DbError::moved(&format!("{what} {id}"), "the account's lock")
}

fn deactivation((stamp, why): (&Stamp, Option<&Description>), at: Timestamp) -> Deactivation {
    Deactivation {
        at,
        by: stamp.actor.clone(),
        why: why.cloned(),
    }
}

fn write_purchase(
    db: &mut Db,
    account: AccountId,
    change: &PurchaseWrite,
    posting: &Posting,
    (stamp, why): (&Stamp, Option<&Description>),
) -> Result<Purchase, LedgerError> {
    let (number, credit, entry_seq) = match change {
        PurchaseWrite::Open {
            id,
            paid,
            credits,
            at,
            pending,
        } => {
            let purchase = Purchase {
                id: *id,
                paid: paid.clone(),
                credits: *credits,
                created_at: *at,
                created_by: stamp.actor.clone(),
                deactivated: None,
                note: stamp.note.clone(),
                pending: *pending,
            };
            purchases::purchase_insert(db, &purchase)?;
            return Ok(purchase);
        }
        PurchaseWrite::Transfer { number, .. } => {
            let brought_by = posting.entries.first().map(|entry| entry.seq);
            let step = (CreditState::Pending, CreditState::Transferred);
            (*number, Some(step), brought_by)
        }
        PurchaseWrite::Deactivate { number, credit, .. } => (*number, *credit, None),
    };
    let id = PurchaseId { account, number };
    let moved = || moved("purchase", id);
    if let PurchaseWrite::Deactivate { at, .. } = change
        && !purchases::purchase_deactivate(db, id, &deactivation((stamp, why), *at))?
    {
        return Err(moved().into());
    }
    if let Some(step) = credit
        && !purchases::credit_move(db, id, step, stamp.at, entry_seq)?
    {
        return Err(moved().into());
    }
    Ok(purchases::purchase_find(db, id)?.ok_or_else(moved)?)
}

fn write_gift(
    db: &mut Db,
    account: AccountId,
    change: &GiftWrite,
    (stamp, why): (&Stamp, Option<&Description>),
) -> Result<Gift, LedgerError> {
    match change {
        GiftWrite::Open {
            id,
            paid,
            credits,
            entry_seq,
            at,
        } => {
            let gift = Gift {
                id: *id,
                paid: paid.clone(),
                credits: *credits,
                entry_seq: *entry_seq,
                created_at: *at,
                created_by: stamp.actor.clone(),
                deactivated: None,
                note: stamp.note.clone(),
            };
            gifts::gift_insert(db, &gift)?;
            Ok(gift)
        }
        GiftWrite::Deactivate { number, at } => {
            let number = *number;
            let id = GiftId { account, number };
            let moved = || moved("gift", id);
            if !gifts::gift_deactivate(db, id, &deactivation((stamp, why), *at))? {
                return Err(moved().into());
            }
            Ok(gifts::gift_find(db, id)?.ok_or_else(moved)?)
        }
    }
}

fn write_grant(
    db: &mut Db,
    account: AccountId,
    change: &GrantWrite,
    (stamp, why): (&Stamp, Option<&Description>),
) -> Result<AccessGrant, LedgerError> {
    match change {
        GrantWrite::Open {
            id,
            resource,
            expires_at,
            at,
        } => {
            let grant = AccessGrant {
                id: *id,
                resource: resource.clone(),
                granted_at: *at,
                granted_by: stamp.actor.clone(),
                expires_at: *expires_at,
                revoked: None,
            };
            access::grant_insert(db, &grant)?;
            Ok(grant)
        }
        GrantWrite::Revoke { number, at } => {
            let id = GrantId {
                account,
                number: *number,
            };
            let moved = || moved("access", id);
            if !access::grant_revoke(db, id, &deactivation((stamp, why), *at))? {
                return Err(moved().into());
            }
            Ok(access::grant_find(db, id)?.ok_or_else(moved)?)
        }
    }
}
