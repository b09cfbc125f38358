//! Recharges: money on its way in through a gateway.

use super::account::Account;
use super::money::Movement;
use super::operation::{Answer, Code, Note, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RechargeStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
    Expired,
}

impl RechargeStatus {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }

    fn may_become(self, wanted: Self) -> bool {
        match self {
            Self::Pending => matches!(
                wanted,
                Self::Processing | Self::Completed | Self::Failed | Self::Cancelled
            ),
            Self::Processing => matches!(wanted, Self::Completed | Self::Failed | Self::Cancelled),
            Self::Completed | Self::Failed | Self::Cancelled | Self::Expired => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recharge {
    pub amount: i64,
    pub method: String,
    pub status: RechargeStatus,
    pub expires_at: Option<i64>,
    pub note: Note,
}

impl Recharge {
    fn is_overdue(&self, now: i64) -> bool {
        self.status == RechargeStatus::Pending && self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Account {
    pub fn recharge(&mut self, amount: i64, method: &str, step: &Step) -> Result<Answer, Code> {
        self.put(Movement::new("recharge", amount, format!("gateway:{method}")), step)?;
        self.tell_completed(self.recharges.len() + 1, amount, method);
        self.resume_if_paid(step);
        self.open_recharge(amount, method, None, step)?;
        if let Some(recharge) = self.recharges.last_mut() {
            recharge.status = RechargeStatus::Completed;
        }
        Ok(Answer::Applied)
    }

    pub fn open_recharge(
        &mut self,
        amount: i64,
        method: &str,
        expires_in: Option<i64>,
        step: &Step,
    ) -> Result<Answer, Code> {
        self.recharges.push(Recharge {
            amount,
            method: method.to_owned(),
            status: RechargeStatus::Pending,
            expires_at: expires_in.map(|seconds| step.later(seconds)),
            note: step.note.clone(),
        });
        Ok(Answer::Applied)
    }

    pub fn has_recharge(&self, number: usize) -> bool {
        (1..=self.recharges.len()).contains(&number)
    }

    pub fn advance(&mut self, number: usize, wanted: RechargeStatus, step: &Step) -> Result<Answer, Code> {
        let Some(index) = number.checked_sub(1).filter(|index| *index < self.recharges.len()) else {
            return Err("not_found");
        };
        let recharge = self.recharges[index].clone();
        // It counts as expired; that it has is written down by the job alone.
        if recharge.is_overdue(step.at_micros) {
            return Err("already_final");
        }
        if recharge.status == wanted {
            return Ok(Answer::AlreadyApplied);
        }
        if !recharge.status.may_become(wanted) {
            return Err("already_final");
        }
        if wanted == RechargeStatus::Completed {
            let movement = Movement::new("recharge", recharge.amount, format!("gateway:{}", recharge.method));
            self.put(movement.noted(&recharge.note), step)?;
            self.tell_completed(number, recharge.amount, &recharge.method);
            self.resume_if_paid(step);
        }
        self.recharges[index].status = wanted;
        Ok(Answer::Applied)
    }

    /// Those of a closed account too: nothing moves.
    pub fn expire_recharges(&mut self, actor: &str, now: i64) {
        if !self.recharges.iter().any(|recharge| recharge.is_overdue(now)) {
            return;
        }
        self.expire_overdue_holds(actor, now);
        for recharge in &mut self.recharges {
            if recharge.is_overdue(now) {
                recharge.status = RechargeStatus::Expired;
            }
        }
    }
}
