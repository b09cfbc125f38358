//! When things happen: more of it from day to day, little at night.

use chrono::TimeDelta;

use crate::domain::time::Timestamp;

/// How much happens in each hour of a day, UTC.
const HOURS: [u64; 24] = [
    3, 2, 1, 1, 1, 2, 4, 7, 11, 14, 15, 14, 12, 13, 14, 14, 13, 12, 11, 12, 13, 11, 8, 5,
];

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// Spreads what is alike over some days, so that the last is twice as busy as the first.
#[derive(Clone, Debug)]
pub struct Calendar {
    start: Timestamp,
    end: Timestamp,
    /// How much has happened by the end of each hour.
    by_hour: Vec<u64>,
}

impl Calendar {
    /// `None` where the days begin before 1970.
    pub fn new(end: Timestamp, days: u32) -> Option<Self> {
        let start = end.after(-TimeDelta::days(i64::from(days)));
        if start.micros() < 0 {
            return None;
        }
        let first = u64::try_from(start.micros() / MICROS_PER_HOUR).ok()?;
        let days = u64::from(days);
        let mut so_far = 0;
        let by_hour = (0..days * 24).map(|hour| {
            let of_day = usize::try_from((first + hour) % 24).unwrap_or_default();
            so_far += HOURS[of_day] * (days + hour / 24);
            so_far
        });
        Some(Self {
            start,
            end,
            by_hour: by_hour.collect(),
        })
    }

    pub const fn start(&self) -> Timestamp {
        self.start
    }

    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// When the `number`-th of so many equal portions of work is done; the last at the very end.
    pub fn time_of(&self, number: u64, of: u64) -> Timestamp {
        let all = self.by_hour.last().copied().unwrap_or_default();
        if number + 1 >= of {
            return self.end;
        }
        let done = u128::from(all) * (2 * u128::from(number) + 1) / (2 * u128::from(of));
        let done = u64::try_from(done).unwrap_or(all);
        let hour = self.by_hour.partition_point(|so_far| *so_far <= done);
        let before = hour.checked_sub(1).map_or(0, |previous| self.by_hour[previous]);
        let width = self.by_hour.get(hour).map_or(1, |so_far| so_far - before);
        let micros = i128::from(hour as u64) * i128::from(MICROS_PER_HOUR)
            + i128::from(MICROS_PER_HOUR) * i128::from(done - before) / i128::from(width);
        let since_start = TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX));
        self.start.after(since_start).min(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(days: u32) -> Calendar {
        Calendar::new(Timestamp::parse("2026-01-01T00:00:00Z").unwrap(), days).unwrap()
    }

    #[test]
    fn times_grow_from_the_start_to_the_very_end() {
        for (days, of) in [(1, 1), (1, 7), (90, 1_000), (3_650, 3)] {
            let calendar = calendar(days);
            let times: Vec<Timestamp> = (0..of).map(|number| calendar.time_of(number, of)).collect();
            assert!(times.is_sorted(), "{days} days");
            assert!(times[0] >= calendar.start());
            assert_eq!(times.last(), Some(&calendar.end()));
        }
    }

    #[test]
    fn nights_are_quiet_and_the_last_days_busier_than_the_first() {
        let calendar = calendar(10);
        let hours: Vec<i64> = (0..9_999)
            .map(|number| (calendar.time_of(number, 10_000).micros() - calendar.start().micros()) / MICROS_PER_HOUR)
            .collect();
        let count = |wanted: &dyn Fn(i64) -> bool| hours.iter().filter(|hour| wanted(**hour)).count();
        assert!(count(&|hour| hour % 24 == 10) > 8 * count(&|hour| hour % 24 == 3));
        let (first, last) = (count(&|hour| hour < 24), count(&|hour| hour >= 9 * 24));
        assert!(2 * last > 3 * first, "{first} {last}");
    }

    #[test]
    fn nothing_begins_before_1970() {
        let end = Timestamp::parse("1970-01-02T00:00:00Z").unwrap();
        assert!(Calendar::new(end, 1).is_some());
        assert!(Calendar::new(end, 2).is_none());
    }
}
