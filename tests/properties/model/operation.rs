//! What can be asked, and the answers.

pub type Code = &'static str;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountName {
    pub user_id: String,
    pub currency: String,
}

impl AccountName {
    pub fn new(user_id: &str, currency: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            currency: currency.to_owned(),
        }
    }
}

/// One request to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub account: AccountName,
    pub operation: Operation,
    pub key: Option<String>,
    pub actor: String,
    pub at_micros: i64,
    pub note: Note,
}

impl Step {
    /// Without key and texts.
    pub fn new(account: &AccountName, operation: Operation, at_micros: i64) -> Self {
        Self {
            account: account.clone(),
            operation,
            key: None,
            actor: "tester".to_owned(),
            at_micros,
            note: Note::default(),
        }
    }
}

/// The last second that the ledger can write: 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

impl Step {
    /// So many seconds after the step, kept within what can be written.
    pub fn later(&self, seconds: i64) -> i64 {
        (self.at_micros + seconds * 1_000_000).min(LAST_SECOND * 1_000_000)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
}

/// In a currency that need not be the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub amount: i64,
    pub currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub resource: String,
    /// In seconds.
    pub expires_in: Option<i64>,
}

impl Note {
    /// Each text that is missing here is taken from the other one.
    pub fn or(self, other: &Self) -> Self {
        Self {
            reference: self.reference.or_else(|| other.reference.clone()),
            description: self.description.or_else(|| other.description.clone()),
            metadata: self.metadata.or_else(|| other.metadata.clone()),
        }
    }
}

/// Amounts are minor units; where one may be left out, all that remains is
/// meant. Recharges, holds, purchases and gifts are numbered 1, 2, 3 ... per account in the
/// order in which they were accepted, the direct recharges included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    CreateAccount,
    Lock,
    Unlock,
    Close,
    SetLimits {
        charges_per_minute: Option<u32>,
        spend_per_day: Option<i64>,
    },
    SetLowBalanceThreshold {
        threshold: Option<i64>,
    },
    /// By hand.
    Suspend {
        reason: String,
    },
    /// By hand.
    Resume,
    Recharge {
        amount: i64,
        method: String,
    },
    RechargePending {
        amount: i64,
        method: String,
        /// Asked as a span of seconds, so that a later retry is the same request.
        expires_in: Option<i64>,
    },
    RechargeProcess {
        number: usize,
    },
    RechargeComplete {
        number: usize,
    },
    RechargeFail {
        number: usize,
    },
    RechargeCancel {
        number: usize,
    },
    /// The job: it looks at every account, whichever the step names.
    ExpireRecharges,
    Charge {
        amount: i64,
        service: String,
        /// Whether an account that cannot pay is suspended for it.
        suspend: bool,
        /// What is paid for.
        grants: Option<Access>,
    },
    /// Signed.
    Adjust {
        amount: i64,
    },
    Penalty {
        amount: i64,
    },
    RecordPurchase {
        paid: Paid,
        /// None where it is too small.
        credits: i64,
        /// In seconds.
        pending_for: i64,
    },
    /// Brings the credits of a purchase, once they are due.
    TransferCredit {
        purchase: usize,
    },
    /// The job: it looks at every account, whichever the step names.
    TransferDueCredits,
    /// With the credits that it has brought; where they are spent, they become debt, or nothing is done.
    DeactivatePurchase {
        purchase: usize,
        may_become_debt: bool,
    },
    GrantGift {
        credits: i64,
        paid: Option<Paid>,
    },
    /// As a purchase.
    DeactivateGift {
        gift: usize,
        may_become_debt: bool,
    },
    /// Sets money aside for something that is paid for later.
    Freeze {
        amount: i64,
        service: Option<String>,
        /// In seconds.
        expires_in: Option<i64>,
    },
    /// Spends what is held; what is left of it then is given back, unless it is kept open.
    Commit {
        hold: usize,
        amount: Option<i64>,
        keep_open: bool,
    },
    /// Gives back what is held.
    Release {
        hold: usize,
        amount: Option<i64>,
    },
    /// Gives back a hold whose time has run out.
    ExpireHold {
        hold: usize,
    },
    /// The job: it looks at every account, whichever the step names.
    ExpireHolds,
    /// Gives back what the entry of that number took.
    Refund {
        entry: usize,
        amount: Option<i64>,
    },
    /// Undoes the entry of that number, whichever way it went.
    Reverse {
        entry: usize,
        amount: Option<i64>,
        may_become_debt: bool,
    },
}

impl Operation {
    pub fn has_valid_amount(&self) -> bool {
        match self {
            Self::Recharge { amount, .. }
            | Self::RechargePending { amount, .. }
            | Self::Charge { amount, .. }
            | Self::Penalty { amount }
            | Self::Freeze { amount, .. } => *amount > 0,
            Self::GrantGift { credits, .. } => *credits > 0,
            Self::RecordPurchase { credits, .. } => *credits >= 0,
            Self::Adjust { amount } => *amount != 0,
            Self::Commit { amount, .. }
            | Self::Release { amount, .. }
            | Self::Refund { amount, .. }
            | Self::Reverse { amount, .. } => amount.is_none_or(|amount| amount > 0),
            _ => true,
        }
    }

    /// It moves neither money nor records that stand for money, and has no key.
    pub fn is_administration(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount
                | Self::Lock
                | Self::Unlock
                | Self::Close
                | Self::SetLimits { .. }
                | Self::SetLowBalanceThreshold { .. }
                | Self::Suspend { .. }
                | Self::Resume
                | Self::ExpireRecharges
                | Self::ExpireHolds
                | Self::TransferDueCredits
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Applied,
    AlreadyApplied,
    Refused(Code),
    /// Refused, and the account suspended for it.
    RefusedAndSuspended(Code),
}
