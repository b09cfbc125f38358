//! Events: what others want to hear of, and from what it follows.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use super::account::{Account, AccountId};
use super::alert::Alert;
use super::balance::Figures;
use super::currency::Currency;
use super::effects::Posting;
use super::entry::Note;
use super::money::Minor;
use super::named::named;
use super::operation::Operation;
use super::recharge::{Recharge, RechargeStatus};
use super::record_id::{self, InvalidId};
use super::refusal::Refusal;
use super::suspension::Suspension;
use super::text::{Actor, IdempotencyKey, Reference};

/// How an event is named outside: `e12-7` is the seventh event of account 12, `e0-7` of the ledger as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    pub account: AccountId,
    pub number: i64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}-{}", self.account, self.number)
    }
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (account, number) = record_id::parse_from(text, 'e', 0).ok_or(InvalidId {
            what: "an event",
            letter: 'e',
            list: "ledger notify list",
        })?;
        Ok(Self { account, number })
    }
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EventKind {
        LowBalance = "low_balance",
        RechargeCompleted = "recharge_completed",
        Suspended = "suspended",
        Resumed = "resumed",
        ChargeRefused = "charge_refused",
        AlertOpened = "alert_opened",
    }
}

/// Something that has happened, as it will be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// A JSON object; amounts are decimal digits of the account's currency.
    pub payload: Value,
}

impl Event {
    /// What follows from entries that were made, and from the recharge that they belong to, if any.
    pub fn of_posting(
        account: &Account,
        before: &Figures,
        posting: &Posting,
        recharge: Option<&Recharge>,
    ) -> Vec<Self> {
        let completed = recharge.filter(|recharge| recharge.status == RechargeStatus::Completed);
        let completed = completed.map(|recharge| Self::recharge_completed(account, recharge, posting));
        completed
            .into_iter()
            .chain(Self::low_balance(account, before, posting))
            .collect()
    }

    /// The balance has crossed the account's threshold downwards.
    pub fn low_balance(account: &Account, before: &Figures, posting: &Posting) -> Option<Self> {
        let threshold = account.low_balance_threshold?;
        let after = posting.state.figures.balance;
        let crosses = account.is_low(after) && !account.is_low(before.balance);
        crosses.then(|| Self {
            kind: EventKind::LowBalance,
            payload: json!({
                "balance": show(&account.currency, after),
                "threshold": show(&account.currency, threshold),
                "entry": posting.state.last_seq,
            }),
        })
    }

    fn recharge_completed(account: &Account, recharge: &Recharge, posting: &Posting) -> Self {
        Self {
            kind: EventKind::RechargeCompleted,
            payload: json!({
                "recharge": recharge.id.to_string(),
                "amount": show(&account.currency, recharge.amount.minor()),
                "method": recharge.method.as_str(),
                "reference": recharge.note.reference.as_ref().map(Reference::as_str),
                "balance": show(&account.currency, posting.state.figures.balance),
                "entry": recharge.entry_seq,
            }),
        }
    }

    /// What follows from a rule's "no" to an operation: only charges are told of.
    pub fn of_refusal(
        currency: &Currency,
        (operation, note): (&Operation, &Note),
        key: &IdempotencyKey,
        refusal: &Refusal,
    ) -> Option<Self> {
        let Operation::Charge { amount, service, .. } = operation else {
            return None;
        };
        Some(Self {
            kind: EventKind::ChargeRefused,
            payload: json!({
                "amount": show(currency, amount.minor()),
                "service": service.as_str(),
                "reference": note.reference.as_ref().map(Reference::as_str),
                "idempotency_key": key.as_str(),
                "code": refusal.code().name(),
                "message": refusal.message(currency),
                "details": refusal.details(currency),
            }),
        })
    }

    pub fn suspended(currency: &Currency, suspension: &Suspension) -> Self {
        Self {
            kind: EventKind::Suspended,
            payload: json!({
                "suspension": suspension.number,
                "reason": suspension.reason.as_str(),
                "balance": show(currency, suspension.balance),
                "required": suspension.required.map(|required| show(currency, required)),
                "suspended_by": suspension.suspended_by.as_str(),
            }),
        }
    }

    pub fn resumed(suspension: &Suspension) -> Self {
        Self {
            kind: EventKind::Resumed,
            payload: json!({
                "suspension": suspension.number,
                "reason": suspension.reason.as_str(),
                "suspended_at": suspension.suspended_at.to_string(),
                "resumed_by": suspension.resumed_by.as_ref().map(Actor::as_str),
            }),
        }
    }

    pub fn alert_opened(alert: &Alert) -> Self {
        Self {
            kind: EventKind::AlertOpened,
            payload: json!({
                "alert": alert.id,
                "severity": alert.severity.name(),
                "cause": alert.cause,
                "message": alert.message,
            }),
        }
    }
}

