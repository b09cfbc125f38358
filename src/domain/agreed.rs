//! A recurring charge, held against what was recorded when it was agreed on and ended, and against the charges that were
//! made in its name.
//!
//! How often a period is tried again is a setting of the run, so that nothing tells when one that was refused must be.

use serde_json::{Map, Value, json};

use super::currency::Currency;
use super::evidence::{Asked, failing};
use super::recurring::{Due, RecurringCharge};
use super::text::{Actor, Description, IdempotencyKey, Json, Reference};
use super::time::Timestamp;

/// An act on a recurring charge as it was recorded.
#[derive(Clone, Debug)]
pub struct Act {
    pub actor: Actor,
    pub at: Timestamp,
    /// JSON.
    pub after: Option<String>,
}

/// In microseconds; by less than a quarter of an hour no clocks are moved.
const QUARTER: u64 = 15 * 60 * 1_000_000;
const DAY: u64 = 96 * QUARTER;

/// A recurring charge as stored, and what the ledger says of it elsewhere.
#[derive(Clone, Debug)]
pub struct Agreed {
    charge: RecurringCharge,
    begun: Option<Act>,
    ended: Option<Act>,
    /// The key of the period that comes next.
    next: Option<IdempotencyKey>,
    /// Periods before it that were charged.
    charged: i64,
    /// How often the next one was refused.
    refused: i64,
    /// Whether something else than what was agreed has been charged.
    strayed: bool,
}

