//! `report daily`: a day and the month before it, and what a person has to look at this morning.
//!
//! It computes nothing anew: health looks as `health` does, revenue and usage are the reports of one day, balances that end
//! soon are the forecast's. It writes nothing either.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, TimeDelta};

use super::{Query, Revenue, Usage, key, revenue, spending, spent, usage};
use crate::db::Db;
use crate::db::alerts::alerts_count;
pub use crate::db::jobs::RecordedRun;
use crate::db::jobs::{Runs, run_latest};
use crate::db::reports::{Selection, attempts_by_day, moved_by_account, moved_by_day, moved_in_all};
use crate::domain::account::AccountId;
use crate::domain::alert::{Alert, Severity};
use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::entry::EntryKind;
use crate::domain::period::{Periods, Step, midnight};
use crate::domain::schedule::JOBS;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;
use crate::ledger::account::owner_of;
use crate::ledger::alert::{self, AlertQuery};
use crate::ledger::error::LedgerError;
use crate::ledger::forecast::{self, forecast};
use crate::ledger::health::{self, HealthReport, meaning};
use crate::ledger::pages::each_page;
use crate::ledger::progress::Progress;
use crate::ledger::verify_alerts::{ANCHORED, DEEP};
use crate::ledger::{Ledger, verify};

/// How the attempts of a day ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayAttempts {
    pub applied: i64,
    pub refused: i64,
    pub failed: i64,
    pub pending: i64,
}

impl DayAttempts {
    /// In hundredths of a percent of those that have ended, rounded down.
    pub fn success_basis_points(&self) -> Option<i64> {
        (self.applied * 10_000).checked_div(self.applied + self.refused + self.failed)
    }
}

/// An account that spent much on the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopAccount {
    pub user_id: UserId,
    pub spent: i128,
    pub entries: i64,
}

/// One currency's month and day.
#[derive(Clone, Debug)]
pub struct Book {
    pub currency: Currency,
    /// Balance and held of all accounts at the end of each day.
    pub balances: Vec<i128>,
    pub revenue: Vec<Revenue>,
    pub usage: Vec<Usage>,
    /// Who spent most, first.
    pub top: Vec<TopAccount>,
}

/// Something to look at, with the next command to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    pub severity: Severity,
    pub what: String,
    pub next: String,
}

#[derive(Debug)]
pub struct Daily {
    pub day: NaiveDate,
    /// When it was looked at.
    pub now: Timestamp,
    pub accounts: u64,
    /// What is to be looked at, the gravest first.
    pub todo: Vec<Todo>,
    pub open_alerts: i64,
    pub jobs: Vec<RecordedRun>,
    /// The month that ends with the day; the day is its last one.
    pub days: Periods,
    /// Entries of each day, of all currencies.
    pub entries: Vec<i64>,
    pub attempts: Vec<DayAttempts>,
    pub books: Vec<Book>,
    pub forecast: forecast::Report,
}

impl Daily {
    pub fn worst(&self) -> Option<Severity> {
        self.todo.iter().map(|todo| todo.severity).max()
    }
}

const DAYS: u64 = 30;

/// How many accounts of each kind are named.
const NAMED: usize = 10;

/// How many alerts are read.
const ALERTS: i64 = 200;

/// After which time a proof is no longer news.
const PROVEN_FOR: TimeDelta = TimeDelta::hours(49);

/// `day` is yesterday unless given.
pub fn daily(ledger: &mut Ledger, day: Option<NaiveDate>, progress: &dyn Progress) -> Result<Daily, LedgerError> {
    let now = ledger.now();
    let beyond = || LedgerError::invalid(Code::InvalidInput, "--date is beyond the calendar");
    let yesterday = now.date().and_then(|today| today.pred_opt());
    let day = day.or(yesterday).ok_or_else(beyond)?;
    let bounds = (midnight(day), day.succ_opt().and_then(midnight));
    let (Some(since), Some(until)) = bounds else {
        return Err(beyond());
    };
    if since > now {
        return Err(LedgerError::invalid(
            Code::InvalidInput,
            "--date must not be in the future",
        ));
    }
    let first = day.checked_sub_days(Days::new(DAYS - 1)).and_then(midnight);
    let first = first.unwrap_or(Timestamp::from_micros(0));
    let days =
        Periods::cut(Step::Day, first, until).map_err(|error| LedgerError::invalid(Code::InvalidInput, error))?;
    let health = health::look(ledger, "report-daily")?;
    let alerts = newest_alerts(ledger)?;
    let jobs = latest_runs(&mut ledger.db)?;
    let proven = run_latest(&mut ledger.db, verify::JOB, Runs::Well)?.map(|run| run.started_at);
    let forecast = ending_soon(ledger, progress)?;
    let (entries, books) = books(ledger, &days, (since, until), progress)?;
    Ok(Daily {
        day,
        now,
        accounts: health.checked,
        todo: todo(&health, &alerts, (&jobs, proven), &forecast),
        open_alerts: open_alerts(&mut ledger.db)?,
        attempts: attempts(ledger, &days)?,
        jobs,
        days,
        entries,
        books,
        forecast,
    })
}

