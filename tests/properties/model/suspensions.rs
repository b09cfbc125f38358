//! Suspensions: an account that could not pay, or was stopped by hand.

use super::account::Account;
use super::operation::{Answer, Operation, Step};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub reason: String,
    pub suspended_at: i64,
    pub suspended_by: String,
    /// The balance when it was suspended.
    pub balance: i64,
    /// What it could not pay; missing where it was suspended by hand.
    pub required: Option<i64>,
    /// When, and by whom.
    pub resumed: Option<(i64, String)>,
}

impl Account {
    pub fn active_suspension(&self) -> Option<&Suspension> {
        self.suspensions.last().filter(|last| last.resumed.is_none())
    }

    pub fn suspend(&mut self, reason: &str, step: &Step) -> Answer {
        if self.active_suspension().is_some() {
            return Answer::AlreadyApplied;
        }
        self.open_suspension(reason, None, step);
        Answer::Applied
    }

    /// Whether the refused charge asked for it.
    pub fn suspend_unpaid(&mut self, step: &Step) -> bool {
        let Operation::Charge {
            amount,
            service,
            suspend: true,
            ..
        } = &step.operation
        else {
            return false;
        };
        self.open_suspension(&format!("could not pay for {service}"), Some(*amount), step);
        true
    }

    fn open_suspension(&mut self, reason: &str, required: Option<i64>, step: &Step) {
        self.suspensions.push(Suspension {
            reason: reason.to_owned(),
            suspended_at: step.at_micros,
            suspended_by: step.actor.clone(),
            balance: self.figures.balance,
            required,
            resumed: None,
        });
        self.tell_suspended();
    }

    pub fn resume(&mut self, step: &Step) -> Answer {
        if self.active_suspension().is_none() {
            return Answer::AlreadyApplied;
        }
        self.end_suspension(step);
        Answer::Applied
    }

    /// After a recharge, and what it paid off a debt: there is what could not be paid, and the balance is not low.
    pub fn resume_if_paid(&mut self, step: &Step) {
        let required = self.active_suspension().and_then(|active| active.required);
        let threshold = self.low_balance_threshold.unwrap_or(0);
        if required.is_some_and(|required| self.figures.balance >= required.max(threshold)) {
            self.end_suspension(step);
        }
    }

    fn end_suspension(&mut self, step: &Step) {
        if let Some(last) = self.suspensions.last_mut() {
            last.resumed = Some((step.at_micros, step.actor.clone()));
        }
        self.tell_resumed();
    }
}
