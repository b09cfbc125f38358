//! A journal for hledger, with an assertion of every final figure.

use std::fmt::Write as _;

use super::names::{hledger_commodity, hledger_part, hledger_value};
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
pub struct Hledger(Seen);

impl Shape for Hledger {
    fn beginning(&mut self, out: &mut String) {
        out.push_str("; ledger export: every entry, and at the end of each account its balance row as assertions\n");
        out.push_str("decimal-mark .\n");
    }

    fn step(&mut self, step: Step<'_>, out: &mut String) -> Result<(), Unwritable> {
        match step {
            Step::Account(account) => {
                if self.0.account(account) {
                    commodity(account, out);
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

/// The digits of the currency, and that its point is no mark of thousands.
fn commodity(account: &Account, out: &mut String) {
    let currency = &account.currency;
    let zeros = "0".repeat(usize::from(currency.exponent()));
    let _ = writeln!(
        out,
        "commodity 1000.{zeros} {}",
        hledger_commodity(currency.code().as_str())
    );
}

fn own_name(account: &Account, figure: Figure) -> String {
    let (user, currency) = (hledger_part(account.user_id.as_str()), account.currency.code());
    match figure {
        Figure::Balance | Figure::Held => format!("liabilities:users:{user}:{currency}:{}", figure.name()),
        Figure::Debt => format!("assets:receivable:debt:{user}:{currency}"),
    }
}

fn counter_name(counter_account: &str) -> String {
    let place = place(counter_account);
    let mut name = format!("{}:{}", place.class.name(), hledger_part(place.group));
    if let Some(text) = place.name {
        let _ = write!(name, ":{}", hledger_part(text));
    }
    name
}

fn date_of((seq, at): (i64, Timestamp), account: &Account) -> Result<String, Unwritable> {
    at.date().map(|date| date.to_string()).ok_or_else(|| Unwritable {
        user_id: account.user_id.to_string(),
        seq,
        at,
    })
}

impl Hledger {
    fn entry(&mut self, account: &Account, entry: &Entry, out: &mut String) -> Result<(), Unwritable> {
        let Entry {
            seq, movement, stamp, ..
        } = entry;
        let date = date_of((*seq, stamp.at), account)?;
        let lines = postings(movement);
        for line in &lines {
            if self.0.line(line)
                && let BookAccount::Counter(counter) = &line.account
            {
                let _ = writeln!(out, "account {}", counter_name(counter.as_str()));
            }
        }
        let _ = writeln!(out, "\n{date} ({}.{seq}) {}", account.id, movement.kind);
        let note = &stamp.note;
        let (at, reverses) = (stamp.at.to_string(), movement.reverses.map(|seq| seq.to_string()));
        for (name, text) in [
            ("at", Some(at.as_str())),
            ("counter", Some(movement.counter_account.as_str())),
            ("actor", Some(stamp.actor.as_str())),
            ("key", stamp.key.as_ref().map(IdempotencyKey::as_str)),
            ("reverses", reverses.as_deref()),
            ("reference", note.reference.as_ref().map(Reference::as_str)),
            ("description", note.description.as_ref().map(Description::as_str)),
            ("metadata", note.metadata.as_ref().map(Json::as_str)),
        ] {
            // Below the first line: in the comment of a posting, a date in brackets would count.
            if let Some(text) = text {
                let _ = writeln!(out, "    ; {name}:{}", hledger_value(text));
            }
        }
        let currency = &account.currency;
        let commodity = hledger_commodity(currency.code().as_str());
        for line in &lines {
            let name = match &line.account {
                BookAccount::Own(figure) => own_name(account, *figure),
                BookAccount::Counter(counter) => counter_name(counter.as_str()),
            };
            let _ = writeln!(out, "    {name}  {} {commodity}", currency.show_sum(line.debit));
        }
        Ok(())
    }

    /// Declares the account's own accounts and asserts what its balance row says of each.
    fn end(&mut self, account: &Account, state: &State, out: &mut String) -> Result<(), Unwritable> {
        let figures = &state.figures;
        let stored = |figure: Figure| match figure {
            Figure::Balance => figures.balance,
            Figure::Held => figures.held,
            Figure::Debt => figures.debt,
        };
        let told: Vec<(Figure, Minor)> = Figure::ALL
            .into_iter()
            .map(|figure| (figure, stored(figure)))
            .filter(|(figure, amount)| {
                *figure == Figure::Balance || self.0.figures.contains(figure) || !amount.is_zero()
            })
            .collect();
        out.push('\n');
        for (figure, _) in &told {
            let user = hledger_value(account.user_id.as_str());
            let _ = writeln!(out, "account {}  ; user_id:{user}", own_name(account, *figure));
        }
        let currency = &account.currency;
        let commodity = hledger_commodity(currency.code().as_str());
        let date = date_of(self.0.latest.unwrap_or((0, account.created_at)), account)?;
        let _ = writeln!(out, "\n{date} ({}) balance row", account.id);
        for (figure, amount) in told {
            let _ = writeln!(
                out,
                "    {}  {zero} {commodity} = {} {commodity}",
                own_name(account, figure),
                currency.show_sum(figure.debit(amount)),
                zero = currency.show(Minor::ZERO),
            );
        }
        Ok(())
    }
}
