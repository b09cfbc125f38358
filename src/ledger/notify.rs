//! `notify`: tells others of what has happened, on every channel, in the order of each account, at least once.
//!
//! The events were written in the transactions of their causes. A run first makes out a delivery per channel for what
//! is new, then attempts what is due, never with a transaction open. A run that dies between sending and noting sends
//! again, under the same delivery id.

pub mod channel;
mod command;
mod mail;
mod message;
pub mod review;
mod webhook;

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use self::channel::{Channel, Failed};
use super::clock::Stopwatch;
use super::error::LedgerError;
use super::job::{self, Overlap, Run, RunRecord};
use super::{Ledger, interrupt};
use crate::db::DbError;
use crate::db::deliveries::{self, Outgoing};
use crate::db::unit_of_work::{write, write_relaxed};
use crate::domain::account::AccountId;
use crate::domain::code::Exit;
use crate::domain::delivery::{Delivery, DeliveryState, Jitter, Retries};
use crate::domain::event::{EventId, EventKind};
use crate::domain::time::Timestamp;

const JOB: &str = "notify";

/// What is told, to whom, and how patiently.
pub struct Notify {
    pub channels: Vec<Channel>,
    /// Of others nobody is told.
    pub kinds: Vec<EventKind>,
    pub retries: Retries,
    /// No attempt is begun after it.
    pub time_limit: Duration,
    /// Events that everybody has been told of are forgotten when they are older.
    pub prune: Option<TimeDelta>,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub channels: Vec<ChannelReport>,
    /// The first attempts that failed, at most [`LISTED`] of each channel.
    pub failures: Vec<Failure>,
    /// What is still to be delivered.
    pub pending: u64,
    /// What has been given up, in this run or before.
    pub dead: u64,
    /// Events that were forgotten.
    pub pruned: u64,
}

/// What became of one channel's deliveries in this run.
#[derive(Clone, Debug)]
pub struct ChannelReport {
    pub name: &'static str,
    pub delivered: u64,
    /// Will be tried again.
    pub failed: u64,
    /// Have been given up.
    pub died: u64,
    /// Why some that were due were not attempted.
    pub stopped: Option<Stopped>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    TimeIsUp,
    /// Nobody answers there: the others will not fare better.
    Unreachable,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub event: EventId,
    pub kind: EventKind,
    /// As it is now.
    pub delivery: Delivery,
}

impl Report {
    pub fn exit(&self) -> Exit {
        let all_well = |channel: &ChannelReport| channel.failed + channel.died == 0 && channel.stopped.is_none();
        if self.channels.iter().all(all_well) {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}

/// Most failures of a channel that are listed.
const LISTED: usize = 20;

/// After so many attempts in a row that have reached nobody, a channel rests until the next run.
const UNREACHABLE_IN_A_ROW: u32 = 3;

/// Delivers what is due.
pub fn notify(ledger: &mut Ledger, request: &Notify) -> Result<Report, LedgerError> {
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let started = Stopwatch::start();
        let mut report = Report::default();
        distribute(ledger, run, request)?;
        for (place, channel) in request.channels.iter().enumerate() {
            // A slow receiver leaves the others their share.
            let left = request.time_limit.saturating_sub(started.elapsed());
            let share = left / u32::try_from(request.channels.len() - place).unwrap_or(u32::MAX);
            let (told, failures) = deliver(ledger, run, channel, (&request.retries, share))?;
            report.channels.push(told);
            report.failures.extend(failures);
        }
        if let Some(age) = request.prune {
            report.pruned = prune(ledger, run, age)?;
        }
        let (pending, dead) = deliveries::deliveries_count(&mut ledger.db)?;
        (report.pending, report.dead) = (pending.unsigned_abs(), dead.unsigned_abs());
        let record = record(&report);
        Ok((report, record))
    })
}

fn record(report: &Report) -> RunRecord {
    let sum = |of: fn(&ChannelReport) -> u64| -> u64 { report.channels.iter().map(of).sum() };
    RunRecord {
        counts: json!({
            "delivered": sum(|channel| channel.delivered),
            "failed": sum(|channel| channel.failed),
            "died": sum(|channel| channel.died),
            "pending": report.pending,
            "dead": report.dead,
            "pruned": report.pruned,
        }),
        digest: None,
        exit: report.exit(),
    }
}

/// Before every account, also before number 0, which is the ledger as a whole.
const FROM_THE_FIRST: (i64, i64) = (-1, 0);

/// Events or deliveries per look.
const PAGE: i64 = 500;

