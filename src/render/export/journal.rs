//! A journal of plain-text accounting: a transaction for every entry, and at the end of each account what its balance
//! row has of every figure. What hledger and beancount write each in their own way is a [`Dialect`].

use std::collections::HashSet;
use std::fmt::Write as _;
use std::marker::PhantomData;

use chrono::NaiveDate;

use super::{Shape, Unwritable};
use crate::domain::account::Account;
use crate::domain::balance::State;
use crate::domain::book::{BookAccount, Figure, Posting, place, postings};
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::money::Minor;
use crate::domain::text::{Description, IdempotencyKey, Json, Reference};
use crate::domain::time::Timestamp;
use crate::ledger::export::{Exported, Step};

/// How a program reads it.
pub trait Dialect {
    /// Before everything.
    const BEGINNING: &'static str;
    /// Before each line of a transaction but the first.
    const INDENT: &'static str;

    /// A part of the name of an account.
    fn part(text: &str) -> String;
    /// The account of a user's figure.
    fn own_account(account: &Account, figure: Figure) -> String;
    /// A currency, as amounts name it.
    fn commodity(code: &str) -> String;
    /// A currency that comes for the first time.
    fn begin_currency(currency: &Currency, out: &mut String);
    /// A counter-account that comes for the first time.
    fn begin_account(name: &str, out: &mut String);
    /// The first line of a transaction, and what else names its entry.
    fn begin_transaction(date: NaiveDate, account: &Account, entry: &Entry, out: &mut String);
    /// Something that is known of an entry.
    fn tag(name: &str, text: &str, out: &mut String);
    /// The account's own accounts, and what its balance row has of each; `None` where the last day is beyond the calendar.
    fn balances(date: NaiveDate, account: &Account, told: &[(Figure, Minor)], out: &mut String) -> Option<()>;
}

#[derive(Debug, Default)]
pub struct Journal<D> {
    currencies: HashSet<String>,
    counter_accounts: HashSet<Box<str>>,
    /// The figures that entries of this account have moved.
    figures: Vec<Figure>,
    /// The latest entry of this account: sequence number and time.
    latest: Option<(i64, Timestamp)>,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Shape for Journal<D> {
    fn beginning(&mut self, out: &mut String) {
        out.push_str(D::BEGINNING);
    }

    fn step(&mut self, step: Step<'_>, out: &mut String) -> Result<(), Unwritable> {
        match step {
            Step::Account(account) => self.account(account, out),
            Step::Entry(account, entry) => self.entry(account, entry, out)?,
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

impl<D: Dialect> Journal<D> {
    fn account(&mut self, account: &Account, out: &mut String) {
        self.figures.clear();
        self.latest = None;
        if self.currencies.insert(account.currency.code().to_string()) {
            D::begin_currency(&account.currency, out);
        }
    }

    fn entry(&mut self, account: &Account, entry: &Entry, out: &mut String) -> Result<(), Unwritable> {
        let (this, lines) = ((entry.seq, entry.stamp.at), postings(&entry.movement));
        if self.latest.is_none_or(|(_, latest)| latest <= this.1) {
            self.latest = Some(this);
        }
        let date = this.1.date().ok_or_else(|| unwritable(this, account))?;
        for line in &lines {
            self.line(line, out);
        }
        out.push('\n');
        D::begin_transaction(date, account, entry, out);
        tags::<D>(entry, out);
        let currency = &account.currency;
        let commodity = D::commodity(currency.code().as_str());
        for line in &lines {
            let name = match &line.account {
                BookAccount::Own(figure) => D::own_account(account, *figure),
                BookAccount::Counter(counter) => counter_account::<D>(counter.as_str()),
            };
            let amount = currency.show_sum(line.debit);
            let _ = writeln!(out, "{}{name}  {amount} {commodity}", D::INDENT);
        }
        Ok(())
    }

    /// What has to be said once of the account of that line.
    fn line(&mut self, line: &Posting<'_>, out: &mut String) {
        match &line.account {
            BookAccount::Own(figure) if self.figures.contains(figure) => {}
            BookAccount::Own(figure) => self.figures.push(*figure),
            BookAccount::Counter(counter) if self.counter_accounts.contains(counter.as_str()) => {}
            BookAccount::Counter(counter) => {
                self.counter_accounts.insert(counter.as_str().into());
                D::begin_account(&counter_account::<D>(counter.as_str()), out);
            }
        }
    }

    fn end(&mut self, account: &Account, state: &State, out: &mut String) -> Result<(), Unwritable> {
        let latest = self.latest.unwrap_or((0, account.created_at));
        let figures = &state.figures;
        let mut told = vec![
            (Figure::Balance, figures.balance),
            (Figure::Held, figures.held),
            (Figure::Debt, figures.debt),
        ];
        told.retain(|(figure, amount)| {
            *figure == Figure::Balance || self.figures.contains(figure) || !amount.is_zero()
        });
        out.push('\n');
        let date = latest.1.date();
        date.and_then(|date| D::balances(date, account, &told, out))
            .ok_or_else(|| unwritable(latest, account))
    }
}

fn counter_account<D: Dialect>(counter_account: &str) -> String {
    let place = place(counter_account);
    let mut name = format!("{}:{}", D::part(place.class.name()), D::part(place.group));
    if let Some(text) = place.name {
        let _ = write!(name, ":{}", D::part(text));
    }
    name
}

/// What is known of an entry beside its lines.
fn tags<D: Dialect>(entry: &Entry, out: &mut String) {
    let Entry { movement, stamp, .. } = entry;
    let (at, reverses) = (stamp.at.to_string(), movement.reverses.map(|seq| seq.to_string()));
    let note = &stamp.note;
    let tags = [
        ("at", Some(at.as_str())),
        ("counter", Some(movement.counter_account.as_str())),
        ("actor", Some(stamp.actor.as_str())),
        ("key", stamp.key.as_ref().map(IdempotencyKey::as_str)),
        ("reverses", reverses.as_deref()),
        ("reference", note.reference.as_ref().map(Reference::as_str)),
        ("description", note.description.as_ref().map(Description::as_str)),
        ("metadata", note.metadata.as_ref().map(Json::as_str)),
    ];
    for (name, text) in tags {
        if let Some(text) = text {
            out.push_str(D::INDENT);
            D::tag(name, text, out);
        }
    }
}

fn unwritable((seq, at): (i64, Timestamp), account: &Account) -> Unwritable {
    Unwritable {
        user_id: account.user_id.to_string(),
        seq,
        at,
    }
}
