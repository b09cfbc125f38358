//! hledger's dialect, with an assertion of every final figure.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::journal::Dialect;
use super::names::{hledger_commodity, hledger_part, hledger_value};
use crate::domain::account::Account;
use crate::domain::book::Figure;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::money::Minor;

#[derive(Debug, Default)]
pub struct Hledger;

impl Dialect for Hledger {
    const BEGINNING: &'static str = "; ledger export: every entry, and at the end of each account its balance row as assertions\n\
                                     decimal-mark .\n";
    const INDENT: &'static str = "    ";

    fn part(text: &str) -> String {
        hledger_part(text)
    }

    fn own_account(account: &Account, figure: Figure) -> String {
        let (user, currency) = (hledger_part(account.user_id.as_str()), account.currency.code());
        match figure {
            Figure::Balance | Figure::Held => format!("liabilities:users:{user}:{currency}:{}", figure.name()),
            Figure::Debt => format!("assets:receivable:debt:{user}:{currency}"),
        }
    }

    fn commodity(code: &str) -> String {
        hledger_commodity(code)
    }

    /// The digits of the currency, and that its point is no mark of thousands.
    fn begin_currency(currency: &Currency, out: &mut String) {
        let zeros = "0".repeat(usize::from(currency.exponent()));
        let commodity = hledger_commodity(currency.code().as_str());
        let _ = writeln!(out, "commodity 1000.{zeros} {commodity}");
    }

    fn begin_account(name: &str, out: &mut String) {
        let _ = writeln!(out, "account {name}");
    }

    fn begin_transaction(date: NaiveDate, account: &Account, entry: &Entry, out: &mut String) {
        let _ = writeln!(out, "{date} ({}.{}) {}", account.id, entry.seq, entry.movement.kind);
    }

    /// Below the first line: in the comment of a posting, a date in brackets would count.
    fn tag(name: &str, text: &str, out: &mut String) {
        let _ = writeln!(out, "; {name}:{}", hledger_value(text));
    }

    fn balances(date: NaiveDate, account: &Account, told: &[(Figure, Minor)], out: &mut String) -> Option<()> {
        for (figure, _) in told {
            let user = hledger_value(account.user_id.as_str());
            let name = Self::own_account(account, *figure);
            let _ = writeln!(out, "account {name}  ; user_id:{user}");
        }
        let currency = &account.currency;
        let commodity = hledger_commodity(currency.code().as_str());
        let _ = writeln!(out, "\n{date} ({}) balance row", account.id);
        for (figure, amount) in told {
            let name = Self::own_account(account, *figure);
            let (zero, amount) = (currency.show(Minor::ZERO), currency.show_sum(figure.debit(*amount)));
            let _ = writeln!(out, "{}{name}  {zero} {commodity} = {amount} {commodity}", Self::INDENT);
        }
        Some(())
    }
}