/// Makes out a delivery per channel for each event that is new.
fn distribute(ledger: &mut Ledger, run: &mut Run, request: &Notify) -> Result<(), LedgerError> {
    let names: Vec<&str> = request.channels.iter().map(Channel::name).collect();
    loop {
        interrupt::check()?;
        run.keep(ledger)?;
        let now = ledger.now();
        let distributed = write(
            &mut ledger.db,
            "notify distribute",
            |db| -> Result<usize, LedgerError> {
                let new = deliveries::events_undistributed(db, PAGE)?;
                for event in &new {
                    let wanted = request.kinds.contains(&event.kind);
                    let channels = if wanted { names.as_slice() } else { &[] };
                    deliveries::event_distribute(db, event.id, channels, now)?;
                }
                Ok(new.len())
            },
        )?;
        if distributed == 0 {
            return Ok(());
        }
    }
}

/// Attempts what is due on one channel; an account whose event fails waits, the others go on.
fn deliver(
    ledger: &mut Ledger,
    run: &mut Run,
    channel: &Channel,
    (retries, time_limit): (&Retries, Duration),
) -> Result<(ChannelReport, Vec<Failure>), LedgerError> {
    let started = Stopwatch::start();
    let mut failures = Vec::new();
    let mut report = ChannelReport {
        name: channel.name(),
        delivered: 0,
        failed: 0,
        died: 0,
        stopped: None,
    };
    let (mut after, mut waits, mut unreachable) = (FROM_THE_FIRST, None::<AccountId>, 0);
    loop {
        let page = deliveries::deliveries_pending(&mut ledger.db, channel.name(), after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok((report, failures));
        };
        after = (last.event.id.account.get(), last.event.id.number);
        for outgoing in page {
            let account = outgoing.event.id.account;
            if waits == Some(account) {
                continue;
            }
            if !outgoing.delivery.is_due(ledger.now()) {
                waits = Some(account);
                continue;
            }
            report.stopped = if started.elapsed() >= time_limit {
                Some(Stopped::TimeIsUp)
            } else if unreachable >= UNREACHABLE_IN_A_ROW {
                Some(Stopped::Unreachable)
            } else {
                None
            };
            if report.stopped.is_some() {
                return Ok((report, failures));
            }
            interrupt::check()?;
            run.keep(ledger)?;
            let (delivery, reached) = attempt(ledger, channel, &outgoing, retries)?;
            unreachable = if reached { 0 } else { unreachable + 1 };
            match delivery.state {
                DeliveryState::Delivered => report.delivered += 1,
                DeliveryState::Dead => report.died += 1,
                DeliveryState::Pending => {
                    report.failed += 1;
                    waits = Some(account);
                }
            }
            if delivery.state != DeliveryState::Delivered && failures.len() < LISTED {
                failures.push(Failure {
                    event: outgoing.event.id,
                    kind: outgoing.event.kind,
                    delivery,
                });
            }
        }
        if waits.is_some_and(|account| account.get() == after.0) {
            // Nothing more of this account, however much is behind it.
            after.1 = i64::MAX;
        }
    }
}

/// Attempts one delivery and notes how it ended; whether anybody was there.
fn attempt(
    ledger: &mut Ledger,
    channel: &Channel,
    outgoing: &Outgoing,
    retries: &Retries,
) -> Result<(Delivery, bool), LedgerError> {
    let Outgoing { event, delivery } = outgoing;
    let sent = channel.send(event, ledger.now());
    let now = ledger.now();
    let (after, reached) = match sent {
        Ok(()) => (delivery.delivered(now), true),
        Err(Failed { reason, reached }) => {
            log::info!("{} to {}: {reason}", event.id, channel.name());
            let jitter = Jitter::new(fastrand::u16(0..=Jitter::MOST));
            (delivery.failed(&reason, retries, now, jitter), reached)
        }
    };
    // If a crash takes this note back, the event is sent again under its delivery id.
    let noted: bool = write_relaxed(&mut ledger.db, "notify note", |db| -> Result<bool, DbError> {
        deliveries::delivery_move(db, event.id, delivery, &after)
    })?;
    if !noted {
        log::info!("{} to {}: asked for again meanwhile", event.id, channel.name());
    }
    Ok((after, reached))
}

/// Forgets events that everybody has been told of and that are older than `age`; how many.
fn prune(ledger: &mut Ledger, run: &mut Run, age: TimeDelta) -> Result<u64, LedgerError> {
    let before: Timestamp = ledger.now().after(-age);
    let (mut after, mut pruned) = (FROM_THE_FIRST, 0);
    loop {
        interrupt::check()?;
        run.keep(ledger)?;
        let page = deliveries::events_prunable(&mut ledger.db, before, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(pruned) };
        after = (last.account.get(), last.number);
        pruned += write(&mut ledger.db, "notify prune", |db| -> Result<u64, LedgerError> {
            let mut gone = 0;
            for id in &page {
                gone += u64::from(deliveries::event_prune(db, *id)?);
            }
            Ok(gone)
        })?;
    }
}
