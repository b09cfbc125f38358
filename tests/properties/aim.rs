//! What the operations of a history are about: mostly a record that there is when their turn comes.

use super::history::Request;
use super::model::{AccountName, HoldStatus, Model, Operation, REFUNDABLE, REVERSIBLE};

impl Request {
    /// The operation, about a record that there is; nothing where there is none.
    pub fn aimed(&self, model: &Model, name: &AccountName) -> Option<Operation> {
        let mut operation = self.operation.clone();
        let Some(aim) = &self.aim else { return Some(operation) };
        let (number, plausible) = match &mut operation {
            Operation::RechargeProcess { number }
            | Operation::RechargeComplete { number }
            | Operation::RechargeFail { number }
            | Operation::RechargeCancel { number } => {
                let open = numbers(model.recharges(name), |recharge| recharge.status.is_open());
                (number, open)
            }
            Operation::Commit { hold, .. } | Operation::Release { hold, .. } | Operation::ExpireHold { hold } => {
                let open = numbers(model.holds(name), |hold| hold.status == HoldStatus::Open);
                (hold, open)
            }
            Operation::TransferCredit { purchase } => {
                let earning = numbers(model.purchases(name), |purchase| purchase.credit.is_some());
                (purchase, earning)
            }
            Operation::DeactivatePurchase { purchase, .. } => {
                let active = numbers(model.purchases(name), |purchase| purchase.deactivated.is_none());
                (purchase, active)
            }
            Operation::DeactivateGift { gift, .. } => {
                let active = numbers(model.gifts(name), |gift| gift.deactivated.is_none());
                (gift, active)
            }
            Operation::Refund { entry, .. } => {
                let refundable = numbers(model.entries(name), |entry| REFUNDABLE.contains(&entry.kind));
                (entry, refundable)
            }
            Operation::Reverse { entry, .. } => {
                let reversible = numbers(model.entries(name), |entry| REVERSIBLE.contains(&entry.kind));
                (entry, reversible)
            }
            _ => return Some(operation),
        };
        if plausible.is_empty() {
            return None;
        }
        *number = *aim.get(&plausible);
        Some(operation)
    }
}

/// The numbers, from 1 on, of the records that are wanted.
fn numbers<T>(records: &[T], wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    let numbered = records.iter().zip(1..);
    numbered
        .filter(|(record, _)| wanted(record))
        .map(|(_, number)| number)
        .collect()
}
