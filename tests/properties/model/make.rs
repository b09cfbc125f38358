//! Operations in a few words, for what is told by hand.

use super::{Operation, Paid};

pub fn recharge(amount: i64) -> Operation {
    let method = "momo".to_owned();
    Operation::Recharge { amount, method }
}

pub fn pending(amount: i64, expires_in: Option<i64>) -> Operation {
    let method = "momo".to_owned();
    Operation::RechargePending {
        amount,
        method,
        expires_in,
    }
}

pub fn charge(amount: i64) -> Operation {
    charged(amount, false)
}

pub fn charge_or_suspend(amount: i64) -> Operation {
    charged(amount, true)
}

fn charged(amount: i64, suspend: bool) -> Operation {
    Operation::Charge {
        amount,
        service: "vps".to_owned(),
        suspend,
        grants: None,
    }
}

pub fn gift(credits: i64) -> Operation {
    Operation::GrantGift { credits, paid: None }
}

pub fn deactivate_gift(gift: usize, may_become_debt: bool) -> Operation {
    Operation::DeactivateGift { gift, may_become_debt }
}

pub fn purchase(credits: i64, pending_for: i64) -> Operation {
    let (amount, currency) = (500_000, "VND".to_owned());
    Operation::RecordPurchase {
        paid: Paid { amount, currency },
        credits,
        pending_for,
    }
}

pub fn deactivate(purchase: usize, may_become_debt: bool) -> Operation {
    Operation::DeactivatePurchase {
        purchase,
        may_become_debt,
    }
}
