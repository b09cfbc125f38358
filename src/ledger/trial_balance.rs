//! `trial-balance`: what was debited and credited to each account of the book, now or at a past moment.

use std::collections::BTreeMap;

use super::Ledger;
use super::error::LedgerError;
use super::pages::each_page;
use super::progress::Progress;
pub use crate::db::trial_balance::Sides;
use crate::db::trial_balance::{Stored, Turnover, stored_sums, turnovers};
use crate::domain::book::{Class, Figure, place};
use crate::domain::code::Exit;
use crate::domain::currency::Currency;
use crate::domain::time::Timestamp;

/// One account of the book; the figures of all users are one account each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub currency: Currency,
    pub class: Class,
    /// Below the class: `users:balance`, `gateway:momo`.
    pub account: String,
    pub sides: Sides,
    /// What the balance rows come to, as a debit; of the users' figures as they are now.
    pub stored: Option<i128>,
}

impl Line {
    /// What is left on it; credits are negative.
    pub const fn balance(&self) -> i128 {
        self.sides.debits - self.sides.credits
    }

    /// Whether the balance rows say something else than the entries.
    pub fn differs(&self) -> bool {
        self.stored.is_some_and(|stored| stored != self.balance())
    }
}

#[derive(Clone, Debug)]
pub struct TrialBalance {
    pub at: Option<Timestamp>,
    /// By currency, class and name.
    pub lines: Vec<Line>,
    /// Each currency's debits and credits together.
    pub totals: Vec<(Currency, Sides)>,
}

impl TrialBalance {
    pub fn is_balanced(&self) -> bool {
        self.totals.iter().all(|(_, sides)| sides.debits == sides.credits)
    }

    pub fn differs(&self) -> bool {
        self.lines.iter().any(Line::differs)
    }

    /// Entries that do not balance are beyond repair; balance rows that differ are for `verify-sync`.
    pub fn exit(&self) -> Exit {
        match (self.is_balanced(), self.differs()) {
            (false, _) => Exit::Integrity,
            (true, true) => Exit::No,
            (true, false) => Exit::Done,
        }
    }
}

pub fn trial_balance(
    ledger: &mut Ledger,
    at: Option<Timestamp>,
    progress: &dyn Progress,
) -> Result<TrialBalance, LedgerError> {
    let mut book = Book::default();
    each_page(ledger, progress, |db, page| {
        for turnover in turnovers(db, page, at)? {
            book.turn(turnover);
        }
        if at.is_none() {
            for stored in stored_sums(db, page)? {
                book.store(&stored);
            }
        }
        Ok(())
    })?;
    Ok(book.closed(at))
}

/// The order of the lines; a currency is its code and its digits.
type Key = (String, u8, Class, String);

#[derive(Default)]
struct Book {
    lines: BTreeMap<Key, Line>,
}

/// The name of a figure of all users together.
fn own_name(figure: Figure) -> String {
    match figure {
        Figure::Balance | Figure::Held => format!("users:{}", figure.name()),
        Figure::Debt => "receivable:debt".into(),
    }
}

impl Book {
    fn line(&mut self, currency: &Currency, class: Class, account: String) -> &mut Line {
        let key = (currency.code().to_string(), currency.exponent(), class, account.clone());
        self.lines.entry(key).or_insert_with(|| Line {
            currency: currency.clone(),
            class,
            account,
            sides: Sides::default(),
            stored: None,
        })
    }

    fn turn(&mut self, turnover: Turnover) {
        let Turnover {
            currency,
            counter_account,
            balance,
            held,
            debt,
            counter,
        } = turnover;
        let place = place(&counter_account);
        let name = match place.name {
            Some(name) => format!("{}:{name}", place.group),
            None => place.group.to_owned(),
        };
        let moved = [
            (Figure::Balance.class(), own_name(Figure::Balance), balance),
            (Figure::Held.class(), own_name(Figure::Held), held),
            (Figure::Debt.class(), own_name(Figure::Debt), debt),
            (place.class, name, counter),
        ];
        for (class, name, sides) in moved.into_iter().filter(|(.., sides)| *sides != Sides::default()) {
            let line = self.line(&currency, class, name);
            line.sides.debits += sides.debits;
            line.sides.credits += sides.credits;
        }
    }

    fn store(&mut self, stored: &Stored) {
        let figures = [
            (Figure::Balance, stored.balance),
            (Figure::Held, stored.held),
            (Figure::Debt, stored.debt),
        ];
        for (figure, sum) in figures {
            let debit = match figure.class() {
                Class::Liabilities => -sum,
                _ => sum,
            };
            let line = self.line(&stored.currency, figure.class(), own_name(figure));
            *line.stored.get_or_insert(0) += debit;
        }
    }

    fn closed(self, at: Option<Timestamp>) -> TrialBalance {
        let mut lines: Vec<Line> = self.lines.into_values().collect();
        if at.is_none() {
            // Entries whose balance row is missing.
            let own = Figure::ALL.map(|figure| (figure.class(), own_name(figure)));
            for line in &mut lines {
                if line.stored.is_none()
                    && own
                        .iter()
                        .any(|(class, name)| *class == line.class && *name == line.account)
                {
                    line.stored = Some(0);
                }
            }
        }
        lines.retain(|line| line.sides != Sides::default() || line.differs());
        let mut totals: Vec<(Currency, Sides)> = Vec::new();
        for line in &lines {
            match totals.last_mut().filter(|(currency, _)| *currency == line.currency) {
                Some((_, sides)) => {
                    sides.debits += line.sides.debits;
                    sides.credits += line.sides.credits;
                }
                None => totals.push((line.currency.clone(), line.sides)),
            }
        }
        TrialBalance { at, lines, totals }
    }
}
