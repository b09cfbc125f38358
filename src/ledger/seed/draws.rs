//! What accounts do of their own accord: mostly they are charged, and top up when that takes them too low.

use chrono::TimeDelta;

use super::plan::{Expected, MOST_ENTRIES, Plan, amount};
use super::tasks::{HoldEnds, Task, What};
use super::words::{because, gateway_response, reference};
use crate::domain::entry::Note;
use crate::domain::money::{Minor, SignedAmount};
use crate::domain::operation::{IfSpent, NewPurchase, Operation, Settle};
use crate::domain::purchase::Paid;
use crate::domain::recharge::RechargeGoal;
use crate::ledger::error::LedgerError;

/// What top-ups are made of, in hundredths.
const TOP_UPS: [i64; 8] = [2_000, 5_000, 10_000, 10_000, 20_000, 20_000, 50_000, 100_000];

const MINUTES_PER_DAY: i64 = 24 * 60;

impl Plan<'_> {
    /// One operation of some account; of an account that may not spend, often none.
    pub(super) fn do_something(&mut self) -> Result<(), LedgerError> {
        let account = self.somebody();
        if self.available() < MOST_ENTRIES {
            return self.do_something_simple(account);
        }
        if !self.books[account].may_spend() {
            return match self.random.below(16) {
                0 => self.charge(account),
                1..4 if !self.books[account].abandoned => self.top_up(account),
                _ => Ok(()),
            };
        }
        match self.random.below(1_000) {
            0..944 => self.charge(account),
            944..948 => self.top_up(account),
            948..956 => self.top_up_later(account),
            956..970 => self.freeze(account),
            970..976 => self.refund(account),
            976..980 => self.adjust(account),
            980..983 => self.penalty(account),
            983..987 => self.gift(account),
            987..995 => self.purchase(account),
            995..999 => self.reverse(account),
            _ => {
                self.lock_soon(account);
                Ok(())
            }
        }
    }

    /// A third of what happens is spread evenly, the rest goes to few.
    fn somebody(&mut self) -> usize {
        let open = self.books.len();
        if self.random.one_in(3) {
            self.random.index(open)
        } else {
            self.random.skewed_index(open)
        }
    }

    /// Exactly one entry, beginning the search at that account.
    fn do_something_simple(&mut self, account: usize) -> Result<(), LedgerError> {
        let (before, after) = self.books.split_at(account);
        let free = after.iter().chain(before).position(|book| book.debt == 0);
        let account = (account + free.unwrap_or_default()) % self.books.len();
        let book = &self.books[account];
        if book.may_spend() && book.balance > 0 {
            let units = self.usage_units().min(self.books[account].balance);
            self.charged(account, units)
        } else {
            self.top_up(account)
        }
    }

    /// What a use costs: each doubling is as likely as the one before.
    fn usage_units(&mut self) -> i64 {
        let least = 5_i64 << self.random.below(8);
        let hundredths = self.random.between(least, 2 * least);
        self.scaled(hundredths)
    }

    fn charge(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.usage_units();
        let book = &self.books[account];
        if book.may_spend() && book.balance >= units {
            return self.charged(account, units);
        }
        if book.may_spend() && (book.last_seq == 0 || !self.random.one_in(6)) {
            return self.top_up(account);
        }
        let suspend = self.random.one_in(2);
        let expected = if suspend && self.books[account].may_spend() {
            self.books[account].suspend(units);
            // Some users never come back.
            if self.abandoned < self.books.len() / 20 && self.random.one_in(2) {
                self.books[account].abandoned = true;
                self.abandoned += 1;
            }
            Expected::Suspended
        } else {
            Expected::Refused
        };
        self.ask_charge(account, units, suspend, expected)
    }

    fn charged(&mut self, account: usize, units: i64) -> Result<(), LedgerError> {
        let made = self.books[account].charge(units);
        self.ask_charge(account, units, false, Expected::Applied(made))
    }

    fn ask_charge(&mut self, account: usize, units: i64, suspend: bool, expected: Expected) -> Result<(), LedgerError> {
        let (service, note) = self.words.usage(&mut self.random, self.asked)?;
        let operation = Operation::Charge {
            amount: amount(units)?,
            service,
            suspend,
            grants: None,
        };
        self.ask(account, operation, note, expected)
    }

    fn top_up_units(&mut self) -> i64 {
        let hundredths = *self.random.one_of(&TOP_UPS);
        self.scaled(hundredths)
    }

    fn top_up(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.top_up_units();
        let operation = Operation::Recharge {
            amount: amount(units)?,
            method: self.words.method(&mut self.random),
            settle: Settle::Now,
            gateway_response: Some(gateway_response(self.asked)?),
        };
        let note = Note {
            reference: Some(reference("Order", self.asked)?),
            ..Note::default()
        };
        self.books[account].recharges += 1;
        let made = self.recharged(account, units);
        self.ask(account, operation, note, Expected::Applied(made))
    }

    /// A recharge whose money arrives some time later, if it does.
    fn top_up_later(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.top_up_units();
        let expires_in = self.random.one_in(2).then(|| TimeDelta::minutes(30));
        let operation = Operation::Recharge {
            amount: amount(units)?,
            method: self.words.method(&mut self.random),
            settle: Settle::Later { expires_in },
            gateway_response: None,
        };
        self.books[account].recharges += 1;
        let number = self.books[account].recharges;
        self.ask(account, operation, Note::default(), Expected::Applied(0))?;
        let (to, most) = match self.random.below(20) {
            0..11 => (RechargeGoal::Completed, 20),
            11..13 => (RechargeGoal::Processing, 20),
            13..15 => (RechargeGoal::Failed, 20),
            15..17 => (RechargeGoal::Cancelled, 20),
            17..19 => (RechargeGoal::Completed, MINUTES_PER_DAY),
            // Nobody hears of it again.
            _ => return Ok(()),
        };
        let due = self.within(1, most);
        let what = What::Recharge {
            number,
            units,
            expires_at: expires_in.map(|span| self.chunk.at.after(span)),
            to,
        };
        self.later(
            due,
            Task {
                account,
                reserved: 2,
                what,
            },
        );
        Ok(())
    }

    fn freeze(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.usage_units();
        if self.books[account].balance < units {
            return self.top_up(account);
        }
        let (ends, expires_in) = match self.random.below(100) {
            0..50 => (Some(HoldEnds::Committed), Some(TimeDelta::days(7))),
            50..62 => (Some(HoldEnds::PartlyCommitted), Some(TimeDelta::days(7))),
            62..70 => (Some(HoldEnds::CommittedTwice), Some(TimeDelta::days(7))),
            70..90 => (Some(HoldEnds::Released), None),
            90..94 => (Some(HoldEnds::Expired), Some(TimeDelta::minutes(20))),
            _ => (None, None),
        };
        let (service, note) = self.words.usage(&mut self.random, self.asked)?;
        let operation = Operation::Freeze {
            amount: amount(units)?,
            service: Some(service),
            expires_in,
        };
        let book = &mut self.books[account];
        book.holds += 1;
        let number = book.holds;
        let made = book.lose(units);
        self.ask(account, operation, note, Expected::Applied(made))?;
        let Some(ends) = ends else { return Ok(()) };
        let expires_at = expires_in.map(|span| self.chunk.at.after(span));
        let due = match (ends, expires_at) {
            (HoldEnds::Expired, Some(at)) => at,
            _ => self.within(5, MINUTES_PER_DAY / 2),
        };
        let what = What::Hold {
            number,
            left: units,
            expires_at,
            ends,
        };
        self.later(
            due,
            Task {
                account,
                reserved: 3,
                what,
            },
        );
        Ok(())
    }

    /// Gives the latest charge back, whole or in part.
    fn refund(&mut self, account: usize) -> Result<(), LedgerError> {
        let Some(charged) = self.books[account].charged else {
            return self.charge(account);
        };
        let part = self.random.one_in(2).then(|| self.random.between(1, charged.left));
        let operation = Operation::Refund {
            entry: charged.seq,
            amount: part.map(amount).transpose()?,
        };
        let given_back = part.unwrap_or(charged.left);
        self.books[account].charged = charged.without(given_back);
        let note = because(&self.words.corrected);
        let made = self.gained(account, given_back);
        self.ask(account, operation, note, Expected::Applied(made))
    }

    fn adjust(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.usage_units();
        let (units, made) = if self.books[account].balance >= units && self.random.one_in(2) {
            (-units, self.books[account].lose(units))
        } else {
            (units, self.gained(account, units))
        };
        let Some(amount) = SignedAmount::new(Minor::new(units)) else {
            return Ok(());
        };
        let note = because(&self.words.corrected);
        self.ask(account, Operation::Adjust { amount }, note, Expected::Applied(made))
    }

    fn penalty(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.usage_units();
        let amount = amount(units)?;
        let expected = if self.books[account].balance >= units {
            Expected::Applied(self.books[account].lose(units))
        } else {
            Expected::Refused
        };
        let note = because(&self.words.abused);
        self.ask(account, Operation::Penalty { amount }, note, expected)
    }

    fn gift(&mut self, account: usize) -> Result<(), LedgerError> {
        let units = self.usage_units();
        let operation = Operation::GrantGift {
            credits: amount(units)?,
            paid: None,
        };
        self.books[account].gifts += 1;
        let gift = self.books[account].gifts;
        let note = because(&self.words.given);
        let made = self.gained(account, units);
        self.ask(account, operation, note, Expected::Applied(made))?;
        if self.random.one_in(5) {
            let due = self.within(MINUTES_PER_DAY, 10 * MINUTES_PER_DAY);
            let what = What::DeactivateGift { gift, units };
            self.later(
                due,
                Task {
                    account,
                    reserved: 1,
                    what,
                },
            );
        }
        Ok(())
    }

    /// A purchase; now and then it is too small to earn anything, or is taken back while its credits are pending.
    fn purchase(&mut self, account: usize) -> Result<(), LedgerError> {
        let pending_for = TimeDelta::hours(48);
        let paid = self.top_up_units();
        let units = if self.random.one_in(10) { 0 } else { paid / 20 };
        let operation = Operation::RecordPurchase(NewPurchase {
            paid: Paid {
                amount: amount(paid)?,
                currency: self.seed.currency.clone(),
            },
            credits: Minor::new(units),
            pending_for,
        });
        self.books[account].purchases += 1;
        let purchase = self.books[account].purchases;
        let note = Note {
            reference: Some(reference("Invoice", self.asked)?),
            ..Note::default()
        };
        self.ask(account, operation, note, Expected::Applied(0))?;
        let is_due = self.chunk.at.after(pending_for);
        let taken_back = self.within(60, 40 * 60);
        if units == 0 || self.random.one_in(12) {
            let what = What::DeactivatePurchase { purchase, units: 0 };
            self.later(
                taken_back,
                Task {
                    account,
                    reserved: 0,
                    what,
                },
            );
        } else {
            let what = What::TransferCredit { purchase, units };
            self.later(
                is_due,
                Task {
                    account,
                    reserved: 2,
                    what,
                },
            );
        }
        Ok(())
    }

    /// Takes the latest recharge back: the payment was disputed.
    fn reverse(&mut self, account: usize) -> Result<(), LedgerError> {
        let Some(recharged) = self.books[account].recharged else {
            return self.charge(account);
        };
        let part = self.random.one_in(2).then(|| self.random.between(1, recharged.left));
        let taken = part.unwrap_or(recharged.left);
        let if_spent = self.if_spent(account, taken);
        let operation = Operation::Reverse {
            entry: recharged.seq,
            amount: part.map(amount).transpose()?,
            if_spent,
        };
        if if_spent == IfSpent::Debt || self.books[account].balance >= taken {
            self.books[account].recharged = recharged.without(taken);
        }
        let note = because(&self.words.cancelled);
        self.take_back(account, operation, note, if_spent, taken)
    }

    /// Now and then an account is locked, at most one in twenty at a time.
    fn lock_soon(&mut self, account: usize) {
        let few = self.locked < self.books.len() / 20;
        if few && self.random.one_in(2) {
            let what = What::Lock;
            self.later(
                self.chunk.at,
                Task {
                    account,
                    reserved: 0,
                    what,
                },
            );
        }
    }
}
