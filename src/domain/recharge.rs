//! Recharges: money on its way in through a gateway.

use super::entry::Note;
use super::money::Amount;
use super::named::named;
use super::operation::OperationKind;
use super::record_id::record_id;
use super::text::{Json, PaymentMethod};
use super::time::Timestamp;

record_id!(
    /// How a recharge is named outside: `r12-7`.
    RechargeId, 'r', "a recharge", "ledger recharge list"
);

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RechargeStatus {
        Pending = "pending",
        /// The gateway has taken it up; it no longer expires by time.
        Processing = "processing",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
        Expired = "expired",
    }
}

impl RechargeStatus {
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Processing)
    }
}

/// What a recharge can be taken to; none becomes pending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RechargeGoal {
    Processing,
    Completed,
    Failed,
    Cancelled,
    Expired,
}

impl RechargeGoal {
    pub const ALL: [Self; 5] = [
        Self::Processing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// What takes it there.
    pub const fn operation(self) -> OperationKind {
        match self {
            Self::Processing => OperationKind::RechargeProcess,
            Self::Completed => OperationKind::RechargeComplete,
            Self::Failed => OperationKind::RechargeFail,
            Self::Cancelled => OperationKind::RechargeCancel,
            Self::Expired => OperationKind::RechargeExpire,
        }
    }

    /// The status once it is there.
    pub const fn status(self) -> RechargeStatus {
        match self {
            Self::Processing => RechargeStatus::Processing,
            Self::Completed => RechargeStatus::Completed,
            Self::Failed => RechargeStatus::Failed,
            Self::Cancelled => RechargeStatus::Cancelled,
            Self::Expired => RechargeStatus::Expired,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recharge {
    pub id: RechargeId,
    pub amount: Amount,
    pub method: PaymentMethod,
    pub status: RechargeStatus,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The entry that brought the money, once completed.
    pub entry_seq: Option<i64>,
    pub gateway_response: Option<Json>,
    /// Goes on to the entry, whenever the money comes.
    pub note: Note,
}

/// What a step towards another status comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Take,
    /// It is there already: asked again, nothing to do.
    AlreadyThere,
    /// It has ended otherwise.
    Ended(RechargeStatus),
    /// It does not expire, or not yet.
    NotDue,
}

impl Recharge {
    /// The status that counts at `now`: a pending one that is overdue has expired, whether or not the job has come by.
    pub fn status_at(&self, now: Timestamp) -> RechargeStatus {
        match self.status {
            RechargeStatus::Pending if self.expires_at.is_some_and(|at| at <= now) => RechargeStatus::Expired,
            status => status,
        }
    }

    /// Whether this recharge may be taken to `goal` at `now`.
    pub fn step(&self, goal: RechargeGoal, now: Timestamp) -> Step {
        let current = self.status_at(now);
        let expires = goal == RechargeGoal::Expired;
        if self.status == goal.status() {
            Step::AlreadyThere
        } else if expires && current == RechargeStatus::Expired {
            Step::Take
        } else if current.is_final() {
            Step::Ended(current)
        } else if expires {
            // Time alone ends what nobody has taken up, and only once it has run out.
            Step::NotDue
        } else {
            Step::Take
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::AccountId;
    use super::super::money::Minor;
    use super::*;

    const EXPIRY: i64 = 1_000_000;

    fn recharge(status: RechargeStatus) -> Recharge {
        Recharge {
            id: RechargeId {
                account: AccountId::new(1),
                number: 1,
            },
            amount: Amount::new(Minor::new(500)).unwrap(),
            method: PaymentMethod::parse("momo").unwrap(),
            status,
            created_at: at(0),
            expires_at: Some(at(EXPIRY)),
            finished_at: None,
            entry_seq: None,
            gateway_response: None,
            note: Note::default(),
        }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn only_a_pending_one_whose_time_has_run_out_expires() {
        let expires = |status, micros| recharge(status).step(RechargeGoal::Expired, at(micros));
        assert_eq!(expires(RechargeStatus::Pending, EXPIRY - 1), Step::NotDue);
        assert_eq!(expires(RechargeStatus::Pending, EXPIRY), Step::Take);
        assert_eq!(expires(RechargeStatus::Processing, EXPIRY), Step::NotDue);
        assert_eq!(expires(RechargeStatus::Expired, EXPIRY), Step::AlreadyThere);
        let completed = RechargeStatus::Completed;
        assert_eq!(expires(completed, EXPIRY), Step::Ended(completed));
        let forever = Recharge {
            expires_at: None,
            ..recharge(RechargeStatus::Pending)
        };
        assert_eq!(forever.step(RechargeGoal::Expired, at(i64::MAX / 4)), Step::NotDue);
    }

    #[test]
    fn what_a_gateway_has_taken_up_completes_whatever_the_time() {
        let processing = recharge(RechargeStatus::Processing);
        assert_eq!(processing.step(RechargeGoal::Completed, at(EXPIRY)), Step::Take);
        let pending = recharge(RechargeStatus::Pending);
        let ended = Step::Ended(RechargeStatus::Expired);
        assert_eq!(pending.step(RechargeGoal::Completed, at(EXPIRY)), ended);
    }
}
