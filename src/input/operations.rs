//! Lines of `ledger apply`: a command's name and its options, as an NDJSON object or a CSV row.
//!
//! The same words as on the command line, read with the same types. What takes a look into the ledger, such as a record's
//! owner, is left open for `cli/apply/requests.rs`, so a line is read in two steps: whose account it is about, and, with
//! that account's currency, what is asked of it.

mod fields;

use self::fields::wrong;
pub use self::fields::{Fields, Wrong};

use crate::domain::account::AccountId;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::hold::HoldId;
use crate::domain::operation::{Operation, OperationKind, Settle};
use crate::domain::purchase::{GiftId, PurchaseId};
use crate::domain::recharge::{RechargeGoal, RechargeId};
use crate::domain::text::{IdempotencyKey, UserId};
use crate::domain::worth::{Terms, Worth, Worthless};

/// Whose account an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    User(UserId, Option<CurrencyCode>),
    /// The account of a record's id.
    Account(AccountId),
}

/// A line whose account and currency are not known yet.
#[derive(Clone, Debug)]
pub struct Line {
    op: OperationKind,
    form: Form,
    owner: Owner,
    note: Note,
    key: Option<IdempotencyKey>,
    record: i64,
    paid_in: Option<CurrencyCode>,
    fields: Fields,
}

/// A line read.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: Operation,
    pub note: Note,
    pub key: Option<IdempotencyKey>,
}

impl Line {
    pub fn read(mut fields: Fields) -> Result<Self, Wrong> {
        let op = OperationKind::parse(&fields.required("op")?).ok_or_else(unknown)?;
        let form = Form::of(op, &fields)?;
        let key = fields.text("idempotency_key")?;
        let key = key
            .map(|text| IdempotencyKey::parse(&text))
            .transpose()
            .map_err(wrong)?;
        let note = fields.note()?;
        let (owner, record) = form.about.owner(&mut fields)?;
        let paid_in = if form.about == About::Earner {
            fields.currency("paid_in")?
        } else {
            None
        };
        Ok(Self {
            op,
            form,
            owner,
            note,
            key,
            record,
            paid_in,
            fields,
        })
    }

    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The currency that was paid in, where it need not be the account's.
    pub fn paid_in<'a>(&'a self, terms: &'a Terms) -> Option<&'a CurrencyCode> {
        let usual = terms.paid_in.as_ref().filter(|_| self.form.about == About::Earner);
        self.paid_in.as_ref().or(usual)
    }

    /// What is asked, amounts read in the account's currency, and in the one paid in if it is another; nothing may be
    /// left over.
    pub fn asked(self, currency: &Currency, paid_in: Option<&Currency>, terms: &Terms) -> Result<Asked, Wrong> {
        let mut reading = Reading {
            fields: self.fields,
            record: self.record,
            note: &self.note,
            currency,
            paid_in: paid_in.unwrap_or(currency),
            terms,
        };
        let operation = (self.form.read)(&mut reading)?;
        if let Some(name) = reading.fields.left() {
            return Err(wrong(format!("{} has no field {name}", self.op.name())));
        }
        Ok(Asked {
            operation,
            note: self.note,
            key: self.key,
        })
    }
}

fn unknown() -> Wrong {
    let asked = OperationKind::ALL.into_iter().filter(|kind| kind.is_asked());
    let names: Vec<&str> = asked.map(OperationKind::name).collect();
    wrong(format!("op is one of {}", names.join(", ")))
}

/// How a line of one kind is read, in both steps.
#[derive(Clone, Copy, Debug)]
struct Form {
    about: About,
    /// Takes the fields of the operation itself, and asks for a reason where one is needed.
    read: Read,
}

type Read = fn(&mut Reading<'_>) -> Result<Operation, Wrong>;

impl Form {
    /// The one place that tells kinds apart: whoever adds one is asked for its line here.
    fn of(op: OperationKind, fields: &Fields) -> Result<Self, Wrong> {
        let (about, read): (About, Read) = match op {
            OperationKind::Charge => (About::User, charge),
            OperationKind::Recharge => (About::User, recharge),
            OperationKind::RechargeComplete => (About::Recharge, |line| step(line, RechargeGoal::Completed)),
            OperationKind::RechargeProcess => (About::Recharge, |line| step(line, RechargeGoal::Processing)),
            OperationKind::RechargeFail => (About::Recharge, |line| step(line, RechargeGoal::Failed)),
            OperationKind::RechargeCancel => (About::Recharge, |line| step(line, RechargeGoal::Cancelled)),
            OperationKind::Freeze => (About::User, freeze),
            OperationKind::Commit => (About::Hold, commit),
            OperationKind::Refund if fields.has("hold") => (About::Hold, release),
            OperationKind::Refund => (About::User, refund),
            OperationKind::Reverse => (About::User, reverse),
            OperationKind::Adjust => (About::User, adjust),
            OperationKind::Penalty => (About::User, penalty),
            OperationKind::PurchaseRecord => (About::Earner, record_purchase),
            OperationKind::DeactivatePurchase => (About::Purchase, deactivate_purchase),
            OperationKind::GiftGrant => (About::Earner, grant_gift),
            OperationKind::GiftDeactivate => (About::Gift, deactivate_gift),
            OperationKind::RechargeExpire | OperationKind::ExpireHold | OperationKind::CreditTransfer => {
                return Err(unknown());
            }
        };
        Ok(Self { about, read })
    }
}

/// What a line names to say whose account it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    User,
    /// A user who gets credits, for something paid or for nothing; what was paid may be in another currency.
    Earner,
    Hold,
    Recharge,
    Purchase,
    Gift,
}

