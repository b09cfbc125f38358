//! Which jobs keep a ledger in order, and when each is due.

use chrono::TimeDelta;

/// When a job runs, by the clock on the machine's wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Every so many minutes.
    Minutes(u8),
    /// In each hour, at that minute.
    Hour(u8),
    /// Each day, at that hour and minute.
    Day(u8, u8),
    /// Each month, on that day, at that hour and minute.
    Month(u8, u8, u8),
}

/// A command that is run by itself, again and again.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What its runs are recorded under.
    pub name: &'static str,
    /// What follows `ledger -q` on the command line, separated by single spaces.
    pub command: &'static str,
    pub every: Every,
}

/// Every job, in the order in which a day brings them. This is the one place where a job is scheduled: crontab, units,
/// metrics and `doctor` follow.
pub const JOBS: &[Job] = &[
    job("expire-recharges", "expire-recharges", Every::Minutes(5)),
    job("expire-holds", "expire-holds", Every::Minutes(5)),
    job("notify", "notify", Every::Minutes(5)),
    job("process-pending-credits", "process-pending-credits", Every::Hour(10)),
    job("recurring-run", "recurring run", Every::Hour(15)),
    job("health", "health", Every::Hour(20)),
    job("verify-sync", "verify-sync --fix", Every::Day(2, 0)),
    job("rebuild", "rebuild", Every::Month(1, 3, 0)),
    job("audit", "audit", Every::Day(4, 0)),
];

const fn job(name: &'static str, command: &'static str, every: Every) -> Job {
    Job { name, command, every }
}

impl Every {
    /// The five fields of a crontab line.
    pub fn cron(self) -> String {
        match self {
            Self::Minutes(minutes) => format!("*/{minutes} * * * *"),
            Self::Hour(minute) => format!("{minute} * * * *"),
            Self::Day(hour, minute) => format!("{minute} {hour} * * *"),
            Self::Month(day, hour, minute) => format!("{minute} {hour} {day} * *"),
        }
    }

    /// A calendar event of systemd.
    pub fn calendar(self) -> String {
        match self {
            Self::Minutes(minutes) => format!("*-*-* *:00/{minutes}:00"),
            Self::Hour(minute) => format!("*-*-* *:{minute:02}:00"),
            Self::Day(hour, minute) => format!("*-*-* {hour:02}:{minute:02}:00"),
            Self::Month(day, hour, minute) => format!("*-*-{day:02} {hour:02}:{minute:02}:00"),
        }
    }

    /// How long after a run the next one has certainly been missed: the interval, a quarter of it, ten minutes.
    pub fn late_after(self) -> TimeDelta {
        let interval = match self {
            Self::Minutes(minutes) => TimeDelta::minutes(minutes.into()),
            Self::Hour(_) => TimeDelta::hours(1),
            Self::Day(..) => TimeDelta::days(1),
            Self::Month(..) => TimeDelta::days(31),
        };
        interval + interval / 4 + TimeDelta::minutes(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_cron_and_systemd_write_it() {
        for (every, cron, calendar) in [
            (Every::Minutes(5), "*/5 * * * *", "*-*-* *:00/5:00"),
            (Every::Hour(10), "10 * * * *", "*-*-* *:10:00"),
            (Every::Day(2, 0), "0 2 * * *", "*-*-* 02:00:00"),
            (Every::Month(1, 3, 0), "0 3 1 * *", "*-*-01 03:00:00"),
        ] {
            assert_eq!((every.cron().as_str(), every.calendar().as_str()), (cron, calendar));
        }
    }

    #[test]
    fn a_run_is_missed_a_while_after_its_time() {
        assert_eq!(Every::Minutes(4).late_after(), TimeDelta::minutes(15));
        assert_eq!(
            Every::Day(2, 0).late_after(),
            TimeDelta::hours(30) + TimeDelta::minutes(10)
        );
    }
}
