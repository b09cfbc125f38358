//! What follows later from what was begun: payments arrive, holds end, credits come and are taken back.

use chrono::TimeDelta;

use super::plan::{Expected, Plan, amount};
use super::words::{because, gateway_response};
use crate::domain::entry::Note;
use crate::domain::operation::{IfSpent, Operation};
use crate::domain::recharge::RechargeGoal;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;

/// Something on the agenda.
#[derive(Clone, Debug)]
pub struct Task {
    pub account: usize,
    /// Entries that are set aside for it and for what follows from it.
    pub reserved: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Lock,
    Unlock,
    Recharge {
        number: i64,
        units: i64,
        /// While it is pending.
        expires_at: Option<Timestamp>,
        to: RechargeGoal,
    },
    Hold {
        number: i64,
        left: i64,
        expires_at: Option<Timestamp>,
        ends: HoldEnds,
    },
    TransferCredit {
        purchase: i64,
        units: i64,
    },
    DeactivatePurchase {
        purchase: i64,
        /// What it has brought.
        units: i64,
    },
    DeactivateGift {
        gift: i64,
        units: i64,
    },
}

/// What becomes of a hold, unless its time runs out before.
#[derive(Clone, Copy, Debug)]
pub enum HoldEnds {
    Committed,
    PartlyCommitted,
    /// A part is committed and the rest kept, and committed later.
    CommittedTwice,
    Released,
    Expired,
}

