//! The ledger as double entry: which accounts of a balanced book each entry debits and credits.
//!
//! What users have is owed to them (liabilities); what they owe is a receivable (asset); the counter-account of an
//! entry takes whatever is left over, so every entry balances.

use super::entry::{CounterAccount, Movement};
use super::money::Minor;
use super::named::named;

named! {
    /// The five roots that every accounting program knows.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Class {
        Assets = "assets",
        Liabilities = "liabilities",
        Equity = "equity",
        Income = "income",
        Expenses = "expenses",
    }
}

named! {
    /// A figure of a user's account, which is an account of its own in the book.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Figure {
        Balance = "balance",
        Held = "held",
        Debt = "debt",
    }
}

impl Figure {
    pub const fn class(self) -> Class {
        match self {
            Self::Balance | Self::Held => Class::Liabilities,
            Self::Debt => Class::Assets,
        }
    }

    /// What stands on the account when the figure has that size; credits are negative.
    pub fn debit(self, figure: Minor) -> i128 {
        let units = i128::from(figure.get());
        match self.class() {
            Class::Liabilities => -units,
            _ => units,
        }
    }
}

/// One account of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookAccount<'a> {
    /// A figure of the account that the entry belongs to.
    Own(Figure),
    Counter(&'a CounterAccount),
}

/// A line of a balanced transaction. Debits are positive, credits negative; in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting<'a> {
    pub account: BookAccount<'a>,
    pub debit: i128,
}

/// The lines of an entry, which add up to zero; those that would move nothing are left out.
pub fn postings(movement: &Movement) -> Vec<Posting<'_>> {
    let deltas = &movement.deltas;
    let own = [
        (Figure::Balance, deltas.balance),
        (Figure::Held, deltas.held),
        (Figure::Debt, deltas.debt),
    ];
    let mut lines: Vec<Posting<'_>> = own
        .into_iter()
        .map(|(figure, delta)| Posting {
            account: BookAccount::Own(figure),
            debit: figure.debit(delta),
        })
        .collect();
    lines.push(Posting {
        account: BookAccount::Counter(&movement.counter_account),
        debit: -lines.iter().map(|line| line.debit).sum::<i128>(),
    });
    lines.retain(|line| line.debit != 0);
    lines
}

/// Where a counter-account stands in the book: below its class, by these names. Different names stand in different
/// places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place<'a> {
    pub class: Class,
    pub group: &'a str,
    /// What the caller named freely: a service, a payment method.
    pub name: Option<&'a str>,
}

/// The place of a counter-account; one that no rule makes is kept apart below `equity:other`.
pub fn place(counter_account: &str) -> Place<'_> {
    let (group, name) = match counter_account.split_once(':') {
        Some((group, name)) => (group, Some(name)),
        None => (counter_account, None),
    };
    let below = |class| Place { class, group, name };
    match (group, name) {
        ("gateway", Some(_)) | ("receivable", Some("debt")) => below(Class::Assets),
        ("revenue", Some(_)) => below(Class::Income),
        ("promotions", Some(_)) => below(Class::Expenses),
        ("holds", None) => below(Class::Liabilities),
        ("income", Some(own @ ("penalty" | "hold"))) => Place {
            class: Class::Income,
            group: own,
            name: None,
        },
        ("equity", Some(own @ "adjustment")) => Place {
            class: Class::Equity,
            group: own,
            name: None,
        },
        _ => Place {
            class: Class::Equity,
            group: "other",
            name: Some(counter_account),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Deltas, EntryKind};
    use super::*;

    fn lines(kind: EntryKind, [balance, held, debt]: [i64; 3], counter: &'static str) -> Vec<(String, i128)> {
        let movement = Movement {
            kind,
            deltas: Deltas {
                balance: Minor::new(balance),
                held: Minor::new(held),
                debt: Minor::new(debt),
            },
            counter_account: CounterAccount::named(counter),
            reverses: None,
        };
        let named = |line: &Posting<'_>| match line.account {
            BookAccount::Own(figure) => figure.name().to_owned(),
            BookAccount::Counter(counter) => counter.as_str().to_owned(),
        };
        postings(&movement)
            .iter()
            .map(|line| (named(line), line.debit))
            .collect()
    }

    #[test]
    fn every_kind_of_entry_balances() {
        let told = |expected: &[(&str, i128)]| -> Vec<(String, i128)> {
            expected
                .iter()
                .map(|(name, debit)| ((*name).to_owned(), *debit))
                .collect()
        };
        assert_eq!(
            lines(EntryKind::Recharge, [100, 0, 0], "gateway:momo"),
            told(&[("balance", -100), ("gateway:momo", 100)])
        );
        assert_eq!(
            lines(EntryKind::ServiceFee, [-50, 0, 0], "revenue:vps"),
            told(&[("balance", 50), ("revenue:vps", -50)])
        );
        assert_eq!(
            lines(EntryKind::Freeze, [-5, 5, 0], "holds"),
            told(&[("balance", 5), ("held", -5)])
        );
        assert_eq!(
            lines(EntryKind::Commit, [0, -5, 0], "revenue:vps"),
            told(&[("held", 5), ("revenue:vps", -5)])
        );
        assert_eq!(
            lines(EntryKind::Clawback, [-3, 0, 2], "promotions:gift"),
            told(&[("balance", 3), ("debt", 2), ("promotions:gift", -5)])
        );
        assert_eq!(
            lines(EntryKind::DebtRecovery, [-2, 0, -2], "receivable:debt"),
            told(&[("balance", 2), ("debt", -2)])
        );
        assert_eq!(
            lines(EntryKind::Clawback, [-i64::MAX, 0, i64::MAX], "gateway:momo"),
            told(&[
                ("balance", i128::from(i64::MAX)),
                ("debt", i128::from(i64::MAX)),
                ("gateway:momo", -2 * i128::from(i64::MAX))
            ])
        );
    }

    #[test]
    fn different_counter_accounts_stand_in_different_places() {
        let names = [
            "gateway:momo",
            "revenue:momo",
            "revenue:penalty",
            "income:penalty",
            "income:hold",
            "income:other",
            "equity:adjustment",
            "equity:other",
            "receivable:debt",
            "receivable:x",
            "promotions:gift",
            "promotions:credit",
            "holds",
            "holds:x",
            "gateway",
            "other:gateway",
            "revenue:a:b",
            "revenue:a",
            "",
        ];
        for (at, name) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                assert_ne!(place(name), place(other), "{name:?} and {other:?}");
            }
        }
        assert_eq!(place("revenue:a:b").name, Some("a:b"));
    }
}
