//! A file for beancount, with a balance directive for every final figure.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};

use super::names::{beancount_commodity, beancount_part, beancount_rest, beancount_text};
use super::{Seen, Shape, Unwritable};
use crate::domain::account::Account;
use crate::domain::balance::State;
use crate::domain::book::{BookAccount, Figure, place, postings};
use crate::domain::entry::Entry;
use crate::domain::money::Minor;
use crate::domain::text::{Description, IdempotencyKey, Json, Reference};
use crate::domain::time::Timestamp;
use crate::ledger::export::{Exported, Step};

#[derive(Debug, Default)]
pub struct Beancount(Seen);

/// Accounts are open from before the first moment a ledger knows.
const OPENED: &str = "1970-01-01 open";

impl Shape for Beancount {
    fn beginning(&mut self, out: &mut String) {
        out.push_str("; ledger export: every entry, and for each account its balance row as balance directives\n");
        // Else a balance may be wrong by a unit of its last digit.
        out.push_str("option \"inferred_tolerance_multiplier\" \"0\"\n");
    }

    fn step(&mut self, step: Step<'_>, out: &mut String) -> Result<(), Unwritable> {
        match step {
            Step::Account(account) => {
                if self.0.account(account) {
                    let code = account.currency.code().as_str();
                    let _ = writeln!(out, "1970-01-01 commodity {}", beancount_commodity(code));
                }
            }
            Step::Entry(account, entry) => {
                self.0.at(entry.seq, entry.stamp.at);
                self.entry(account, entry, out)?;
            }
            Step::End(account, state) => self.end(account, state, out)?,
            Step::Currency(_) | Step::Beside(..) => {}
        }
        Ok(())
    }

    fn ending(&mut self, exported: &Exported, out: &mut String) {
        let Exported {
            accounts,
            entries,
            digest,
        } = exported;
        let _ = writeln!(out, "\n; {accounts} accounts, {entries} entries, digest {digest}");
    }
}

fn own_name(account: &Account, figure: Figure) -> String {
    // A currency's code begins with a capital by itself.
    let currency = beancount_rest(account.currency.code().as_str());
    let user = beancount_part(account.user_id.as_str());
    match figure {
        Figure::Balance | Figure::Held => {
            format!("Liabilities:Users:{user}:{currency}:{}", beancount_part(figure.name()))
        }
        Figure::Debt => format!("Assets:Receivable:Debt:{user}:{currency}"),
    }
}

fn counter_name(counter_account: &str) -> String {
    let place = place(counter_account);
    let mut name = format!("{}:{}", beancount_part(place.class.name()), beancount_part(place.group));
    if let Some(text) = place.name {
        let _ = write!(name, ":{}", beancount_part(text));
    }
    name
}

fn unwritable((seq, at): (i64, Timestamp), account: &Account) -> Unwritable {
    Unwritable {
        user_id: account.user_id.to_string(),
        seq,
        at,
    }
}

impl Beancount {
    fn entry(&mut self, account: &Account, entry: &Entry, out: &mut String) -> Result<(), Unwritable> {
        let Entry {
            seq, movement, stamp, ..
        } = entry;
        let date = stamp.at.date().ok_or_else(|| unwritable((*seq, stamp.at), account))?;
        let lines = postings(movement);
        for line in &lines {
            if self.0.line(line)
                && let BookAccount::Counter(counter) = &line.account
            {
                let _ = writeln!(out, "\n{OPENED} {}", counter_name(counter.as_str()));
            }
        }
        let _ = writeln!(out, "\n{date} * \"{}\"", movement.kind);
        let note = &stamp.note;
        let (at, entry) = (stamp.at.to_string(), format!("{}.{seq}", account.id));
        let reverses = movement.reverses.map(|seq| seq.to_string());
        for (name, text) in [
            ("entry", Some(entry.as_str())),
            ("at", Some(at.as_str())),
            ("counter", Some(movement.counter_account.as_str())),
            ("actor", Some(stamp.actor.as_str())),
            ("key", stamp.key.as_ref().map(IdempotencyKey::as_str)),
            ("reverses", reverses.as_deref()),
            ("reference", note.reference.as_ref().map(Reference::as_str)),
            ("description", note.description.as_ref().map(Description::as_str)),
            ("metadata", note.metadata.as_ref().map(Json::as_str)),
        ] {
            if let Some(text) = text {
                let _ = writeln!(out, "  {name}: {}", beancount_text(text));
            }
        }
        let currency = &account.currency;
        let commodity = beancount_commodity(currency.code().as_str());
        for line in &lines {
            let name = match &line.account {
                BookAccount::Own(figure) => own_name(account, *figure),
                BookAccount::Counter(counter) => counter_name(counter.as_str()),
            };
            let _ = writeln!(out, "  {name}  {} {commodity}", currency.show_sum(line.debit));
        }
        Ok(())
    }

    /// Opens the account's own accounts and says what its balance row has of each, on the day after its last entry:
    /// a balance directive is about the beginning of its day.
    fn end(&mut self, account: &Account, state: &State, out: &mut String) -> Result<(), Unwritable> {
        let latest = self.0.latest.unwrap_or((0, account.created_at));
        let date = latest.1.date().and_then(|date| date.succ_opt());
        let date: NaiveDate = date
            .filter(|date| date.year() <= 9999)
            .ok_or_else(|| unwritable(latest, account))?;
        let figures = &state.figures;
        let currency = &account.currency;
        let commodity = beancount_commodity(currency.code().as_str());
        out.push('\n');
        let told: [(Figure, Minor); 3] = [
            (Figure::Balance, figures.balance),
            (Figure::Held, figures.held),
            (Figure::Debt, figures.debt),
        ];
        for (figure, amount) in told {
            if figure != Figure::Balance && !self.0.figures.contains(&figure) && amount.is_zero() {
                continue;
            }
            let name = own_name(account, figure);
            let user = beancount_text(account.user_id.as_str());
            let _ = writeln!(out, "{OPENED} {name} {commodity}\n  user_id: {user}");
            let figure = currency.show_sum(figure.debit(amount));
            let _ = writeln!(out, "{date} balance {name}  {figure} {commodity}");
        }
        Ok(())
    }
}