/// How many there are, named or not.
fn open_alerts(db: &mut Db) -> Result<i64, LedgerError> {
    let (warnings, _) = alerts_count(db, Severity::Warning)?;
    let (critical, _) = alerts_count(db, Severity::Critical)?;
    Ok(warnings + critical)
}

fn newest_alerts(ledger: &mut Ledger) -> Result<Vec<Alert>, LedgerError> {
    let query = AlertQuery {
        account: None,
        severity: None,
        all: false,
        limit: ALERTS,
    };
    alert::list(ledger, &query)
}

/// Of each job, by name.
fn latest_runs(db: &mut Db) -> Result<Vec<RecordedRun>, LedgerError> {
    let mut runs = Vec::with_capacity(JOBS.len());
    for job in JOBS {
        runs.extend(run_latest(db, job.name, Runs::All)?);
    }
    runs.sort_by(|one, other| one.job.cmp(&other.job));
    Ok(runs)
}

fn ending_soon(ledger: &mut Ledger, progress: &dyn Progress) -> Result<forecast::Report, LedgerError> {
    let query = forecast::Query {
        account: None,
        currency: None,
        history: TimeDelta::days(30),
        warn_within: TimeDelta::days(7),
        limit: NAMED,
    };
    let mut report = forecast(ledger, &query, progress)?;
    report.list.retain(|forecast| forecast.is_warning);
    Ok(report)
}

fn attempts(ledger: &mut Ledger, days: &Periods) -> Result<Vec<DayAttempts>, LedgerError> {
    let mut by_day = vec![DayAttempts::default(); days.list.len()];
    for row in attempts_by_day(&mut ledger.db, (days.since(), days.until()))? {
        let Some(day) = days.index_of(row.day).map(|index| &mut by_day[index]) else {
            continue;
        };
        match row.state.as_str() {
            "applied" => day.applied += row.count,
            "refused" => day.refused += row.count,
            "failed" => day.failed += row.count,
            _ => day.pending += row.count,
        }
    }
    Ok(by_day)
}

/// Entries of each day, and what every currency's day and month came to.
fn books(
    ledger: &mut Ledger,
    days: &Periods,
    (since, until): (Timestamp, Timestamp),
    progress: &dyn Progress,
) -> Result<(Vec<i64>, Vec<Book>), LedgerError> {
    let mut entries = vec![0; days.list.len()];
    let mut books: BTreeMap<_, Book> = BTreeMap::new();
    let empty = |currency: &Currency| Book {
        currency: currency.clone(),
        balances: vec![0; days.list.len()],
        revenue: Vec::new(),
        usage: Vec::new(),
        top: Vec::new(),
    };
    let all = |time| Selection {
        time,
        kinds: &EntryKind::ALL,
        currency: None,
    };
    let mut top: BTreeMap<_, Vec<(i128, i64, AccountId)>> = BTreeMap::new();
    let kinds = spending();
    each_page(ledger, progress, |db, page| {
        for before in moved_in_all(db, page, all((Timestamp::from_micros(0), days.since())))? {
            let book = books
                .entry(key(0, &before.currency, ""))
                .or_insert_with(|| empty(&before.currency));
            // What was there at the beginning is there at the end of each day, as far as no day changes it.
            book.balances
                .iter_mut()
                .for_each(|of| *of += before.sums.balance + before.sums.held);
        }
        for moved in moved_by_day(db, page, all((days.since(), days.until())))? {
            let Some(day) = days.index_of(moved.day) else { continue };
            entries[day] += moved.sums.entries;
            let book = books
                .entry(key(0, &moved.currency, ""))
                .or_insert_with(|| empty(&moved.currency));
            book.balances
                .iter_mut()
                .skip(day)
                .for_each(|of| *of += moved.sums.balance + moved.sums.held);
        }
        let what = Selection {
            kinds: &kinds,
            ..all((since, until))
        };
        moved_by_account(db, page, what, |moved| -> Result<(), LedgerError> {
            let best = top.entry(key(0, &moved.currency, "")).or_default();
            keep_best(best, (spent(&moved.sums), moved.sums.entries, moved.account));
            Ok(())
        })
    })?;
    let of_the_day = Query {
        step: Step::Day,
        since: Some(since),
        until: Some(until),
        currency: None,
    };
    for line in revenue(ledger, &of_the_day, progress)?.lines {
        let book = books
            .entry(key(0, &line.currency, ""))
            .or_insert_with(|| empty(&line.currency));
        book.revenue.push(line);
    }
    for line in usage(ledger, &of_the_day, progress)?.lines {
        let book = books
            .entry(key(0, &line.currency, ""))
            .or_insert_with(|| empty(&line.currency));
        book.usage.push(line);
    }
    for (key, best) in top {
        if let Some(book) = books.get_mut(&key) {
            book.top = named(ledger, &best)?;
        }
    }
    Ok((entries, books.into_values().collect()))
}

