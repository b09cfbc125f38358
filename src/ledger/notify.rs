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
mod turn;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use self::channel::Channel;
use self::turn::Turn;
use super::clock::Stopwatch;
use super::error::LedgerError;
use super::job::{self, Overlap, Run, RunRecord};
use super::{Ledger, interrupt};
use crate::db::deliveries;
use crate::db::unit_of_work::write;
use crate::domain::code::Exit;
use crate::domain::delivery::{Delivery, Retries};
use crate::domain::event::{EventId, EventKind};
use crate::domain::time::Timestamp;

const JOB: &str = "notify";

/// By account and number, what is wrong with them.
type Unreadable = BTreeMap<(i64, i64), String>;

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
    /// Nobody is told, so everything waits.
    pub unconfigured: bool,
    /// What is still to be delivered.
    pub pending: u64,
    /// What has been given up, in this run or before.
    pub dead: u64,
    /// Events that were forgotten.
    pub pruned: u64,
    /// What is stored of these cannot be read. Their accounts wait, so that nothing is told out of order.
    pub unreadable: Unreadable,
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
    /// The first attempts that failed, at most 20.
    pub failures: Vec<Failure>,
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
        if !self.unreadable.is_empty() {
            Exit::Integrity
        } else if self.channels.iter().all(all_well) {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}

/// Delivers what is due.
pub fn notify(ledger: &mut Ledger, request: &Notify) -> Result<Report, LedgerError> {
    job::run(ledger, JOB, Overlap::Refused, |ledger, run| {
        let started = Stopwatch::start();
        let mut report = Report {
            unconfigured: request.channels.is_empty() && !request.kinds.is_empty(),
            ..Report::default()
        };
        if !report.unconfigured {
            report.unreadable = distribute(ledger, run, request)?;
        }
        for (place, channel) in request.channels.iter().enumerate() {
            // A slow receiver leaves the others their share.
            let left = request.time_limit.saturating_sub(started.elapsed());
            let share = left / u32::try_from(request.channels.len() - place).unwrap_or(u32::MAX);
            let turn = Turn::new(channel, &request.retries, share);
            report.channels.push(turn.take(ledger, run, &mut report.unreadable)?);
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
fn distribute(ledger: &mut Ledger, run: &mut Run, request: &Notify) -> Result<Unreadable, LedgerError> {
    let (mut after, mut unreadable) = (FROM_THE_FIRST, Unreadable::new());
    let names: Vec<&str> = request.channels.iter().map(Channel::name).collect();
    loop {
        interrupt::check()?;
        run.keep(ledger)?;
        let now = ledger.now();
        let last = write(&mut ledger.db, "notify distribute", |db| -> Result<_, LedgerError> {
            let new = deliveries::events_undistributed(db, after, PAGE)?;
            for event in &new {
                let (account, number) = (event.account.get(), event.number);
                // Behind one that cannot be read.
                let mut before = unreadable.range((account, 0)..(account, number));
                match &event.row {
                    Ok(_) if before.next().is_some() => {}
                    Ok(event) => {
                        let wanted = request.kinds.contains(&event.kind);
                        let channels = if wanted { names.as_slice() } else { &[] };
                        deliveries::event_distribute(db, event.id, channels, now)?;
                    }
                    Err(why) => drop(unreadable.insert((account, number), why.0.clone())),
                }
            }
            Ok(new.last().map(|event| (event.account.get(), event.number)))
        })?;
        let Some(last) = last else { return Ok(unreadable) };
        after = last;
    }
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
