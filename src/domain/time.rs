//! Moments in UTC with microseconds, the resolution both engines keep.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Utc};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339, such as 2026-03-01T12:00:00Z, between the years 1970 and 9999")]
pub struct InvalidTime;

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Truncates to microseconds.
    pub fn from_utc(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }

    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidTime)?.to_utc();
        // A leap second counts as the second behind it, which may be beyond the last.
        let time = Self::from_utc(time);
        let within = (0..(LAST_SECOND + 1) * 1_000_000).contains(&time.0);
        within.then_some(time).ok_or(InvalidTime)
    }

    /// The moment `span` later, kept within what can be written.
    #[must_use]
    pub fn after(self, span: TimeDelta) -> Self {
        let micros = span.num_microseconds().unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(LAST_SECOND * 1_000_000))
    }

    /// Its day, UTC; `None` for a stored value beyond the years that can be written.
    pub fn date(self) -> Option<NaiveDate> {
        let date = DateTime::from_timestamp_micros(self.0)?.date_naive();
        (0..=9999).contains(&date.year()).then_some(date)
    }

    /// Midnight of its day, UTC.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(MICROS_PER_DAY))
    }
}

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

impl fmt::Display for Timestamp {
    /// RFC 3339 with microseconds; a stored value beyond every calendar shows as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_to_microseconds_and_shows_utc() {
        let time = Timestamp::parse("2026-03-01T13:00:00.1234567+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00.123456Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        assert_eq!(time.date().map(|date| date.to_string()), Some("2026-03-01".into()));
        assert_eq!(Timestamp::from_micros(i64::MAX).date(), None);
    }

    #[test]
    fn refuses_what_is_not_a_moment() {
        for bad in [
            "",
            "now",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "1969-12-31T23:59:59Z",
            "2026-02-30T00:00:00Z",
            "9999-12-31T23:59:60Z",
        ] {
            assert_eq!(Timestamp::parse(bad), Err(InvalidTime), "{bad:?}");
        }
    }
}
