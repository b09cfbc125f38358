//! What others are told, in one line each.

use super::account::Account;
use super::operation::{Code, Operation, Step};

impl Account {
    pub fn tell_completed(&mut self, number: usize, amount: i64, method: &str) {
        let balance = self.figures.balance;
        self.events
            .push(format!("recharge_completed {number} {amount} {method} {balance}"));
    }

    /// Only a crossing counts, by all of an operation together.
    pub fn tell_if_low(&mut self, balance_before: i64) {
        let (now, entry) = (self.figures.balance, self.last_seq());
        if let Some(threshold) = self.low_balance_threshold
            && balance_before >= threshold
            && now < threshold
        {
            self.events.push(format!("low_balance {now} {threshold} {entry}"));
        }
    }

    pub fn tell_if_refused_charge(&mut self, step: &Step, code: Code) {
        if let Operation::Charge { amount, service, .. } = &step.operation {
            let reference = step.note.reference.as_deref().unwrap_or("-");
            self.events
                .push(format!("charge_refused {amount} {service} {reference} {code}"));
        }
    }

    pub fn tell_suspended(&mut self) {
        let number = self.suspensions.len();
        if let Some(last) = self.suspensions.last() {
            let required = last.required.map_or("-".to_owned(), |required| required.to_string());
            self.events.push(format!(
                "suspended {number} {} {required} {}",
                last.balance, last.reason
            ));
        }
    }

    pub fn tell_resumed(&mut self) {
        self.events.push(format!("resumed {}", self.suspensions.len()));
    }
}