impl About {
    /// The owner, and the number of the record that the operation is about: zero where it is about none.
    fn owner(self, fields: &mut Fields) -> Result<(Owner, i64), Wrong> {
        let (account, number) = match self {
            Self::User | Self::Earner => {
                let user_id = UserId::parse(&fields.required("user_id")?).map_err(wrong)?;
                return Ok((Owner::User(user_id, fields.currency("currency")?), 0));
            }
            Self::Hold => fields.id::<HoldId>("hold").map(|id| (id.account, id.number))?,
            Self::Recharge => fields.id::<RechargeId>("id").map(|id| (id.account, id.number))?,
            Self::Purchase => fields.id::<PurchaseId>("id").map(|id| (id.account, id.number))?,
            Self::Gift => fields.id::<GiftId>("id").map(|id| (id.account, id.number))?,
        };
        Ok((Owner::Account(account), number))
    }
}

/// A line whose account is known by now, and what the rest of it is read with.
struct Reading<'a> {
    fields: Fields,
    record: i64,
    note: &'a Note,
    currency: &'a Currency,
    paid_in: &'a Currency,
    terms: &'a Terms,
}

impl Reading<'_> {
    /// For what must not be done without saying why.
    fn needs_reason(&self) -> Result<(), Wrong> {
        if self.note.description.is_none() {
            return Err(wrong("say why with reason"));
        }
        Ok(())
    }

    fn worth(&mut self) -> Result<Worth, Wrong> {
        self.fields.worth(self.currency, self.paid_in)
    }
}

fn charge(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    let fields = &mut line.fields;
    Ok(Operation::Charge {
        amount: fields.amount(line.currency)?,
        service: fields.service()?.ok_or_else(|| wrong("service is missing"))?,
        suspend: fields.flag("suspend")?,
        grants: fields.access()?,
    })
}

fn recharge(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    let fields = &mut line.fields;
    let pending = fields.flag("pending")?;
    let expires_in = fields.expires_in()?;
    let settle = match (pending, expires_in) {
        (true, expires_in) => Settle::Later { expires_in },
        (false, None) => Settle::Now,
        (false, Some(_)) => return Err(wrong("expires_in needs pending")),
    };
    Ok(Operation::Recharge {
        amount: fields.amount(line.currency)?,
        method: fields.method()?,
        settle,
        gateway_response: fields.json("gateway_response")?,
    })
}

fn step(line: &mut Reading<'_>, to: RechargeGoal) -> Result<Operation, Wrong> {
    Ok(Operation::MoveRecharge {
        number: line.record,
        to,
        gateway_response: line.fields.json("gateway_response")?,
        claim: None,
    })
}

fn freeze(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    Ok(Operation::Freeze {
        amount: line.fields.amount(line.currency)?,
        service: line.fields.service()?,
        expires_in: line.fields.expires_in()?,
    })
}

fn commit(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    let (amount, keep_open) = (line.fields.part(line.currency)?, line.fields.flag("keep_open")?);
    if keep_open && amount.is_none() {
        return Err(wrong("keep_open needs amount"));
    }
    Ok(Operation::Commit {
        hold: line.record,
        amount,
        keep_open,
    })
}

fn release(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    Ok(Operation::Release {
        hold: line.record,
        amount: line.fields.part(line.currency)?,
    })
}

fn refund(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    Ok(Operation::Refund {
        entry: line.fields.entry()?,
        amount: line.fields.part(line.currency)?,
    })
}

fn reverse(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    Ok(Operation::Reverse {
        entry: line.fields.entry()?,
        amount: line.fields.part(line.currency)?,
        if_spent: line.fields.if_spent()?,
    })
}

fn adjust(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    line.needs_reason()?;
    Ok(Operation::Adjust {
        amount: line.fields.signed_amount(line.currency)?,
    })
}

fn penalty(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    line.needs_reason()?;
    Ok(Operation::Penalty {
        amount: line.fields.amount(line.currency)?,
    })
}

fn record_purchase(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    let worth = line.worth()?;
    let per_credit = line.fields.per_credit(line.terms.purchase_per_credit)?;
    let pending_for = line.fields.pending_for(line.terms.pending_for)?;
    worth
        .purchase(per_credit, pending_for, line.currency)
        .map_err(worthless)
}

fn deactivate_purchase(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    line.needs_reason()?;
    Ok(Operation::DeactivatePurchase {
        purchase: line.record,
        if_spent: line.fields.if_spent()?,
    })
}

fn grant_gift(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    let worth = line.worth()?;
    let per_credit = line.fields.per_credit(line.terms.gift_per_credit)?;
    worth.gift(per_credit, line.currency).map_err(worthless)
}

fn deactivate_gift(line: &mut Reading<'_>) -> Result<Operation, Wrong> {
    line.needs_reason()?;
    Ok(Operation::DeactivateGift {
        gift: line.record,
        if_spent: line.fields.if_spent()?,
    })
}

fn worthless(why: Worthless) -> Wrong {
    Wrong {
        code: why.code(),
        reason: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_asked_for_has_a_form_and_no_other() {
        for kind in OperationKind::ALL {
            let form = Form::of(kind, &Fields::default());
            assert_eq!(form.is_ok(), kind.is_asked(), "{kind:?}");
        }
    }
}