fn show(currency: &Currency, minor: Minor) -> String {
    currency.show(minor).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::balance::State;
    use crate::domain::money::Amount;
    use crate::domain::recharge::RechargeId;
    use crate::domain::text::{Description, PaymentMethod, Service};
    use crate::domain::time::Timestamp;

    fn account(threshold: Option<i64>) -> Account {
        Account {
            low_balance_threshold: threshold.map(Minor::new),
            ..Account::sample(Currency::iso("USD").unwrap())
        }
    }

    fn figures(balance: i64) -> Figures {
        Figures {
            balance: Minor::new(balance),
            ..Figures::default()
        }
    }

    fn posting(balance: i64) -> Posting {
        let state = State {
            figures: figures(balance),
            last_seq: 7,
            ..State::default()
        };
        Posting {
            entries: [].into(),
            state,
        }
    }

    fn recharge(status: RechargeStatus) -> Recharge {
        Recharge {
            id: RechargeId {
                account: AccountId::new(1),
                number: 3,
            },
            amount: Amount::new(Minor::new(2_000)).unwrap(),
            method: PaymentMethod::parse("momo").unwrap(),
            status,
            created_at: Timestamp::from_micros(0),
            expires_at: None,
            finished_at: None,
            entry_seq: Some(7),
            gateway_response: None,
            note: Note {
                reference: Some(Reference::parse("INV-1").unwrap()),
                ..Note::default()
            },
        }
    }

    #[test]
    fn a_balance_becomes_low_once_per_crossing() {
        // Threshold, balance before and after, and whether others are told.
        let cases = [
            (None, 100, 0, false),
            (Some(50), 100, 51, false),
            (Some(50), 100, 50, false),
            (Some(50), 100, 49, true),
            (Some(50), 50, 49, true),
            (Some(50), 49, 48, false),
            (Some(50), 49, 60, false),
            (Some(50), 20, 50, false),
            (Some(50), 100, 100, false),
            (Some(0), 100, 0, false),
        ];
        for (threshold, before, after, told) in cases {
            let event = Event::low_balance(&account(threshold), &figures(before), &posting(after));
            assert_eq!(event.is_some(), told, "{threshold:?}: {before} -> {after}");
        }
        let event = Event::low_balance(&account(Some(5_000)), &figures(5_000), &posting(4_999)).unwrap();
        assert_eq!(event.kind, EventKind::LowBalance);
        assert_eq!(
            event.payload,
            json!({"balance": "49.99", "threshold": "50.00", "entry": 7})
        );
    }

    #[test]
    fn of_recharges_only_completed_ones_are_told() {
        let told = |recharge: Option<&Recharge>| -> Vec<EventKind> {
            let events = Event::of_posting(&account(None), &figures(0), &posting(2_500), recharge);
            events.into_iter().map(|event| event.kind).collect()
        };
        assert_eq!(told(None), []);
        for status in RechargeStatus::ALL {
            let expected: &[EventKind] = match status {
                RechargeStatus::Completed => &[EventKind::RechargeCompleted],
                _ => &[],
            };
            assert_eq!(told(Some(&recharge(status))), expected, "{status:?}");
        }
        let completed = recharge(RechargeStatus::Completed);
        let events = Event::of_posting(&account(None), &figures(0), &posting(2_500), Some(&completed));
        let expected = json!({
            "recharge": "r1-3", "amount": "20.00", "method": "momo", "reference": "INV-1", "balance": "25.00", "entry": 7,
        });
        assert_eq!(events[0].payload, expected);
    }

    #[test]
    fn of_refusals_only_those_of_charges_are_told() {
        let amount = Amount::new(Minor::new(1_500)).unwrap();
        let charge = Operation::Charge {
            amount,
            service: Service::parse("vps").unwrap(),
            suspend: false,
            grants: None,
        };
        let freeze = Operation::Freeze {
            amount,
            service: None,
            expires_in: None,
        };
        let key = IdempotencyKey::parse("u-1").unwrap();
        let told = |operation: &Operation, refusal: &Refusal| {
            Event::of_refusal(&account(None).currency, (operation, &Note::default()), &key, refusal)
        };
        let short = Refusal::InsufficientBalance {
            balance: Minor::new(900),
            required: Minor::new(1_500),
        };
        for refusal in [&short, &Refusal::AccountLocked, &Refusal::AccountSuspended] {
            assert_eq!(told(&freeze, refusal), None);
            let event = told(&charge, refusal).unwrap();
            assert_eq!(
                (event.kind, &event.payload["code"]),
                (EventKind::ChargeRefused, &refusal.code().name().into())
            );
        }
        let payload = told(&charge, &short).unwrap().payload;
        assert_eq!(
            (&payload["amount"], &payload["service"]),
            (&"15.00".into(), &"vps".into())
        );
        assert_eq!(
            (&payload["details"]["short_of"], &payload["idempotency_key"]),
            (&"6.00".into(), &"u-1".into())
        );
    }

    #[test]
    fn suspensions_and_alerts_are_told_with_their_reasons() {
        let suspension = Suspension {
            account: AccountId::new(1),
            number: 2,
            reason: Description::parse("could not pay for vps").unwrap(),
            suspended_at: Timestamp::from_micros(0),
            suspended_by: Actor::parse("cron").unwrap(),
            balance: Minor::new(900),
            required: None,
            resumed_at: None,
            resumed_by: None,
        };
        let suspended = Event::suspended(&account(None).currency, &suspension);
        assert_eq!(
            suspended.payload,
            json!({
                "suspension": 2, "reason": "could not pay for vps", "balance": "9.00", "required": null,
                "suspended_by": "cron",
            })
        );
        assert_eq!(
            Event::resumed(&suspension).payload["suspended_at"],
            "1970-01-01T00:00:00.000000Z"
        );
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(kind));
        }
    }

    #[test]
    fn events_of_the_ledger_as_a_whole_have_an_id_too() {
        for text in ["e0-3", "e12-7"] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
        for bad in ["e1-0", "r1-1", "e-1-1", ""] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
