//! What can be asked of an account.
//!
//! An operation is well formed by its types; whether it may be done is for [`posting`](super::posting) to say.

use chrono::TimeDelta;

use super::access::Access;
use super::money::{Amount, Minor, SignedAmount};
use super::named::named;
use super::purchase::Paid;
use super::recharge::RechargeGoal;
use super::text::{Json, PaymentMethod, Service};

named! {
    /// What an operation is called: in intents, by `apply` and in answers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum OperationKind {
        Charge = "charge",
        Recharge = "recharge",
        RechargeComplete = "recharge-complete",
        RechargeProcess = "recharge-process",
        RechargeFail = "recharge-fail",
        RechargeCancel = "recharge-cancel",
        RechargeExpire = "recharge-expire",
        Freeze = "freeze",
        Commit = "commit",
        /// Of an entry, or of a hold.
        Refund = "refund",
        ExpireHold = "expire-hold",
        Reverse = "reverse",
        Adjust = "adjust",
        Penalty = "penalty",
        PurchaseRecord = "purchase-record",
        CreditTransfer = "credit-transfer",
        GiftGrant = "gift-grant",
        GiftDeactivate = "gift-deactivate",
        DeactivatePurchase = "deactivate-purchase",
    }
}

impl OperationKind {
    /// Whether somebody asks for it; the others follow from the time, by a job.
    pub const fn is_asked(self) -> bool {
        !matches!(self, Self::RechargeExpire | Self::ExpireHold | Self::CreditTransfer)
    }
}

/// Everything that moves an account's figures or the records that stand for money on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Charge {
        amount: Amount,
        service: Service,
        /// Whether an account that cannot pay is suspended for it.
        suspend: bool,
        /// The right that is paid for, written with the entry.
        grants: Option<Access>,
    },
    Adjust {
        amount: SignedAmount,
    },
    Penalty {
        amount: Amount,
    },
    /// Opens a recharge; `Settle::Now` completes it in the same breath.
    Recharge {
        amount: Amount,
        method: PaymentMethod,
        settle: Settle,
        gateway_response: Option<Json>,
    },
    /// Takes the recharge of that number to another status.
    MoveRecharge {
        number: i64,
        to: RechargeGoal,
        gateway_response: Option<Json>,
        /// What a gateway says this is about; anything else is refused.
        claim: Option<Claim>,
    },
    Freeze {
        amount: Amount,
        /// What it will have paid for, once committed.
        service: Option<Service>,
        expires_in: Option<TimeDelta>,
    },
    /// Spends what is held, all of it unless an amount is given; the rest is released, or kept open.
    Commit {
        hold: i64,
        amount: Option<Amount>,
        keep_open: bool,
    },
    /// Gives back what is held, all of it unless an amount is given.
    Release {
        hold: i64,
        amount: Option<Amount>,
    },
    /// Gives back a hold whose time has run out.
    ExpireHold {
        hold: i64,
    },
    /// Gives back what an entry took, what is left of it unless an amount is given.
    Refund {
        entry: i64,
        amount: Option<Amount>,
    },
    /// Takes back an entry of any kind, what is left of it unless an amount is given.
    Reverse {
        entry: i64,
        amount: Option<Amount>,
        if_spent: IfSpent,
    },
    /// Records a purchase whose credits come later.
    RecordPurchase(NewPurchase),
    /// Brings the credits of a purchase, when they are due.
    TransferCredit {
        purchase: i64,
    },
    /// Takes a purchase back, with exactly the credits it has brought.
    DeactivatePurchase {
        purchase: i64,
        if_spent: IfSpent,
    },
    /// Gives credits at once.
    GrantGift {
        credits: Amount,
        paid: Option<Paid>,
    },
    DeactivateGift {
        gift: i64,
        if_spent: IfSpent,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    Now,
    Later { expires_in: Option<TimeDelta> },
}

/// A purchase as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPurchase {
    pub paid: Paid,
    /// What it earns; zero where it is too small.
    pub credits: Minor,
    /// How long the credits take.
    pub pending_for: TimeDelta,
}

/// What a gateway says a recharge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub amount: Amount,
    pub method: PaymentMethod,
}

/// What a clawback does where the credits are no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfSpent {
    Refuse,
    Debt,
}

/// The record besides the account that an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    None,
    NewRecharge,
    Recharge(i64),
    NewHold,
    Hold(i64),
    Entry(i64),
    NewPurchase,
    Purchase(i64),
    NewGift,
    Gift(i64),
    /// Access that is named by the entry to come.
    NewGrant,
}

impl Operation {
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Charge { .. } => OperationKind::Charge,
            Self::Adjust { .. } => OperationKind::Adjust,
            Self::Penalty { .. } => OperationKind::Penalty,
            Self::Recharge { .. } => OperationKind::Recharge,
            Self::MoveRecharge { to, .. } => to.operation(),
            Self::Freeze { .. } => OperationKind::Freeze,
            Self::Commit { .. } => OperationKind::Commit,
            Self::Release { .. } | Self::Refund { .. } => OperationKind::Refund,
            Self::ExpireHold { .. } => OperationKind::ExpireHold,
            Self::Reverse { .. } => OperationKind::Reverse,
            Self::RecordPurchase(_) => OperationKind::PurchaseRecord,
            Self::TransferCredit { .. } => OperationKind::CreditTransfer,
            Self::DeactivatePurchase { .. } => OperationKind::DeactivatePurchase,
            Self::GrantGift { .. } => OperationKind::GiftGrant,
            Self::DeactivateGift { .. } => OperationKind::GiftDeactivate,
        }
    }

    /// The amount that is asked for, if one is; an adjustment's has its sign.
    pub fn amount(&self) -> Option<Minor> {
        match self {
            Self::Charge { amount, .. }
            | Self::Penalty { amount }
            | Self::Recharge { amount, .. }
            | Self::Freeze { amount, .. } => Some(amount.minor()),
            Self::Adjust { amount } => Some(amount.minor()),
            Self::Commit { amount, .. }
            | Self::Release { amount, .. }
            | Self::Refund { amount, .. }
            | Self::Reverse { amount, .. } => amount.map(Amount::minor),
            Self::MoveRecharge { claim, .. } => claim.as_ref().map(|claim| claim.amount.minor()),
            Self::GrantGift { credits, .. } => Some(credits.minor()),
            Self::ExpireHold { .. }
            | Self::RecordPurchase(_)
            | Self::TransferCredit { .. }
            | Self::DeactivatePurchase { .. }
            | Self::DeactivateGift { .. } => None,
        }
    }

    pub const fn subject(&self) -> Subject {
        match self {
            Self::Charge { grants: Some(_), .. } => Subject::NewGrant,
            Self::Charge { .. } | Self::Adjust { .. } | Self::Penalty { .. } => Subject::None,
            Self::RecordPurchase(_) => Subject::NewPurchase,
            Self::TransferCredit { purchase } | Self::DeactivatePurchase { purchase, .. } => {
                Subject::Purchase(*purchase)
            }
            Self::GrantGift { .. } => Subject::NewGift,
            Self::DeactivateGift { gift, .. } => Subject::Gift(*gift),
            Self::Recharge { .. } => Subject::NewRecharge,
            Self::MoveRecharge { number, .. } => Subject::Recharge(*number),
            Self::Freeze { .. } => Subject::NewHold,
            Self::Commit { hold, .. } | Self::Release { hold, .. } | Self::ExpireHold { hold } => Subject::Hold(*hold),
            Self::Refund { entry, .. } | Self::Reverse { entry, .. } => Subject::Entry(*entry),
        }
    }
}
