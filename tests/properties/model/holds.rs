//! Holds: money set aside until it is committed, released or expires.

use super::account::Account;
use super::money::Movement;
use super::operation::{Answer, Code, Note, Operation, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStatus {
    Open,
    Committed,
    Refunded,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub amount: i64,
    pub remaining: i64,
    pub committed: i64,
    pub released: i64,
    pub status: HoldStatus,
    pub service: Option<String>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// The number of the entry that set the money aside.
    pub entry: i64,
    pub note: Note,
}

impl Hold {
    pub fn is_overdue(&self, now: i64) -> bool {
        self.status == HoldStatus::Open && self.expires_at.is_some_and(|at| at <= now)
    }

    /// All that remains, unless less is asked for.
    fn part(&self, asked: Option<i64>) -> Result<i64, Code> {
        match asked {
            None => Ok(self.remaining),
            Some(amount) if amount <= self.remaining => Ok(amount),
            Some(_) => Err("exceeds_remaining"),
        }
    }

    fn commit(&mut self, amount: i64) {
        self.remaining -= amount;
        self.committed += amount;
    }

    fn release(&mut self, amount: i64) {
        self.remaining -= amount;
        self.released += amount;
    }

    /// Once nothing is left of it.
    fn ends(&mut self, status: HoldStatus, now: i64) {
        if self.remaining == 0 {
            self.status = status;
            self.finished_at = Some(now);
        }
    }
}

impl Account {
    pub fn freeze(
        &mut self,
        amount: i64,
        service: Option<&str>,
        expires_in: Option<i64>,
        step: &Step,
    ) -> Result<Answer, Code> {
        self.stays_within_limits(amount, step.at_micros)?;
        self.take(Movement::new("freeze", -amount, "holds").holding(amount), step)?;
        self.holds.push(Hold {
            amount,
            remaining: amount,
            committed: 0,
            released: 0,
            status: HoldStatus::Open,
            service: service.map(str::to_owned),
            created_at: step.at_micros,
            expires_at: expires_in.map(|seconds| step.later(seconds)),
            finished_at: None,
            entry: self.last_seq(),
            note: step.note.clone(),
        });
        Ok(Answer::Applied)
    }

    pub fn commit(&mut self, number: usize, amount: Option<i64>, keep_open: bool, step: &Step) -> Result<Answer, Code> {
        let mut hold = self.open_hold(number, step)?;
        let amount = hold.part(amount)?;
        hold.commit(amount);
        let service = hold.service.as_ref();
        let revenue = service.map_or("income:hold".to_owned(), |service| format!("revenue:{service}"));
        let spent = Movement::new("commit", 0, revenue).holding(-amount);
        self.append(spent.noted(&step.note.clone().or(&hold.note)), step)?;
        if !keep_open {
            self.give_back(&mut hold, None, step)?;
        }
        hold.ends(HoldStatus::Committed, step.at_micros);
        self.replace_hold(number, hold)
    }

    pub fn release(&mut self, number: usize, amount: Option<i64>, step: &Step) -> Result<Answer, Code> {
        let mut hold = self.open_hold(number, step)?;
        self.give_back(&mut hold, amount, step)?;
        hold.ends(HoldStatus::Refunded, step.at_micros);
        self.replace_hold(number, hold)
    }

    pub fn expire_hold(&mut self, number: usize, step: &Step) -> Result<Answer, Code> {
        let mut hold = self.hold(number)?;
        match hold.status {
            HoldStatus::Expired => Ok(Answer::AlreadyApplied),
            HoldStatus::Committed | HoldStatus::Refunded => Err("already_final"),
            HoldStatus::Open if !hold.is_overdue(step.at_micros) => Err("not_due"),
            HoldStatus::Open => {
                self.give_back(&mut hold, None, step)?;
                hold.ends(HoldStatus::Expired, step.at_micros);
                self.replace_hold(number, hold)
            }
        }
    }

    /// Each by an operation of its own, whose key the ledger makes up. One that would take the balance out of
    /// its range stays.
    pub fn expire_overdue_holds(&mut self, actor: &str, now: i64) {
        for number in 1..=self.holds.len() {
            if self.holds[number - 1].is_overdue(now) {
                let mut step = Step::new(&self.name, Operation::ExpireHold { hold: number }, now);
                step.actor = actor.to_owned();
                self.judge(&step);
            }
        }
    }

    fn hold(&self, number: usize) -> Result<Hold, Code> {
        let index = number.checked_sub(1).ok_or("not_found")?;
        self.holds.get(index).cloned().ok_or("not_found")
    }

    fn open_hold(&self, number: usize, step: &Step) -> Result<Hold, Code> {
        let hold = self.hold(number)?;
        if hold.status != HoldStatus::Open || hold.is_overdue(step.at_micros) {
            return Err("already_final");
        }
        Ok(hold)
    }

    fn give_back(&mut self, hold: &mut Hold, amount: Option<i64>, step: &Step) -> Result<(), Code> {
        let amount = hold.part(amount)?;
        if amount > 0 {
            hold.release(amount);
            let released = Movement::new("release", amount, "holds").holding(-amount);
            self.put(released.noted(&step.note.clone().or(&hold.note)), step)?;
        }
        Ok(())
    }

    fn replace_hold(&mut self, number: usize, hold: Hold) -> Result<Answer, Code> {
        self.holds[number - 1] = hold;
        Ok(Answer::Applied)
    }
}
