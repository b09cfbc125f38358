//! What an account will have after what is planned for it: as much of the rule book as a plan needs.
//!
//! The ledger decides by its own rules; a plan that foresees otherwise than they say is stopped.

use crate::domain::text::UserId;

/// What is left of what an entry moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub seq: i64,
    pub left: i64,
}

impl Moved {
    /// `None` when nothing is left.
    pub fn without(self, taken: i64) -> Option<Self> {
        let left = self.left - taken;
        (left > 0).then_some(Self { left, ..self })
    }
}

/// An account as the plan sees it; amounts in minor units.
#[derive(Clone, Debug)]
pub struct Book {
    pub user_id: UserId,
    pub low_balance_threshold: Option<i64>,
    pub balance: i64,
    pub debt: i64,
    pub last_seq: i64,
    pub locked: bool,
    /// The balance that ends its suspension.
    pub suspended_below: Option<i64>,
    /// Whether nobody will top it up while it is suspended.
    pub abandoned: bool,
    /// How many records of each kind it has.
    pub recharges: i64,
    pub holds: i64,
    pub purchases: i64,
    pub gifts: i64,
    /// Its latest charge and its latest recharge.
    pub charged: Option<Moved>,
    pub recharged: Option<Moved>,
}

impl Book {
    pub const fn new(user_id: UserId, low_balance_threshold: Option<i64>) -> Self {
        Self {
            user_id,
            low_balance_threshold,
            balance: 0,
            debt: 0,
            last_seq: 0,
            locked: false,
            suspended_below: None,
            abandoned: false,
            recharges: 0,
            holds: 0,
            purchases: 0,
            gifts: 0,
            charged: None,
            recharged: None,
        }
    }

    pub const fn may_spend(&self) -> bool {
        !self.locked && self.suspended_below.is_none()
    }

    /// Money comes in and pays debt first. These and the ones below return how many entries they make.
    pub fn gain(&mut self, amount: i64) -> u64 {
        self.balance += amount;
        self.last_seq += 1;
        1 + self.recover_debt()
    }

    fn recover_debt(&mut self) -> u64 {
        let recovered = self.debt.min(self.balance);
        if recovered == 0 {
            return 0;
        }
        self.balance -= recovered;
        self.debt -= recovered;
        self.last_seq += 1;
        1
    }

    /// Money leaves, or is set aside.
    pub fn lose(&mut self, amount: i64) -> u64 {
        self.balance -= amount;
        self.last_seq += 1;
        1
    }

    pub fn charge(&mut self, amount: i64) -> u64 {
        let made = self.lose(amount);
        let (seq, left) = (self.last_seq, amount);
        self.charged = Some(Moved { seq, left });
        made
    }

    pub fn recharge(&mut self, amount: i64) -> u64 {
        let (seq, left) = (self.last_seq + 1, amount);
        let made = self.gain(amount);
        self.recharged = Some(Moved { seq, left });
        self.suspended_below = self.suspended_below.filter(|enough| self.balance < *enough);
        made
    }

    /// It could not pay that much, and is suspended for it.
    pub fn suspend(&mut self, required: i64) {
        self.suspended_below = Some(required.max(self.low_balance_threshold.unwrap_or(0)));
    }

    /// Held money is spent, and the rest of it given back.
    pub fn commit(&mut self, rest: i64) -> u64 {
        self.last_seq += 1;
        if rest == 0 { 1 } else { 1 + self.gain(rest) }
    }

    /// What was given is taken back; what is no longer there becomes debt.
    pub fn claw_back(&mut self, amount: i64) -> u64 {
        let taken = amount.min(self.balance);
        self.balance -= taken;
        self.debt += amount - taken;
        self.last_seq += 1;
        1
    }
}