impl Plan<'_> {
    /// Puts something on the agenda, unless it would be after the end; then it stays as it is.
    pub(super) fn later(&mut self, due: Timestamp, task: Task) {
        if due <= self.calendar.end() {
            self.reserved += task.reserved;
            self.tasks += 1;
            self.agenda.insert((due, self.tasks), task);
        }
    }

    /// A moment from now, within some minutes.
    pub(super) fn within(&mut self, least: i64, most: i64) -> Timestamp {
        let minutes = self.random.between(least, most);
        self.chunk.at.after(TimeDelta::minutes(minutes))
    }

    /// The locks and expiries come first, as they will when it is carried out.
    pub(super) fn do_what_is_due(&mut self) -> Result<(), LedgerError> {
        let now = self.chunk.at;
        let mut due = Vec::new();
        while let Some(first) = self.agenda.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        due.sort_by_key(|task| match task.what {
            What::Lock | What::Unlock => 0,
            What::Hold { expires_at, .. } if expires_at.is_some_and(|at| at <= now) => 1,
            _ => 2,
        });
        for task in due {
            // What the others need stays set aside until each has had its turn.
            self.reserved -= task.reserved;
            self.carry_out(task)?;
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        Task {
            account,
            reserved,
            what,
        }: Task,
    ) -> Result<(), LedgerError> {
        match what {
            What::Lock => {
                self.lock(account, true);
                if !self.random.one_in(4) {
                    let due = self.within(24 * 60, 20 * 24 * 60);
                    let what = What::Unlock;
                    self.later(
                        due,
                        Task {
                            account,
                            reserved: 0,
                            what,
                        },
                    );
                }
                Ok(())
            }
            What::Unlock => {
                self.lock(account, false);
                Ok(())
            }
            What::Recharge {
                number,
                units,
                expires_at,
                to,
            } => self.settle(account, number, units, expires_at, to),
            What::Hold {
                number,
                left,
                expires_at,
                ends,
            } => self.end_hold(account, (number, left), expires_at, ends, reserved),
            What::TransferCredit { purchase, units } => self.transfer(account, purchase, units),
            What::DeactivatePurchase { purchase, units } => {
                let if_spent = self.if_spent(account, units);
                let operation = Operation::DeactivatePurchase { purchase, if_spent };
                let note = because(&self.words.cancelled);
                self.take_back(account, operation, note, if_spent, units)
            }
            What::DeactivateGift { gift, units } => {
                let if_spent = self.if_spent(account, units);
                let operation = Operation::DeactivateGift { gift, if_spent };
                let note = because(&self.words.taken_back);
                self.take_back(account, operation, note, if_spent, units)
            }
        }
    }

    fn lock(&mut self, account: usize, locked: bool) {
        if self.books[account].locked == locked {
            return;
        }
        self.books[account].locked = locked;
        self.locked = if locked { self.locked + 1 } else { self.locked - 1 };
        self.chunk.locks.push((account, locked));
    }

    fn settle(
        &mut self,
        account: usize,
        number: i64,
        units: i64,
        expires_at: Option<Timestamp>,
        to: RechargeGoal,
    ) -> Result<(), LedgerError> {
        let overdue = expires_at.is_some_and(|at| at <= self.chunk.at);
        let to = if overdue { RechargeGoal::Expired } else { to };
        let made = match to {
            RechargeGoal::Completed => self.recharged(account, units),
            _ => 0,
        };
        let paid = to == RechargeGoal::Completed;
        let operation = Operation::MoveRecharge {
            number,
            to,
            gateway_response: paid.then(|| gateway_response(self.asked)).transpose()?,
            claim: None,
        };
        self.ask(account, operation, Note::default(), Expected::Applied(made))?;
        if to == RechargeGoal::Processing {
            let what = What::Recharge {
                number,
                units,
                expires_at: None,
                to: RechargeGoal::Completed,
            };
            let due = self.within(5, 600);
            self.later(
                due,
                Task {
                    account,
                    reserved: 2,
                    what,
                },
            );
        }
        Ok(())
    }

    fn end_hold(
        &mut self,
        account: usize,
        (number, left): (i64, i64),
        expires_at: Option<Timestamp>,
        ends: HoldEnds,
        reserved: u64,
    ) -> Result<(), LedgerError> {
        if expires_at.is_some_and(|at| at <= self.chunk.at) {
            let made = self.gained(account, left);
            return self.ask_first(account, Operation::ExpireHold { hold: number }, Expected::Applied(made));
        }
        let part = self.random.between(1, left);
        let (operation, made) = match ends {
            HoldEnds::Committed => (commit(number, None, false), self.books[account].commit(0)),
            HoldEnds::PartlyCommitted => {
                let made = self.committed(account, left - part);
                (commit(number, Some(part), false), made)
            }
            HoldEnds::CommittedTwice => (commit(number, Some(part), true), self.books[account].commit(0)),
            HoldEnds::Released | HoldEnds::Expired => {
                let release = Operation::Release {
                    hold: number,
                    amount: None,
                };
                (Ok(release), self.gained(account, left))
            }
        };
        self.ask(account, operation?, Note::default(), Expected::Applied(made))?;
        if matches!(ends, HoldEnds::CommittedTwice) && part < left {
            let what = What::Hold {
                number,
                left: left - part,
                expires_at,
                ends: HoldEnds::Committed,
            };
            let later = self.within(5, 600);
            // It must be looked at when its time has run out.
            let due = expires_at.map_or(later, |at| at.min(later));
            let reserved = reserved - made;
            self.later(
                due,
                Task {
                    account,
                    reserved,
                    what,
                },
            );
        }
        Ok(())
    }

    fn transfer(&mut self, account: usize, purchase: i64, units: i64) -> Result<(), LedgerError> {
        let made = self.gained(account, units);
        let operation = Operation::TransferCredit { purchase };
        self.ask(account, operation, Note::default(), Expected::Applied(made))?;
        if self.random.one_in(20) && self.available() >= 1 {
            let what = What::DeactivatePurchase { purchase, units };
            let due = self.within(24 * 60, 10 * 24 * 60);
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

    /// Refused where it is spent, unless the account may go into debt for it. One account is always free of debt,
    /// for an entry that takes no second one with it.
    pub(super) fn if_spent(&mut self, account: usize, units: i64) -> IfSpent {
        let book = &self.books[account];
        let others_free = self.in_debt + 1 < self.books.len();
        if book.balance < units && (book.debt > 0 || others_free) && !self.random.one_in(3) {
            IfSpent::Debt
        } else {
            IfSpent::Refuse
        }
    }

    /// Takes back what has come; nothing has where that is zero.
    pub(super) fn take_back(
        &mut self,
        account: usize,
        operation: Operation,
        note: Note,
        if_spent: IfSpent,
        units: i64,
    ) -> Result<(), LedgerError> {
        let refused = units > self.books[account].balance && if_spent == IfSpent::Refuse;
        let expected = if refused {
            Expected::Refused
        } else if units == 0 {
            Expected::Applied(0)
        } else {
            Expected::Applied(self.change(account, |book| book.claw_back(units)))
        };
        self.ask(account, operation, note, expected)
    }

    /// Changes an account's figures, and keeps count of those in debt.
    pub(super) fn change<T>(&mut self, account: usize, change: impl FnOnce(&mut super::book::Book) -> T) -> T {
        let book = &mut self.books[account];
        let before = book.debt > 0;
        let changed = change(book);
        match (before, book.debt > 0) {
            (false, true) => self.in_debt += 1,
            (true, false) => self.in_debt -= 1,
            _ => {}
        }
        changed
    }

    pub(super) fn gained(&mut self, account: usize, units: i64) -> u64 {
        self.change(account, |book| book.gain(units))
    }

    pub(super) fn recharged(&mut self, account: usize, units: i64) -> u64 {
        self.change(account, |book| book.recharge(units))
    }

    fn committed(&mut self, account: usize, rest: i64) -> u64 {
        self.change(account, |book| book.commit(rest))
    }
}

fn commit(hold: i64, part: Option<i64>, keep_open: bool) -> Result<Operation, LedgerError> {
    Ok(Operation::Commit {
        hold,
        amount: part.map(amount).transpose()?,
        keep_open,
    })
}
