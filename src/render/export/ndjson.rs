//! One JSON object a line, with everything that the hashes cover.

use std::collections::HashSet;

use serde::Serialize;

use super::super::posting::Text;
use super::records::{Record, record};
use super::{Shape, Unwritable};
use crate::domain::account::Account;
use crate::domain::balance::State;
use crate::domain::chain::ChainHash;
use crate::domain::checksum::LinesChecksum;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::money::Shown;
use crate::domain::text::{Description, IdempotencyKey, Json, Reference, escape_unprintable};
use crate::domain::time::Timestamp;
use crate::ledger::export::{Exported, Step};

/// Remembers which currencies have been told, and sums up every line.
#[derive(Clone, Debug, Default)]
pub struct Ndjson {
    told: HashSet<String>,
    checksum: LinesChecksum,
}

impl Shape for Ndjson {
    fn beginning(&mut self, out: &mut String) {
        self.line(
            &Line::Ledger {
                schema: "ledger.export/1",
                entry_form: "ledger.entry/1",
            },
            out,
        );
    }

    fn step(&mut self, step: Step<'_>, out: &mut String) -> Result<(), Unwritable> {
        match step {
            Step::Currency(currency) => self.currency(currency, out),
            Step::Account(account) => {
                self.currency(&account.currency, out);
                self.line(&Line::Account(account_line(account)), out);
            }
            Step::Beside(account, beside) => self.line(&Line::Beside(record(account, beside)), out),
            Step::Entry(account, entry) => self.line(&Line::Entry(entry_line(account, entry)), out),
            Step::End(account, state) => self.line(&Line::Balance(balance_line(account, state)), out),
        }
        Ok(())
    }

    fn ending(&mut self, exported: &Exported, out: &mut String) {
        let Exported {
            accounts,
            entries,
            digest,
        } = *exported;
        let digest = Text(digest);
        let lines_sha256 = self.checksum.hex();
        self.line(
            &Line::End {
                accounts,
                entries,
                digest,
                lines_sha256,
            },
            out,
        );
    }
}

impl Ndjson {
    /// A currency stands before the first account that has it.
    fn currency(&mut self, currency: &Currency, out: &mut String) {
        if self.told.insert(currency.code().to_string()) {
            let (code, exponent) = (currency.code().as_str(), currency.exponent());
            self.line(&Line::Currency { code, exponent }, out);
        }
    }

    fn line(&mut self, line: &Line<'_>, out: &mut String) {
        // Fails only for maps whose keys are no texts, which none of ours has.
        let text = serde_json::to_string(line).unwrap_or_default();
        let text = escape_unprintable(&text);
        self.checksum.line(text.as_bytes());
        out.push_str(&text);
        out.push('\n');
    }
}

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line<'a> {
    Ledger {
        schema: &'static str,
        entry_form: &'static str,
    },
    Currency {
        code: &'a str,
        exponent: u8,
    },
    Account(AccountLine<'a>),
    Entry(EntryLine<'a>),
    Balance(BalanceLine<'a>),
    End {
        accounts: u64,
        entries: u64,
        digest: Text<ChainHash>,
        /// Of all lines before this one, each with its line feed.
        lines_sha256: String,
    },
    #[serde(untagged)]
    Beside(Record<'a>),
}

#[derive(Serialize)]
struct AccountLine<'a> {
    account: i64,
    user_id: &'a str,
    currency: &'a str,
    exponent: u8,
    low_balance_threshold: Option<Text<Shown>>,
    charges_per_minute: Option<u32>,
    spend_per_day: Option<Text<Shown>>,
    locked: bool,
    /// The number of the active suspension.
    suspension: Option<i64>,
    closed: bool,
    /// How often its settings were changed.
    revision: i64,
    created_at: Text<Timestamp>,
}

fn account_line(account: &Account) -> AccountLine<'_> {
    let currency = &account.currency;
    AccountLine {
        account: account.id.get(),
        user_id: account.user_id.as_str(),
        currency: currency.code().as_str(),
        exponent: currency.exponent(),
        low_balance_threshold: account
            .low_balance_threshold
            .map(|threshold| Text(currency.show(threshold))),
        charges_per_minute: account.limits.charges_per_minute,
        spend_per_day: account
            .limits
            .spend_per_day
            .map(|limit| Text(currency.show(limit.minor()))),
        locked: account.locked,
        suspension: account.suspension,
        closed: account.closed,
        revision: account.revision,
        created_at: Text(account.created_at),
    }
}

#[derive(Serialize)]
struct EntryLine<'a> {
    user_id: &'a str,
    currency: &'a str,
    seq: i64,
    kind: &'static str,
    balance_delta: Text<Shown>,
    held_delta: Text<Shown>,
    debt_delta: Text<Shown>,
    balance_after: Text<Shown>,
    held_after: Text<Shown>,
    debt_after: Text<Shown>,
    counter_account: &'a str,
    reference: Option<&'a str>,
    description: Option<&'a str>,
    /// The text that is hashed, not the value: the same value may be written in more than one way.
    metadata: Option<&'a str>,
    actor: &'a str,
    reverses: Option<i64>,
    idempotency_key: Option<&'a str>,
    at: Text<Timestamp>,
    hash: Text<ChainHash>,
}

fn entry_line<'a>(account: &'a Account, entry: &'a Entry) -> EntryLine<'a> {
    let amount = |minor| Text(account.currency.show(minor));
    let (movement, after, stamp) = (&entry.movement, &entry.after, &entry.stamp);
    EntryLine {
        user_id: account.user_id.as_str(),
        currency: account.currency.code().as_str(),
        seq: entry.seq,
        kind: movement.kind.name(),
        balance_delta: amount(movement.deltas.balance),
        held_delta: amount(movement.deltas.held),
        debt_delta: amount(movement.deltas.debt),
        balance_after: amount(after.balance),
        held_after: amount(after.held),
        debt_after: amount(after.debt),
        counter_account: movement.counter_account.as_str(),
        reference: stamp.note.reference.as_ref().map(Reference::as_str),
        description: stamp.note.description.as_ref().map(Description::as_str),
        metadata: stamp.note.metadata.as_ref().map(Json::as_str),
        actor: stamp.actor.as_str(),
        reverses: movement.reverses,
        idempotency_key: stamp.key.as_ref().map(IdempotencyKey::as_str),
        at: Text(stamp.at),
        hash: Text(entry.hash),
    }
}

#[derive(Serialize)]
struct BalanceLine<'a> {
    user_id: &'a str,
    currency: &'a str,
    balance: Text<Shown>,
    held: Text<Shown>,
    debt: Text<Shown>,
    total_recharged: Text<Shown>,
    total_spent: Text<Shown>,
    last_seq: i64,
    chain_head: Text<ChainHash>,
}

fn balance_line<'a>(account: &'a Account, state: &State) -> BalanceLine<'a> {
    let amount = |minor| Text(account.currency.show(minor));
    let figures = &state.figures;
    BalanceLine {
        user_id: account.user_id.as_str(),
        currency: account.currency.code().as_str(),
        balance: amount(figures.balance),
        held: amount(figures.held),
        debt: amount(figures.debt),
        total_recharged: amount(figures.total_recharged),
        total_spent: amount(figures.total_spent),
        last_seq: state.last_seq,
        chain_head: Text(state.chain_head),
    }
}
