//! One channel's turn in a run: attempts what is due, in the order of each account.

use std::time::Duration;

use super::channel::{Channel, Failed};
use super::{ChannelReport, FROM_THE_FIRST, Failure, PAGE, Stopped, Unreadable};
use crate::db::deliveries::{self, Outgoing};
use crate::db::unit_of_work::write_relaxed;
use crate::db::{DbError, Numbered};
use crate::domain::account::AccountId;
use crate::domain::delivery::{DeliveryState, Jitter, Retries};
use crate::domain::time::Timestamp;
use crate::ledger::clock::Stopwatch;
use crate::ledger::job::Run;
use crate::ledger::{Ledger, LedgerError, interrupt};

/// Most failures of a channel that are listed.
const LISTED: usize = 20;

/// After so many attempts in a row that have reached nobody, a channel rests until the next run.
const UNREACHABLE_IN_A_ROW: u32 = 3;

pub(super) struct Turn<'a> {
    channel: &'a Channel,
    retries: &'a Retries,
    time_limit: Duration,
    started: Stopwatch,
    report: ChannelReport,
    /// The account whose first event is not due or was not taken: what is behind it must wait.
    waits: Option<AccountId>,
    /// Attempts in a row that have reached nobody.
    unreachable: u32,
}

impl<'a> Turn<'a> {
    pub(super) fn new(channel: &'a Channel, retries: &'a Retries, time_limit: Duration) -> Self {
        Self {
            channel,
            retries,
            time_limit,
            started: Stopwatch::start(),
            report: ChannelReport {
                name: channel.name(),
                delivered: 0,
                failed: 0,
                died: 0,
                stopped: None,
                failures: Vec::new(),
            },
            waits: None,
            unreachable: 0,
        }
    }

    pub(super) fn take(
        mut self,
        ledger: &mut Ledger,
        run: &mut Run,
        unreadable: &mut Unreadable,
    ) -> Result<ChannelReport, LedgerError> {
        let mut after = FROM_THE_FIRST;
        while self.report.stopped.is_none() {
            let page = deliveries::deliveries_pending(&mut ledger.db, self.channel.name(), after, PAGE)?;
            let Some(last) = page.last().map(|outgoing| (outgoing.account, outgoing.number)) else {
                break;
            };
            for Numbered { account, number, row } in &page {
                let outgoing = match row {
                    Ok(outgoing) => outgoing,
                    Err(why) => {
                        unreadable.insert((account.get(), *number), why.0.clone());
                        self.waits = Some(*account);
                        continue;
                    }
                };
                if self.must_wait(outgoing, ledger.now()) {
                    continue;
                }
                self.report.stopped = self.reason_to_stop();
                if self.report.stopped.is_some() {
                    break;
                }
                interrupt::check()?;
                run.keep(ledger)?;
                self.attempt(ledger, outgoing)?;
            }
            let all_of_it_waits = self.waits == Some(last.0);
            after = (last.0.get(), if all_of_it_waits { i64::MAX } else { last.1 });
        }
        Ok(self.report)
    }

    fn must_wait(&mut self, outgoing: &Outgoing, now: Timestamp) -> bool {
        let account = Some(outgoing.event.id.account);
        if self.waits != account && !outgoing.delivery.is_due(now) {
            self.waits = account;
        }
        self.waits == account
    }

    fn reason_to_stop(&self) -> Option<Stopped> {
        if self.started.elapsed() >= self.time_limit {
            Some(Stopped::TimeIsUp)
        } else if self.unreachable >= UNREACHABLE_IN_A_ROW {
            Some(Stopped::Unreachable)
        } else {
            None
        }
    }

    /// Makes one attempt and notes how it ended.
    fn attempt(&mut self, ledger: &mut Ledger, Outgoing { event, delivery }: &Outgoing) -> Result<(), LedgerError> {
        let name = self.channel.name();
        let sent = self.channel.send(event, ledger.now());
        let now = ledger.now();
        let reached = sent.as_ref().map_or_else(|failed| failed.reached, |()| true);
        self.unreachable = if reached { 0 } else { self.unreachable + 1 };
        let after = match sent {
            Ok(()) => delivery.delivered(now),
            Err(Failed { reason, .. }) => {
                log::info!("{} to {name}: {reason}", event.id);
                let jitter = Jitter::new(fastrand::u16(0..=Jitter::MOST));
                delivery.failed(&reason, self.retries, now, jitter)
            }
        };
        // If a crash takes this note back, the event is sent again under its delivery id.
        let noted: bool = write_relaxed(&mut ledger.db, "notify note", |db| -> Result<bool, DbError> {
            deliveries::delivery_move(db, event.id, delivery, &after)
        })?;
        if !noted {
            log::info!("{} to {name}: asked for again meanwhile", event.id);
        }
        match after.state {
            DeliveryState::Delivered => {
                self.report.delivered += 1;
                return Ok(());
            }
            DeliveryState::Dead => self.report.died += 1,
            DeliveryState::Pending => {
                self.report.failed += 1;
                self.waits = Some(event.id.account);
            }
        }
        if self.report.failures.len() < LISTED {
            self.report.failures.push(Failure {
                event: event.id,
                kind: event.kind,
                delivery: after,
            });
        }
        Ok(())
    }
}
