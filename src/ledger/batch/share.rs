//! What a batch asks of one account, judged in memory for as long as nothing of it needs the database.

use std::time::Duration;

use super::item::{Done, Item};
use super::work::Turn;
use super::working::{Waiting, Working};
use crate::db::DbError;
use crate::db::intents_bulk::{End, Ended};
use crate::domain::account::AccountId;
use crate::ledger::error::LedgerError;

/// A request that is about an account, with its place in the batch.
#[derive(Clone, Copy)]
pub(super) struct Asked<'i, 'a> {
    pub(super) account: AccountId,
    pub(super) at: usize,
    pub(super) item: &'i Item<'a>,
}

/// The requests about one account that are still to be carried out, in their order, and how far it has come.
pub(super) struct Share<'i, 'a> {
    pub(super) working: Result<Working<'a>, DbError>,
    pub(super) asked: &'i [Asked<'i, 'a>],
}

/// What came of some shares without a look at the database.
#[derive(Default)]
pub(super) struct Judged<'i, 'a> {
    /// By their places in the batch.
    pub(super) answers: Vec<(usize, Done)>,
    pub(super) waiting: Waiting<'a>,
    /// Shares of which something does need it, from that request on.
    pub(super) left: Vec<(Working<'a>, &'i [Asked<'i, 'a>])>,
}

impl<'i, 'a> Judged<'i, 'a> {
    pub(super) fn of(shares: Vec<Share<'i, 'a>>, turn: Turn<'a>) -> Result<Self, LedgerError> {
        let mut judged = Self::default();
        for Share { working, asked } in shares {
            match working {
                Ok(working) => judged.judge(working, asked, turn)?,
                Err(damage) => judged.fail(&damage, asked, turn),
            }
        }
        judged.waiting.sort();
        Ok(judged)
    }

    fn judge(
        &mut self,
        mut working: Working<'a>,
        asked: &'i [Asked<'i, 'a>],
        turn: Turn<'a>,
    ) -> Result<(), LedgerError> {
        for (done, Asked { at, item, .. }) in asked.iter().enumerate() {
            let Some(outcome) = turn.judge(&mut working, item)? else {
                self.left.push((working, &asked[done..]));
                return Ok(());
            };
            self.answers.push((*at, Ok(item.answer(outcome))));
        }
        working.hand_over(&mut self.waiting);
        Ok(())
    }

    /// Each of them for itself: the other accounts go on.
    fn fail(&mut self, damage: &DbError, asked: &[Asked<'_, 'a>], turn: Turn<'a>) {
        for Asked { account, at, item } in asked {
            let damage = LedgerError::from(DbError::Integrity(damage.to_string()));
            if turn.opens_the_key(item) {
                self.waiting.ended.push(Ended {
                    account: *account,
                    new: item.intent(turn.actor, turn.now),
                    end: End::Failed(damage.code().name()),
                    took: Duration::ZERO,
                });
            }
            self.answers.push((*at, Err(damage)));
        }
    }
}
