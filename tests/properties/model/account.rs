//! One account: its keys, its settings, and who judges what.

use std::collections::HashMap;
use std::ops::Range;

use super::gifts::Gift;
use super::grants::Grant;
use super::holds::Hold;
use super::money::{Entry, Figures, Movement};
use super::operation::{AccountName, Answer, Code, Note, Operation, Step};
use super::purchases::Purchase;
use super::recharges::{Recharge, RechargeStatus};
use super::suspensions::Suspension;

#[derive(Clone, Debug)]
pub struct Account {
    pub name: AccountName,
    pub figures: Figures,
    pub locked: bool,
    pub closed: bool,
    pub low_balance_threshold: Option<i64>,
    pub charges_per_minute: Option<u32>,
    pub spend_per_day: Option<i64>,
    pub entries: Vec<Entry>,
    /// How many of the entries have their place in the chain.
    pub sealed: usize,
    pub recharges: Vec<Recharge>,
    pub holds: Vec<Hold>,
    pub purchases: Vec<Purchase>,
    pub gifts: Vec<Gift>,
    pub grants: Vec<Grant>,
    pub suspensions: Vec<Suspension>,
    /// What others are told, the oldest first.
    pub events: Vec<String>,
    attempts: HashMap<String, Attempt>,
}

/// What is remembered of an idempotency key.
#[derive(Clone, Debug)]
struct Attempt {
    payload: Payload,
    /// Which entries it made; nothing while it was only refused.
    applied: Option<Range<usize>>,
}

/// Who asks and when is no part of it: a retry may come later, from somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Payload {
    operation: Operation,
    note: Note,
}

impl Account {
    pub fn new(name: AccountName) -> Self {
        Self {
            name,
            figures: Figures::default(),
            locked: false,
            closed: false,
            low_balance_threshold: None,
            charges_per_minute: None,
            spend_per_day: None,
            entries: Vec::new(),
            sealed: 0,
            recharges: Vec::new(),
            holds: Vec::new(),
            purchases: Vec::new(),
            gifts: Vec::new(),
            grants: Vec::new(),
            suspensions: Vec::new(),
            events: Vec::new(),
            attempts: HashMap::new(),
        }
    }

    pub fn apply(&mut self, step: &Step) -> Answer {
        if Self::touches(step) {
            self.expire_overdue_holds(&step.actor, step.at_micros);
        }
        let Some(key) = &step.key else {
            return self.judge(step);
        };
        let payload = Payload {
            operation: step.operation.clone(),
            note: step.note.clone(),
        };
        match self.attempts.get(key) {
            Some(attempt) if attempt.payload != payload => Answer::Refused("idempotency_conflict"),
            Some(attempt) if attempt.applied.is_some() => Answer::AlreadyApplied,
            _ => {
                let before = self.entries.len();
                let answer = self.judge(step);
                let applied = matches!(answer, Answer::Applied | Answer::AlreadyApplied);
                let applied = applied.then_some(before..self.entries.len());
                self.attempts.insert(key.clone(), Attempt { payload, applied });
                answer
            }
        }
    }

    pub fn entries_of_key(&self, key: &str) -> &[Entry] {
        let applied = self.attempts.get(key).and_then(|attempt| attempt.applied.clone());
        applied.map_or(&[], |entries| &self.entries[entries])
    }

    /// Whoever touches the account gives back what is overdue: nobody need wait for the job.
    fn touches(step: &Step) -> bool {
        !step.operation.is_administration() && !matches!(step.operation, Operation::ExpireHold { .. })
    }

    /// All or nothing.
    pub fn judge(&mut self, step: &Step) -> Answer {
        let mut after = self.clone();
        match after.carry_out(step) {
            Ok(answer) => {
                after.tell_if_low(self.figures.balance);
                *self = after;
                answer
            }
            Err(code) => {
                self.tell_if_refused_charge(step, code);
                if code == "insufficient_balance" && self.suspend_unpaid(step) {
                    Answer::RefusedAndSuspended(code)
                } else {
                    Answer::Refused(code)
                }
            }
        }
    }

