//! What an account may spend per minute and per day.

use super::account::Account;
use super::money::{Entry, sum};
use super::operation::{Answer, Code};

const MINUTE: i64 = 60 * 1_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

impl Account {
    pub fn limit(&mut self, charges_per_minute: Option<u32>, spend_per_day: Option<i64>) -> Answer {
        if (self.charges_per_minute, self.spend_per_day) == (charges_per_minute, spend_per_day) {
            return Answer::AlreadyApplied;
        }
        self.charges_per_minute = charges_per_minute;
        self.spend_per_day = spend_per_day;
        Answer::Applied
    }

    /// Money that is held counts as spent already, whenever it was set aside.
    pub fn stays_within_limits(&self, amount: i64, now: i64) -> Result<(), Code> {
        let charges = self
            .entries
            .iter()
            .filter(|entry| ["service_fee", "freeze"].contains(&entry.kind) && entry.at_micros > now - MINUTE);
        if self
            .charges_per_minute
            .is_some_and(|allowed| charges.count() >= allowed as usize)
        {
            return Err("limit_exceeded");
        }
        let Some(allowed) = self.spend_per_day else {
            return Ok(());
        };
        let midnight = now - now % DAY;
        let is_of_today = |entry: &&Entry| entry.at_micros >= midnight;
        // What is given back counts for the day on which it was spent.
        let spent_today = self.entries.iter().filter(is_of_today).filter(|entry| {
            let reversed = entry.reverses.map(|seq| &self.entries[seq as usize - 1]);
            reversed.as_ref().is_none_or(is_of_today)
        });
        let spent_today: i128 = spent_today.map(|entry| i128::from(entry.spent())).sum();
        let spent_today = spent_today.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        if sum(sum(spent_today, self.figures.held)?, amount)? > allowed {
            return Err("limit_exceeded");
        }
        Ok(())
    }
}