/// Keeps the largest, of equals the account that was created first.
fn keep_best(best: &mut Vec<(i128, i64, AccountId)>, new: (i128, i64, AccountId)) {
    if new.0 <= 0 {
        return;
    }
    let at = best.partition_point(|kept| kept.0 >= new.0);
    best.insert(at, new);
    best.truncate(NAMED);
}

fn named(ledger: &mut Ledger, best: &[(i128, i64, AccountId)]) -> Result<Vec<TopAccount>, LedgerError> {
    let mut named = Vec::with_capacity(best.len());
    for (spent, entries, account) in best {
        if let Some((user_id, _)) = owner_of(ledger, *account)? {
            named.push(TopAccount {
                user_id,
                spent: *spent,
                entries: *entries,
            });
        }
    }
    Ok(named)
}

fn todo(
    health: &HealthReport,
    alerts: &[Alert],
    (jobs, proven): (&[RecordedRun], Option<Timestamp>),
    forecast: &forecast::Report,
) -> Vec<Todo> {
    let mut todo = of_health(health);
    // What health sees now need not be told again as what it saw before.
    todo.extend(
        alerts
            .iter()
            .filter(|alert| !alert.cause.starts_with("health:"))
            .map(of_alert),
    );
    todo.extend(jobs.iter().filter_map(of_job));
    todo.extend(of_proof(proven, forecast.now));
    if forecast.warnings > 0 {
        todo.push(Todo {
            severity: Severity::Warning,
            what: format!("balances that end within a week: {}", forecast.warnings),
            next: "ledger forecast --warn-within 7d".into(),
        });
    }
    todo.sort_by_key(|todo| std::cmp::Reverse(todo.severity));
    todo
}

fn of_health(health: &HealthReport) -> Vec<Todo> {
    let finding = |found: &health::Found| {
        let finding = &found.finding;
        let (user_id, currency) = (finding.user_id.as_str(), finding.currency.as_str());
        Todo {
            severity: finding.severity,
            what: format!("{} of user {user_id} in {currency}", meaning(&finding.name)),
            next: match finding.severity {
                Severity::Critical => "ledger health".into(),
                Severity::Warning => "ledger health --fix".into(),
            },
        }
    };
    let mut todo: Vec<Todo> = health.findings.iter().map(finding).collect();
    if health.job_is_late {
        todo.push(Todo {
            severity: Severity::Warning,
            what: health::LATE_CREDITS.into(),
            next: "ledger process-pending-credits".into(),
        });
    }
    todo
}

fn of_alert(alert: &Alert) -> Todo {
    let family = alert.cause.split(':').next().unwrap_or_default();
    let next = match family {
        // A shallow pass does not see them, and so does not close them.
        _ if alert.cause == DEEP => "ledger verify-sync --deep".to_owned(),
        _ if alert.cause == ANCHORED => "ledger verify-sync --deep --anchor FILE".to_owned(),
        "verify" => "ledger verify-sync --fix".to_owned(),
        "audit" => "ledger audit".to_owned(),
        _ => format!("ledger alerts ack {}", alert.id),
    };
    Todo {
        severity: alert.severity,
        what: alert.message.clone(),
        next,
    }
}

/// A job whose last run found something wrong, or never told how it ended.
fn of_job(run: &RecordedRun) -> Option<Todo> {
    let ended = match run.exit_code {
        Some(0) => return None,
        Some(code) => format!("the last run of {} ended with exit code {code}", run.job),
        None => format!(
            "the last run of {} has not ended: it is at work, or was killed",
            run.job
        ),
    };
    let scheduled = JOBS.iter().find(|job| job.name == run.job)?;
    Some(Todo {
        severity: if run.exit_code == Some(6) {
            Severity::Critical
        } else {
            Severity::Warning
        },
        what: ended,
        next: format!("ledger {}", scheduled.command),
    })
}

/// Whether the balances were proven lately.
fn of_proof(proven: Option<Timestamp>, now: Timestamp) -> Option<Todo> {
    let what = match proven {
        Some(at) if at.after(PROVEN_FOR) >= now => return None,
        Some(at) => format!("the balances were last proven at {at}"),
        None => "the balances were never proven".into(),
    };
    Some(Todo {
        severity: Severity::Warning,
        what,
        next: "ledger verify-sync --fix".into(),
    })
}
