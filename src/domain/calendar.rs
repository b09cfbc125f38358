//! Billing days: every day, week or month at an hour of some time zone.
//!
//! A period is named by its date in that zone, never by a moment: however clocks are set, each has one name and comes
//! once.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Weekday};
use chrono_tz::Tz;

use super::time::Timestamp;

/// How often, and on which day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Day,
    Week(Weekday),
    Month(MonthDay),
}

/// 1 to 31; a month without that day has its last one instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthDay(u32);

impl MonthDay {
    pub fn new(day: u32) -> Option<Self> {
        (1..=31).contains(&day).then_some(Self(day))
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    /// The day in that month, or the last one before it.
    fn within(self, month: NaiveDate) -> Option<NaiveDate> {
        (28..=self.0.max(28))
            .rev()
            .find_map(|day| month.with_day(day.min(self.0)))
    }
}

impl Every {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week(_) => "week",
            Self::Month(_) => "month",
        }
    }

    /// The number of the day as it is stored: of the week from Monday 1 on, of the month.
    pub fn day_number(self) -> Option<i64> {
        match self {
            Self::Day => None,
            Self::Week(day) => Some(i64::from(day.number_from_monday())),
            Self::Month(day) => Some(i64::from(day.get())),
        }
    }

    /// Undoes [`Self::name`] and [`Self::day_number`].
    pub fn stored(name: &str, day: Option<i64>) -> Option<Self> {
        match (name, day) {
            ("day", None) => Some(Self::Day),
            ("week", Some(day)) => Weekday::try_from(u8::try_from(day - 1).ok()?).ok().map(Self::Week),
            ("month", Some(day)) => MonthDay::new(u32::try_from(day).ok()?).map(Self::Month),
            _ => None,
        }
    }
}

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time zone is a name such as UTC, Europe/Berlin or Asia/Ho_Chi_Minh")]
pub struct InvalidZone;

impl Zone {
    pub const UTC: Self = Self(Tz::UTC);

    /// The date there at that moment.
    pub fn date_at(self, moment: Timestamp) -> Option<NaiveDate> {
        let utc = chrono::DateTime::from_timestamp_micros(moment.micros())?;
        Some(utc.with_timezone(&self.0).date_naive())
    }
}

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(Self).map_err(|_| InvalidZone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// When something comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub every: Every,
    /// Minutes after midnight.
    minute: u16,
    pub zone: Zone,
}

/// No clock in the world has been set forward by more than a day.
const LONGEST_GAP_MINUTES: i64 = 48 * 60;

impl Schedule {
    /// `None` for a time that is not within a day.
    pub fn new(every: Every, minute: u16, zone: Zone) -> Option<Self> {
        (minute < 24 * 60).then_some(Self { every, minute, zone })
    }

    pub const fn minute(&self) -> u16 {
        self.minute
    }

    /// The hour and minute as people write them: `02:00`.
    pub fn time_of_day(&self) -> String {
        format!("{:02}:{:02}", self.minute / 60, self.minute % 60)
    }

    /// The first day that is due on or after that date; `None` past the end of the calendar.
    ///
    /// It depends on the date alone: what begins on the 31st comes back to the 31st after every shorter month.
    pub fn on_or_after(&self, date: NaiveDate) -> Option<NaiveDate> {
        match self.every {
            Every::Day => Some(date),
            Every::Week(day) => date.checked_add_days(Days::new(u64::from(day.days_since(date.weekday())))),
            Every::Month(day) => match day.within(date)? {
                due if due >= date => Some(due),
                _ => day.within(date.with_day(1)?.checked_add_months(chrono::Months::new(1))?),
            },
        }
    }

    /// The day that is due after that one.
    pub fn next(&self, on: NaiveDate) -> Option<NaiveDate> {
        self.on_or_after(on.succ_opt()?)
    }

    /// The moment at which a day is due. A time that clocks skip is the first moment after the gap, one that they
    /// show twice is the first of both. `None` beyond the years that can be written.
    pub fn due_at(&self, on: NaiveDate) -> Option<Timestamp> {
        let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::from(self.minute) * 60, 0)?;
        let local = on.and_time(time);
        let moment = (0..=LONGEST_GAP_MINUTES).find_map(|skipped| {
            let local = local.checked_add_signed(TimeDelta::minutes(skipped))?;
            self.zone.0.from_local_datetime(&local).earliest()
        })?;
        let due = Timestamp::from_utc(moment.to_utc());
        due.date().is_some().then_some(due)
    }

    /// The name of the period that a due day stands for: `2026-03-01`, `2026-W09`, `2026-03`.
    pub fn period(&self, on: NaiveDate) -> String {
        match self.every {
            Every::Day => on.to_string(),
            Every::Week(_) => week_name(on),
            Every::Month(_) => month_name(on),
        }
    }
}

/// The ISO week of a date: `2026-W09`.
pub fn week_name(date: NaiveDate) -> String {
    let week = date.iso_week();
    format!("{:04}-W{:02}", week.year(), week.week())
}

/// The month of a date: `2026-03`.
pub fn month_name(date: NaiveDate) -> String {
    format!("{:04}-{:02}", date.year(), date.month())
}