/// What is agreed on, as it is recorded.
pub fn terms(charge: &RecurringCharge, currency: &Currency) -> Map<String, Value> {
    let (schedule, note) = (&charge.schedule, &charge.note);
    let terms = json!({
        "recurring": charge.id.to_string(),
        "amount": currency.show(charge.amount.minor()).to_string(),
        "service": charge.service.as_str(),
        "every": schedule.every.name(),
        "on": schedule.every.day_number(),
        "at": schedule.time_of_day(),
        "timezone": schedule.zone.to_string(),
        "starts": charge.starts_on.to_string(),
        "ends": charge.ends_on.map(|day| day.to_string()),
        "key": charge.key.as_ref().map(IdempotencyKey::as_str),
        "reference": note.reference.as_ref().map(Reference::as_str),
        "description": note.description.as_ref().map(Description::as_str),
        "metadata": note.metadata.as_ref().map(Json::as_str),
    });
    match terms {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl Agreed {
    pub fn new(charge: RecurringCharge) -> Self {
        Self {
            next: charge.next.as_ref().and_then(|due| charge.key_of(due).ok()),
            charge,
            begun: None,
            ended: None,
            charged: 0,
            refused: 0,
            strayed: false,
        }
    }

    pub fn begun(&mut self, act: Act) {
        self.begun = Some(act);
    }

    pub fn ended(&mut self, act: Act) {
        self.ended = Some(act);
    }

    /// An attempt under a key that the charge has made, to charge a period or refused.
    pub fn attempted(&mut self, key: &str, applied: bool, payload: &str, currency: &Currency) {
        // The names of periods are in the order of time.
        let is_past = self.next.as_ref().is_none_or(|next| key < next.as_str());
        if applied && is_past {
            let asked = Asked::read(payload, currency);
            self.charged += 1;
            self.strayed |= asked.amount("amount") != Some(self.charge.amount.minor())
                || asked.text("service") != Some(self.charge.service.as_str());
        } else if !applied && self.next.as_ref().is_some_and(|next| key == next.as_str()) {
            self.refused += 1;
        }
    }

    /// What cannot be so, of an account in that currency.
    pub fn contradictions(&self, currency: &Currency) -> Vec<&'static str> {
        let Self { charge, .. } = self;
        failing([
            (self.is_agreed(), "nobody has agreed on it"),
            (
                self.has_its_terms(currency),
                "its terms are not those that were agreed on",
            ),
            (self.is_ended_as_recorded(), "it is not known who ended it"),
            (
                !self.strayed,
                "something else than what was agreed on was charged in its name",
            ),
            (
                charge.next.is_none_or(|due| self.is_possible(&due)),
                "its next period is at no such time, or was not refused so often",
            ),
            (
                (0..=self.charged).contains(&charge.charged) && self.follows(),
                "its next period is not the one after those that were charged",
            ),
        ])
    }

    fn is_agreed(&self) -> bool {
        let Self { charge, begun, .. } = self;
        begun
            .as_ref()
            .is_some_and(|act| act.at == charge.created_at && act.actor == charge.created_by)
    }

    /// What an older version has not recorded is not held against it.
    fn has_its_terms(&self, currency: &Currency) -> bool {
        let recorded = self.begun.as_ref().and_then(|act| act.after.as_deref());
        let Some(recorded) = recorded else { return true };
        let recorded = serde_json::from_str::<Map<String, Value>>(recorded).unwrap_or_default();
        !recorded.is_empty()
            && terms(&self.charge, currency)
                .iter()
                .all(|(name, value)| recorded.get(name).is_none_or(|recorded| recorded == value))
    }

    fn is_ended_as_recorded(&self) -> bool {
        match (&self.charge.cancelled, &self.ended) {
            (None, None) => true,
            (Some(how), Some(act)) => {
                let after = act
                    .after
                    .as_deref()
                    .and_then(|after| serde_json::from_str::<Value>(after).ok());
                let why = after.as_ref().and_then(|after| after["reason"].as_str());
                act.at == how.at && act.actor == how.by && why == how.why.as_ref().map(Description::as_str)
            }
            _ => false,
        }
    }

    fn is_possible(&self, due: &Due) -> bool {
        let is_tried = match due.refused {
            None => due.try_at == due.at,
            Some(refused) => (1..=self.refused).contains(&refused.times),
        };
        // A country may have moved its clocks since.
        let at = self.charge.schedule.due_at(due.on);
        let moved = at.map(|at| at.micros().abs_diff(due.at.micros()));
        is_tried && moved.is_some_and(|moved| moved <= DAY && moved.is_multiple_of(QUARTER))
    }

    /// Whether so many periods from the first on end where the next one is.
    fn follows(&self) -> bool {
        let RecurringCharge {
            schedule,
            starts_on,
            ends_on,
            next,
            charged,
            cancelled,
            ..
        } = &self.charge;
        let first = schedule.on_or_after(*starts_on);
        let on = (0..*charged).try_fold(first, |on, _| on.map(|on| schedule.next(on)));
        let expected = Due::first(schedule, on.flatten(), *ends_on);
        cancelled.is_some() || expected.map(|due| due.on) == next.map(|due| due.on)
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::super::account::AccountId;
    use super::super::calendar::{Every, Schedule, Zone};
    use super::super::entry::Note;
    use super::super::money::{Amount, Minor};
    use super::super::recurring::{RecurringId, Refused};
    use super::super::text::Service;
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn usd() -> Currency {
        Currency::iso("USD").unwrap()
    }

    /// 2.00 a day for the vps from the 2nd of March on, of which so many were charged.
    fn daily(charged: i64) -> RecurringCharge {
        let schedule = Schedule::new(Every::Day, 120, Zone::UTC).unwrap();
        let on = day("2026-03-02") + chrono::Days::new(charged.unsigned_abs());
        RecurringCharge {
            id: RecurringId {
                account: AccountId::new(1),
                number: 1,
            },
            amount: Amount::new(Minor::new(200)).unwrap(),
            service: Service::parse("vps").unwrap(),
            schedule,
            starts_on: day("2026-03-02"),
            ends_on: Some(day("2026-03-31")),
            next: Due::first(&schedule, Some(on), None),
            charged,
            created_at: Timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
            created_by: Actor::parse("alice").unwrap(),
            cancelled: None,
            note: Note::default(),
            key: None,
        }
    }

    /// As it was agreed on, with the charges of these days of March.
    fn agreed(charge: RecurringCharge, days: &[&str]) -> Agreed {
        let recorded = Value::Object(terms(&daily(0), &usd())).to_string();
        let mut agreed = Agreed::new(charge);
        agreed.begun(Act {
            actor: Actor::parse("alice").unwrap(),
            at: Timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
            after: Some(recorded),
        });
        for day in days {
            let key = format!("recurring:c1-1:2026-03-{day}");
            agreed.attempted(&key, true, r#"{"amount":"2.00","op":"charge","service":"vps"}"#, &usd());
        }
        agreed
    }

    #[test]
    fn what_goes_its_way_contradicts_nothing() {
        assert_eq!(agreed(daily(0), &[]).contradictions(&usd()), [""; 0]);
        assert_eq!(agreed(daily(2), &["02", "03"]).contradictions(&usd()), [""; 0]);
        // Charged, and the row not moved yet; or by hand, in advance.
        assert_eq!(agreed(daily(2), &["02", "03", "04"]).contradictions(&usd()), [""; 0]);
        assert_eq!(agreed(daily(2), &["02", "03", "20"]).contradictions(&usd()), [""; 0]);
    }

    #[test]
    fn a_period_is_neither_left_out_nor_counted_twice() {
        let wrong = ["its next period is not the one after those that were charged"];
        assert_eq!(agreed(daily(2), &["02"]).contradictions(&usd()), wrong);
        let mut ahead = daily(2);
        ahead.next = daily(3).next;
        assert_eq!(agreed(ahead, &["02", "03"]).contradictions(&usd()), wrong);
        let mut ended = daily(2);
        ended.next = None;
        assert_eq!(agreed(ended, &["02", "03"]).contradictions(&usd()), wrong);
        // A count that nobody could walk through is not walked.
        let mut endless = daily(0);
        endless.charged = i64::MAX;
        assert_eq!(agreed(endless, &[]).contradictions(&usd()), wrong);
    }

    #[test]
    fn the_clocks_of_a_country_may_be_moved_and_its_days_may_not() {
        let shifted = |by: chrono::TimeDelta| {
            let mut charge = daily(0);
            charge.next = charge.next.map(|due| {
                let at = due.at.after(by);
                Due { at, try_at: at, ..due }
            });
            agreed(charge, &[]).contradictions(&usd())
        };
        assert_eq!(shifted(chrono::TimeDelta::minutes(30)), [""; 0]);
        for wrong in [chrono::TimeDelta::hours(48), chrono::TimeDelta::microseconds(1)] {
            assert_eq!(
                shifted(wrong),
                ["its next period is at no such time, or was not refused so often"]
            );
        }
    }

    #[test]
    fn a_period_was_refused_no_more_often_than_it_was_tried() {
        let refused = |times: i64, tried: usize| {
            let mut charge = daily(0);
            charge.next = charge.next.map(|due| Due {
                refused: Some(Refused {
                    first_at: due.at,
                    times,
                }),
                ..due
            });
            let mut agreed = agreed(charge, &[]);
            for _ in 0..tried {
                agreed.attempted("recurring:c1-1:2026-03-02", false, "{}", &usd());
            }
            agreed.contradictions(&usd()).is_empty()
        };
        assert!(refused(1, 1));
        // After a suspension it is tried afresh.
        assert!(refused(1, 3));
        assert!(!refused(2, 1));
    }

    #[test]
    fn what_an_older_version_has_not_recorded_is_not_held_against_it() {
        let mut agreed = agreed(daily(0), &[]);
        let mut act = agreed.begun.take().unwrap();
        act.after = Some(r#"{"recurring":"c1-1","amount":"2.00","service":"vps"}"#.into());
        agreed.begun(act.clone());
        assert_eq!(agreed.contradictions(&usd()), [""; 0]);
        act.after = Some(r#"{"recurring":"c1-1","amount":"3.00"}"#.into());
        agreed.begun(act);
        assert_eq!(
            agreed.contradictions(&usd()),
            ["its terms are not those that were agreed on"]
        );
    }
}
