//! Beancount's dialect, with a balance directive for every final figure.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};

use super::journal::Dialect;
use super::names::{beancount_commodity, beancount_part, beancount_rest, beancount_text};
use crate::domain::account::Account;
use crate::domain::book::Figure;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::money::Minor;

#[derive(Debug, Default)]
pub struct Beancount;

/// Accounts and commodities are there from before the first moment a ledger knows.
const ALWAYS: &str = "1970-01-01";

impl Dialect for Beancount {
    /// The option: else a balance may be wrong by a unit of its last digit.
    const BEGINNING: &'static str = "; ledger export: every entry, and for each account its balance row as balance directives\n\
                                     option \"inferred_tolerance_multiplier\" \"0\"\n";
    const INDENT: &'static str = "  ";

    fn part(text: &str) -> String {
        beancount_part(text)
    }

    fn own_account(account: &Account, figure: Figure) -> String {
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

    fn commodity(code: &str) -> String {
        beancount_commodity(code)
    }

    fn begin_currency(currency: &Currency, out: &mut String) {
        let commodity = beancount_commodity(currency.code().as_str());
        let _ = writeln!(out, "{ALWAYS} commodity {commodity}");
    }

    fn begin_account(name: &str, out: &mut String) {
        let _ = writeln!(out, "\n{ALWAYS} open {name}");
    }

    fn begin_transaction(date: NaiveDate, account: &Account, entry: &Entry, out: &mut String) {
        let _ = writeln!(out, "{date} * \"{}\"", entry.movement.kind);
        out.push_str(Self::INDENT);
        Self::tag("entry", &format!("{}.{}", account.id, entry.seq), out);
    }

    fn tag(name: &str, text: &str, out: &mut String) {
        let _ = writeln!(out, "{name}: {}", beancount_text(text));
    }

    /// On the day after the last entry: a balance directive is about the beginning of its day.
    fn balances(date: NaiveDate, account: &Account, told: &[(Figure, Minor)], out: &mut String) -> Option<()> {
        let date = date.succ_opt().filter(|date| date.year() <= 9999)?;
        let currency = &account.currency;
        let commodity = beancount_commodity(currency.code().as_str());
        let user = beancount_text(account.user_id.as_str());
        for (figure, amount) in told {
            let name = Self::own_account(account, *figure);
            let amount = currency.show_sum(figure.debit(*amount));
            let _ = writeln!(out, "{ALWAYS} open {name} {commodity}\n{}user_id: {user}", Self::INDENT);
            let _ = writeln!(out, "{date} balance {name}  {amount} {commodity}");
        }
        Some(())
    }
}