/// Reads `02:00` as minutes after midnight.
pub fn minute_of_day(text: &str) -> Option<u16> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    u16::try_from(time.num_seconds_from_midnight() / 60)
        .ok()
        .filter(|_| text.len() == 5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn schedule(every: Every, at: &str, zone: &str) -> Schedule {
        Schedule::new(every, minute_of_day(at).unwrap(), zone.parse().unwrap()).unwrap()
    }

    fn monthly(day: u32) -> Schedule {
        schedule(Every::Month(MonthDay::new(day).unwrap()), "02:00", "UTC")
    }

    fn days(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let first = schedule.on_or_after(date(from));
        std::iter::successors(first, |on| schedule.next(*on))
            .take(count)
            .map(|on| on.to_string())
            .collect()
    }

    #[test]
    fn the_31st_is_the_last_day_of_shorter_months_and_comes_back() {
        assert_eq!(
            days(&monthly(31), "2026-01-31", 5),
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]
        );
        assert_eq!(days(&monthly(30), "2028-02-01", 2), ["2028-02-29", "2028-03-30"]);
        assert_eq!(
            days(&monthly(29), "2026-02-28", 3),
            ["2026-02-28", "2026-03-29", "2026-04-29"]
        );
        assert_eq!(days(&monthly(1), "2026-12-02", 2), ["2027-01-01", "2027-02-01"]);
    }

    #[test]
    fn weeks_go_by_the_weekday_over_the_end_of_a_year() {
        let mondays = schedule(Every::Week(Weekday::Mon), "00:00", "UTC");
        assert_eq!(days(&mondays, "2026-12-23", 2), ["2026-12-28", "2027-01-04"]);
        let names: Vec<String> = ["2026-12-28", "2027-01-04"].map(|on| mondays.period(date(on))).into();
        assert_eq!(names, ["2026-W53", "2027-W01"]);
    }

    #[test]
    fn a_skipped_time_is_the_first_moment_after_it_and_a_doubled_one_the_first_of_both() {
        let nightly = schedule(Every::Day, "02:30", "Europe/Berlin");
        for (on, due) in [
            ("2026-03-28", "2026-03-28T01:30:00.000000Z"),
            // 02:30 does not exist: from 02:00 clocks go to 03:00.
            ("2026-03-29", "2026-03-29T01:00:00.000000Z"),
            ("2026-03-30", "2026-03-30T00:30:00.000000Z"),
            // 02:30 comes twice: at 00:30 UTC and at 01:30 UTC.
            ("2026-10-25", "2026-10-25T00:30:00.000000Z"),
            ("2026-10-26", "2026-10-26T01:30:00.000000Z"),
        ] {
            assert_eq!(
                nightly.due_at(date(on)).map(|at| at.to_string()),
                Some(due.into()),
                "{on}"
            );
        }
        // A day that a whole country has skipped.
        let apia = schedule(Every::Day, "12:00", "Pacific/Apia");
        assert_eq!(
            apia.due_at(date("2011-12-30")).map(|at| at.to_string()),
            Some("2011-12-30T10:00:00.000000Z".into())
        );
    }

    #[test]
    fn the_calendar_ends() {
        assert_eq!(monthly(31).due_at(NaiveDate::MAX), None);
        assert_eq!(monthly(31).next(NaiveDate::MAX), None);
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for every in [
            Every::Day,
            Every::Week(Weekday::Sun),
            Every::Month(MonthDay::new(31).unwrap()),
        ] {
            assert_eq!(Every::stored(every.name(), every.day_number()), Some(every));
        }
        for (name, day) in [
            ("day", Some(1)),
            ("week", Some(8)),
            ("week", Some(0)),
            ("month", Some(32)),
        ] {
            assert_eq!(Every::stored(name, day), None, "{name} {day:?}");
        }
        for bad in ["2:00", "24:00", "02:60", "0200", "02:00:00", ""] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let every = prop_oneof![
            Just(Every::Day),
            (0_u8..7).prop_map(|day| Every::Week(Weekday::try_from(day).unwrap())),
            (1_u32..=31).prop_map(|day| Every::Month(MonthDay::new(day).unwrap())),
        ];
        let zone = prop::sample::select(vec![
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Ho_Chi_Minh",
        ]);
        (every, 0_u16..1440, zone)
            .prop_map(|(every, minute, zone)| Schedule::new(every, minute, zone.parse().unwrap()).unwrap())
    }

    proptest! {
        #[test]
        fn every_period_comes_once_in_order_and_on_its_day(
            schedule in any_schedule(),
            start in 0_i64..30_000,
        ) {
            let first = NaiveDate::default().checked_add_signed(TimeDelta::days(start)).unwrap();
            let mut on = schedule.on_or_after(first).unwrap();
            prop_assert!(on >= first);
            for _ in 0..40 {
                let next = schedule.next(on).unwrap();
                prop_assert!(next > on);
                prop_assert_ne!(schedule.period(on), schedule.period(next));
                prop_assert!(schedule.due_at(on).unwrap() <= schedule.due_at(next).unwrap());
                let gap = (next - on).num_days();
                match schedule.every {
                    Every::Day => prop_assert_eq!(gap, 1),
                    Every::Week(day) => {
                        prop_assert_eq!(gap, 7);
                        prop_assert_eq!(next.weekday(), day);
                    }
                    Every::Month(day) => {
                        let is_last = next.succ_opt().unwrap().day() == 1;
                        prop_assert!(next.day() == day.get() || (is_last && next.day() < day.get()));
                        prop_assert_eq!((on.month0() + 1) % 12, next.month0());
                    }
                }
                on = next;
            }
        }
    }
}
