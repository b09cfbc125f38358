//! Days, ISO weeks and months in UTC, as reports cut time.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime};

use super::calendar::{month_name, week_name};
use super::named::named;
use super::time::Timestamp;

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Step {
        Day = "day",
        /// From Monday on.
        Week = "week",
        Month = "month",
    }
}

impl Step {
    /// The first day of the period that a day is in.
    fn start(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday()))),
            Self::Month => day.with_day(1),
        }
    }

    /// The first day of the period so many periods later, given that of one.
    fn later(self, start: NaiveDate, count: u32) -> Option<NaiveDate> {
        match self {
            Self::Day => start.checked_add_days(Days::new(u64::from(count))),
            Self::Week => start.checked_add_days(Days::new(7 * u64::from(count))),
            Self::Month => start.checked_add_months(Months::new(count)),
        }
    }

    fn name_of(self, start: NaiveDate) -> String {
        match self {
            Self::Day => start.to_string(),
            Self::Week => week_name(start),
            Self::Month => month_name(start),
        }
    }

    /// The beginning of the period so many periods before that in which a moment is.
    pub fn start_before(self, moment: Timestamp, count: u32) -> Option<Timestamp> {
        let start = self.start(moment.date()?)?;
        let start = match self {
            Self::Day => start.checked_sub_days(Days::new(u64::from(count))),
            Self::Week => start.checked_sub_days(Days::new(7 * u64::from(count))),
            Self::Month => start.checked_sub_months(Months::new(count)),
        };
        start.and_then(midnight)
    }
}

/// The first moment of a day, in UTC; `None` before 1970.
pub fn midnight(day: NaiveDate) -> Option<Timestamp> {
    let at = Timestamp::from_utc(day.and_time(NaiveTime::MIN).and_utc());
    (at.micros() >= 0).then_some(at)
}

/// A span of time with its name; a part of one at either end of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub name: String,
    pub since: Timestamp,
    /// Exclusive.
    pub until: Timestamp,
}

/// A report's time from end to end, in periods without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Periods {
    pub step: Step,
    pub list: Vec<Period>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriods {
    #[error("--since must be earlier than --until")]
    Empty,
    #[error("these are more than {LONGEST} periods; choose a later --since or a coarser --by")]
    TooMany,
    #[error("the time is beyond the calendar")]
    Beyond,
}

/// Most periods that a report has: eleven years of days.
const LONGEST: usize = 4_000;

impl Periods {
    pub fn cut(step: Step, since: Timestamp, until: Timestamp) -> Result<Self, InvalidPeriods> {
        if since >= until {
            return Err(InvalidPeriods::Empty);
        }
        let beyond = || InvalidPeriods::Beyond;
        let mut start = since.date().and_then(|day| step.start(day)).ok_or_else(beyond)?;
        let mut list: Vec<Period> = Vec::new();
        loop {
            let next = step.later(start, 1).ok_or_else(beyond)?;
            let end = midnight(next).ok_or_else(beyond)?;
            list.push(Period {
                name: step.name_of(start),
                since: list.last().map_or(since, |last| last.until),
                until: end.min(until),
            });
            if end >= until {
                return Ok(Self { step, list });
            }
            if list.len() == LONGEST {
                return Err(InvalidPeriods::TooMany);
            }
            start = next;
        }
    }

    pub fn since(&self) -> Timestamp {
        self.list.first().map_or(Timestamp::from_micros(0), |first| first.since)
    }

    pub fn until(&self) -> Timestamp {
        self.list.last().map_or(Timestamp::from_micros(0), |last| last.until)
    }

    /// The period that a moment is in; the first one for what was before, `None` for what comes after.
    pub fn index_of(&self, moment: Timestamp) -> Option<usize> {
        let index = self.list.partition_point(|period| period.until <= moment);
        (index < self.list.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn cut(step: Step, since: &str, until: &str) -> Vec<(String, String)> {
        let periods = Periods::cut(step, at(since), at(until)).unwrap();
        let shown = |period: Period| (period.name, period.since.to_string()[..13].to_owned());
        periods.list.into_iter().map(shown).collect()
    }

    fn told(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, since): &(&str, &str)| ((*name).to_owned(), (*since).to_owned());
        expected.iter().map(own).collect()
    }

    #[test]
    fn periods_follow_one_another_and_are_cut_at_both_ends() {
        assert_eq!(
            cut(Step::Day, "2026-02-27T12:00:00Z", "2026-03-01T00:00:00Z"),
            told(&[("2026-02-27", "2026-02-27T12"), ("2026-02-28", "2026-02-28T00")])
        );
        assert_eq!(
            cut(Step::Week, "2026-12-30T06:00:00Z", "2027-01-05T00:00:00Z"),
            told(&[("2026-W53", "2026-12-30T06"), ("2027-W01", "2027-01-04T00")])
        );
        assert_eq!(
            cut(Step::Month, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00.000001Z"),
            told(&[("2026-12", "2026-12-01T00"), ("2027-01", "2027-01-01T00")])
        );
    }

    #[test]
    fn a_moment_is_in_the_period_that_it_begins() {
        let periods = Periods::cut(Step::Day, at("2026-03-01T00:00:00Z"), at("2026-03-03T00:00:00Z")).unwrap();
        for (moment, index) in [
            ("2026-02-01T00:00:00Z", Some(0)),
            ("2026-03-01T23:59:59.999999Z", Some(0)),
            ("2026-03-02T00:00:00Z", Some(1)),
            ("2026-03-03T00:00:00Z", None),
        ] {
            assert_eq!(periods.index_of(at(moment)), index, "{moment}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let (early, late) = (at("1970-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        assert_eq!(Periods::cut(Step::Day, late, late), Err(InvalidPeriods::Empty));
        assert_eq!(Periods::cut(Step::Day, early, late), Err(InvalidPeriods::TooMany));
        assert!(Periods::cut(Step::Month, early, late).is_ok());
        assert_eq!(
            Step::Week.start_before(at("2026-03-01T00:00:00Z"), 1),
            Some(at("2026-02-16T00:00:00Z"))
        );
        assert_eq!(
            Step::Month.start_before(at("2026-03-31T00:00:00Z"), 12),
            Some(at("2025-03-01T00:00:00Z"))
        );
        assert_eq!(Step::Month.start_before(early, 1), None);
    }
}
