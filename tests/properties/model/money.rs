//! Entries and figures: how money goes in and out.

use super::account::Account;
use super::chain::Hash;
use super::operation::{Answer, Code, Note, Step};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub balance: i64,
    pub held: i64,
    pub debt: i64,
    pub total_recharged: i64,
    pub total_spent: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: i64,
    pub kind: &'static str,
    pub balance_delta: i64,
    pub held_delta: i64,
    pub debt_delta: i64,
    pub balance_after: i64,
    pub held_after: i64,
    pub debt_after: i64,
    pub counter_account: String,
    pub note: Note,
    pub actor: String,
    pub reverses: Option<i64>,
    pub idempotency_key: Option<String>,
    /// Whether it is one that the ledger makes up and has not told yet.
    pub awaits_key: bool,
    pub at_micros: i64,
    /// Zeros while the key is awaited.
    pub hash: Hash,
}

impl Entry {
    /// What has left the account for good; of a refund, less than nothing.
    pub fn spent(&self) -> i64 {
        match self.kind {
            "service_fee" | "penalty" | "refund" => -self.balance_delta,
            "commit" => -self.held_delta,
            _ => 0,
        }
    }
}

/// An entry still without its number, its figures after and its hash.
#[derive(Clone, Debug)]
pub struct Movement {
    kind: &'static str,
    pub balance_delta: i64,
    held_delta: i64,
    debt_delta: i64,
    counter_account: String,
    reverses: Option<i64>,
    /// In the place of the one that the step gives.
    note: Option<Note>,
}

impl Movement {
    pub fn new(kind: &'static str, balance_delta: i64, counter_account: impl Into<String>) -> Self {
        Self {
            kind,
            balance_delta,
            held_delta: 0,
            debt_delta: 0,
            counter_account: counter_account.into(),
            reverses: None,
            note: None,
        }
    }

    pub fn holding(self, held_delta: i64) -> Self {
        Self { held_delta, ..self }
    }

    pub fn reversing(self, entry: &Entry) -> Self {
        Self {
            reverses: Some(entry.seq),
            ..self
        }
    }

    pub fn noted(self, note: &Note) -> Self {
        Self {
            note: Some(note.clone()),
            ..self
        }
    }
}

impl Account {
    pub fn take(&mut self, movement: Movement, step: &Step) -> Result<Answer, Code> {
        if i128::from(self.figures.balance) + i128::from(movement.balance_delta) < 0 {
            return Err("insufficient_balance");
        }
        self.append(movement, step)?;
        Ok(Answer::Applied)
    }

    /// Money in is booked in full; then what it recovers of a debt, under the same key and note.
    pub fn put(&mut self, movement: Movement, step: &Step) -> Result<Answer, Code> {
        let note = movement.note.clone();
        self.append(movement, step)?;
        let recovered = self.figures.debt.min(self.figures.balance);
        if recovered > 0 {
            let mut recovery = Movement::new("debt_recovery", -recovered, "receivable:debt");
            recovery.debt_delta = -recovered;
            recovery.note = note;
            self.append(recovery, step)?;
        }
        Ok(Answer::Applied)
    }

    pub fn claw_back(&mut self, wanted: Movement, may_become_debt: bool, step: &Step) -> Result<Answer, Code> {
        let amount = -wanted.balance_delta;
        let taken = amount.min(self.figures.balance);
        if taken < amount && !may_become_debt {
            return Err("insufficient_balance");
        }
        let movement = Movement {
            balance_delta: -taken,
            debt_delta: amount - taken,
            ..wanted
        };
        self.append(movement, step)?;
        Ok(Answer::Applied)
    }

    pub fn append(&mut self, movement: Movement, step: &Step) -> Result<(), Code> {
        let before = self.figures;
        let entry = Entry {
            seq: self.last_seq() + 1,
            kind: movement.kind,
            balance_delta: movement.balance_delta,
            held_delta: movement.held_delta,
            debt_delta: movement.debt_delta,
            balance_after: sum(before.balance, movement.balance_delta)?,
            held_after: sum(before.held, movement.held_delta)?,
            debt_after: sum(before.debt, movement.debt_delta)?,
            counter_account: movement.counter_account,
            note: movement.note.unwrap_or_else(|| step.note.clone()),
            actor: step.actor.clone(),
            reverses: movement.reverses,
            idempotency_key: step.key.clone(),
            awaits_key: step.key.is_none(),
            at_micros: step.at_micros,
            hash: [0; 32],
        };
        let recharged = if entry.kind == "recharge" {
            entry.balance_delta
        } else {
            0
        };
        self.figures = Figures {
            balance: entry.balance_after,
            held: entry.held_after,
            debt: entry.debt_after,
            total_recharged: sum(before.total_recharged, recharged)?,
            total_spent: sum(before.total_spent, entry.spent())?,
        };
        self.entries.push(entry);
        self.seal();
        Ok(())
    }

    pub fn last_seq(&self) -> i64 {
        self.entries.last().map_or(0, |entry| entry.seq)
    }
}

pub fn sum(left: i64, right: i64) -> Result<i64, Code> {
    i64::try_from(i128::from(left) + i128::from(right)).map_err(|_| "invalid_amount")
}