    fn carry_out(&mut self, step: &Step) -> Result<Answer, Code> {
        match &step.operation {
            Operation::CreateAccount
            | Operation::ExpireRecharges
            | Operation::ExpireHolds
            | Operation::TransferDueCredits => unreachable!("done before"),
            Operation::Lock => Ok(set(&mut self.locked, true)),
            Operation::Unlock => Ok(set(&mut self.locked, false)),
            Operation::Close => self.close(),
            Operation::SetLimits {
                charges_per_minute,
                spend_per_day,
            } => Ok(self.limit(*charges_per_minute, *spend_per_day)),
            Operation::SetLowBalanceThreshold { threshold } => Ok(set(&mut self.low_balance_threshold, *threshold)),
            Operation::Resume => Ok(self.resume(step)),
            Operation::DeactivatePurchase { purchase, .. } if self.is_without_effect(*purchase) => {
                self.move_money(step)
            }
            Operation::RechargeFail { number } | Operation::RechargeCancel { number } if self.has_recharge(*number) => {
                self.move_money(step)
            }
            _ if self.closed => Err("account_closed"),
            Operation::Suspend { reason } => Ok(self.suspend(reason, step)),
            Operation::Charge { .. } | Operation::Freeze { .. } => {
                self.may_spend()?;
                self.move_money(step)
            }
            _ => self.move_money(step),
        }
    }

    fn may_spend(&self) -> Result<(), Code> {
        if self.locked {
            Err("account_locked")
        } else if self.active_suspension().is_some() {
            Err("account_suspended")
        } else {
            Ok(())
        }
    }

    fn move_money(&mut self, step: &Step) -> Result<Answer, Code> {
        match &step.operation {
            Operation::Recharge { amount, method } => self.recharge(*amount, method, step),
            Operation::RechargePending {
                amount,
                method,
                expires_in,
            } => self.open_recharge(*amount, method, *expires_in, step),
            Operation::RechargeProcess { number } => self.advance(*number, RechargeStatus::Processing, step),
            Operation::RechargeComplete { number } => self.advance(*number, RechargeStatus::Completed, step),
            Operation::RechargeFail { number } => self.advance(*number, RechargeStatus::Failed, step),
            Operation::RechargeCancel { number } => self.advance(*number, RechargeStatus::Cancelled, step),
            Operation::Charge {
                amount,
                service,
                grants,
                ..
            } => {
                self.stays_within_limits(*amount, step.at_micros)?;
                self.take(
                    Movement::new("service_fee", -amount, format!("revenue:{service}")),
                    step,
                )?;
                if let Some(access) = grants {
                    self.grant_access(access, step);
                }
                Ok(Answer::Applied)
            }
            Operation::Penalty { amount } => self.take(Movement::new("penalty", -amount, "income:penalty"), step),
            Operation::Adjust { amount } => {
                let movement = Movement::new("adjustment", *amount, "equity:adjustment");
                if *amount < 0 {
                    self.take(movement, step)
                } else {
                    self.put(movement, step)
                }
            }
            Operation::RecordPurchase {
                paid,
                credits,
                pending_for,
            } => self.record_purchase(paid, *credits, *pending_for, step),
            Operation::TransferCredit { purchase } => self.transfer_credit(*purchase, step),
            Operation::DeactivatePurchase {
                purchase,
                may_become_debt,
            } => self.deactivate_purchase(*purchase, *may_become_debt, step),
            Operation::GrantGift { credits, paid } => self.grant_gift(*credits, paid.as_ref(), step),
            Operation::DeactivateGift { gift, may_become_debt } => self.deactivate_gift(*gift, *may_become_debt, step),
            Operation::Freeze {
                amount,
                service,
                expires_in,
            } => self.freeze(*amount, service.as_deref(), *expires_in, step),
            Operation::Commit {
                hold,
                amount,
                keep_open,
            } => self.commit(*hold, *amount, *keep_open, step),
            Operation::Release { hold, amount } => self.release(*hold, *amount, step),
            Operation::ExpireHold { hold } => self.expire_hold(*hold, step),
            Operation::Refund { entry, amount } => self.refund(*entry, *amount, step),
            Operation::Reverse {
                entry,
                amount,
                may_become_debt,
            } => self.reverse(*entry, *amount, *may_become_debt, step),
            other => unreachable!("{other:?} moves no money"),
        }
    }

    fn close(&mut self) -> Result<Answer, Code> {
        let Figures {
            balance, held, debt, ..
        } = self.figures;
        if (balance, held, debt) != (0, 0, 0) {
            return Err("account_not_empty");
        }
        Ok(set(&mut self.closed, true))
    }
}

fn set<T: PartialEq>(setting: &mut T, wanted: T) -> Answer {
    if *setting == wanted {
        return Answer::AlreadyApplied;
    }
    *setting = wanted;
    Answer::Applied
}
