//! Refunds and reversals: taking an entry back, at once or in parts.

use super::account::Account;
use super::money::{Entry, Movement};
use super::operation::{Answer, Code, Note, Step};

/// What took money for good.
pub const REFUNDABLE: [&str; 3] = ["service_fee", "commit", "penalty"];

pub const REVERSIBLE: [&str; 7] = [
    "service_fee",
    "commit",
    "penalty",
    "recharge",
    "credit",
    "gift",
    "adjustment",
];

impl Account {
    pub fn refund(&mut self, number: usize, amount: Option<i64>, step: &Step) -> Result<Answer, Code> {
        let (entry, amount) = self.still_to_take_back(number, amount, &REFUNDABLE)?;
        self.give_back_for(
            Movement::new("refund", amount, &*entry.counter_account).reversing(&entry),
            &entry,
            step,
        )
    }

    /// The last of the money takes the access along that it had paid for.
    fn give_back_for(&mut self, movement: Movement, entry: &Entry, step: &Step) -> Result<Answer, Code> {
        self.put(movement, step)?;
        self.revoke_if_all_is_back(entry.seq, step);
        Ok(Answer::Applied)
    }

    pub fn reverse(
        &mut self,
        number: usize,
        amount: Option<i64>,
        may_become_debt: bool,
        step: &Step,
    ) -> Result<Answer, Code> {
        let (entry, amount) = self.still_to_take_back(number, amount, &REVERSIBLE)?;
        let back = |kind, delta| Movement::new(kind, delta, &*entry.counter_account).reversing(&entry);
        match entry.kind {
            "recharge" | "credit" | "gift" => self.claw_back(back("clawback", -amount), may_become_debt, step),
            "adjustment" if entry.balance_delta > 0 => self.take(back("adjustment", -amount), step),
            "adjustment" => self.put(back("adjustment", amount), step),
            _ => self.give_back_for(back("refund", amount), &entry, step),
        }
    }

    /// What earlier reversals have left of the money that the entry brought, if anything.
    pub fn claw_back_rest(
        &mut self,
        seq: i64,
        may_become_debt: bool,
        note: &Note,
        step: &Step,
    ) -> Result<Answer, Code> {
        let entry = self.entries[seq as usize - 1].clone();
        let left = entry.balance_delta - self.taken_back(&entry);
        if left == 0 {
            return Ok(Answer::Applied);
        }
        let back = Movement::new("clawback", -left, &*entry.counter_account).reversing(&entry);
        self.claw_back(back.noted(&step.note.clone().or(note)), may_become_debt, step)
    }

    /// The entry, and the amount of it that was asked for: all that is left of it unless one is given.
    fn still_to_take_back(&self, number: usize, asked: Option<i64>, kinds: &[&str]) -> Result<(Entry, i64), Code> {
        let index = number.checked_sub(1).ok_or("not_found")?;
        let entry = self.entries.get(index).cloned().ok_or("not_found")?;
        if !kinds.contains(&entry.kind) {
            return Err("already_final");
        }
        let moved = if entry.kind == "commit" {
            entry.held_delta
        } else {
            entry.balance_delta
        };
        let left = moved.abs() - self.taken_back(&entry);
        match asked {
            _ if left == 0 => Err("already_final"),
            None => Ok((entry, left)),
            Some(amount) if amount <= left => Ok((entry, amount)),
            Some(_) => Err("exceeds_remaining"),
        }
    }

    /// By reversals before; what they turned into debt is taken back too.
    fn taken_back(&self, entry: &Entry) -> i64 {
        let reversals = self.entries.iter().filter(|later| later.reverses == Some(entry.seq));
        reversals
            .map(|reversal| reversal.balance_delta.abs() + reversal.debt_delta)
            .sum()
    }
}
