//! Gifts: credits that come at once, and may be taken back.

use super::account::Account;
use super::money::Movement;
use super::operation::{Answer, Code, Note, Paid, Step};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    pub credits: i64,
    pub paid: Option<Paid>,
    /// The number of the entry that brought it.
    pub entry: i64,
    pub created_at: i64,
    pub created_by: String,
    /// When, and by whom.
    pub deactivated: Option<(i64, String)>,
    pub note: Note,
}

impl Account {
    pub fn grant_gift(&mut self, credits: i64, paid: Option<&Paid>, step: &Step) -> Result<Answer, Code> {
        self.gifts.push(Gift {
            credits,
            paid: paid.cloned(),
            entry: self.last_seq() + 1,
            created_at: step.at_micros,
            created_by: step.actor.clone(),
            deactivated: None,
            note: step.note.clone(),
        });
        self.put(Movement::new("gift", credits, "promotions:gift"), step)
    }

    pub fn deactivate_gift(&mut self, number: usize, may_become_debt: bool, step: &Step) -> Result<Answer, Code> {
        let index = number.checked_sub(1).ok_or("not_found")?;
        let mut gift = self.gifts.get(index).cloned().ok_or("not_found")?;
        if gift.deactivated.is_some() {
            return Ok(Answer::AlreadyApplied);
        }
        self.claw_back_rest(gift.entry, may_become_debt, &gift.note, step)?;
        gift.deactivated = Some((step.at_micros, step.actor.clone()));
        self.gifts[index] = gift;
        Ok(Answer::Applied)
    }
}
