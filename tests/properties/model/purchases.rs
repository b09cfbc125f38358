//! Purchases, and the credits that they earn: those come some time later, asked for or by the job.

use super::account::Account;
use super::money::Movement;
use super::operation::{Answer, Code, Note, Operation, Paid, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditState {
    Pending,
    /// Deactivated while it was pending.
    Inactive,
    Transferred,
    /// Deactivated after it had come.
    TakenBack,
}

/// Credits on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub amount: i64,
    pub due_at: i64,
    pub state: CreditState,
    /// When its state changed last.
    pub settled_at: Option<i64>,
    /// The number of the entry that brought it.
    pub entry: Option<i64>,
}

impl Credit {
    pub fn is_due(&self, now: i64) -> bool {
        self.state == CreditState::Pending && self.due_at <= now
    }

    fn becomes(&mut self, state: CreditState, now: i64) {
        self.state = state;
        self.settled_at = Some(now);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub paid: Paid,
    pub created_at: i64,
    pub created_by: String,
    /// When, and by whom.
    pub deactivated: Option<(i64, String)>,
    /// Missing where it was too small to earn any.
    pub credit: Option<Credit>,
    pub note: Note,
}

impl Account {
    pub fn record_purchase(
        &mut self,
        paid: &Paid,
        credits: i64,
        pending_for: i64,
        step: &Step,
    ) -> Result<Answer, Code> {
        let credit = Credit {
            amount: credits,
            due_at: step.later(pending_for),
            state: CreditState::Pending,
            settled_at: None,
            entry: None,
        };
        self.purchases.push(Purchase {
            paid: paid.clone(),
            created_at: step.at_micros,
            created_by: step.actor.clone(),
            deactivated: None,
            credit: (credits > 0).then_some(credit),
            note: step.note.clone(),
        });
        Ok(Answer::Applied)
    }

    pub fn transfer_credit(&mut self, number: usize, step: &Step) -> Result<Answer, Code> {
        let mut purchase = self.purchase(number)?;
        let credit = purchase.credit.as_mut().ok_or("not_found")?;
        match credit.state {
            CreditState::Inactive | CreditState::TakenBack => Err("already_final"),
            CreditState::Transferred => Ok(Answer::AlreadyApplied),
            CreditState::Pending if !credit.is_due(step.at_micros) => Err("not_due"),
            CreditState::Pending => {
                credit.entry = Some(self.last_seq() + 1);
                credit.becomes(CreditState::Transferred, step.at_micros);
                let brought = Movement::new("credit", credit.amount, "promotions:credit");
                self.put(brought.noted(&step.note.clone().or(&purchase.note)), step)?;
                self.purchases[number - 1] = purchase;
                Ok(Answer::Applied)
            }
        }
    }

    /// It has brought nothing so far: it may be taken back even where no money moves any more.
    pub fn is_without_effect(&self, number: usize) -> bool {
        let waits = |credit: Credit| credit.state == CreditState::Pending;
        self.purchase(number)
            .is_ok_and(|purchase| purchase.deactivated.is_some() || purchase.credit.is_none_or(waits))
    }

    pub fn deactivate_purchase(&mut self, number: usize, may_become_debt: bool, step: &Step) -> Result<Answer, Code> {
        let mut purchase = self.purchase(number)?;
        if purchase.deactivated.is_some() {
            return Ok(Answer::AlreadyApplied);
        }
        if let Some(credit) = &mut purchase.credit {
            match credit.entry {
                None => credit.becomes(CreditState::Inactive, step.at_micros),
                Some(entry) => {
                    self.claw_back_rest(entry, may_become_debt, &purchase.note, step)?;
                    credit.becomes(CreditState::TakenBack, step.at_micros);
                }
            }
        }
        purchase.deactivated = Some((step.at_micros, step.actor.clone()));
        self.purchases[number - 1] = purchase;
        Ok(Answer::Applied)
    }

    /// The job: credits in the order of their numbers, under no key. One that is refused stays pending.
    pub fn transfer_due_credits(&mut self, actor: &str, now: i64) {
        for number in 1..=self.purchases.len() {
            if self.purchases[number - 1]
                .credit
                .as_ref()
                .is_some_and(|credit| credit.is_due(now))
            {
                let mut step = Step::new(&self.name, Operation::TransferCredit { purchase: number }, now);
                step.actor = actor.to_owned();
                let before = self.entries.len();
                self.judge(&step);
                self.leave_without_key(before);
            }
        }
    }

    fn purchase(&self, number: usize) -> Result<Purchase, Code> {
        let index = number.checked_sub(1).ok_or("not_found")?;
        self.purchases.get(index).cloned().ok_or("not_found")
    }
}
