//! A command that gets each event as JSON on its standard input.

use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::channel::Failed;
use crate::ledger::clock::Stopwatch;

/// A program and its arguments; no shell reads them.
pub struct CommandSettings {
    pub program: String,
    pub arguments: Vec<String>,
}

pub struct CommandChannel {
    settings: CommandSettings,
    timeout: Duration,
}

/// How often a running command is looked after.
const LOOK: Duration = Duration::from_millis(5);

impl CommandChannel {
    pub(super) const fn new(settings: CommandSettings, timeout: Duration) -> Self {
        Self { settings, timeout }
    }

    /// Exit 0 is "taken". What it prints goes nowhere.
    pub(super) fn run(&self, body: &str) -> Result<(), Failed> {
        let started = Stopwatch::start();
        let mut child = Command::new(&self.settings.program)
            .args(&self.settings.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that whatever it starts can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|error| Failed::unreachable(format!("the command cannot be run: {}", error.kind())))?;
        if let Some(mut stdin) = child.stdin.take() {
            let body = body.as_bytes().to_vec();
            // A command may read late, or not at all.
            std::thread::spawn(move || stdin.write_all(&body));
        }
        let status = self.wait(&mut child, started);
        // What it has left running behind its back as well.
        end_group(&child);
        match status {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(Failed::refused(format!("the command ended with {}", how(status)))),
            Ok(None) => {
                let _ = child.wait();
                Err(Failed::timed_out(self.timeout))
            }
            Err(error) => Err(Failed::unreachable(format!("the command was lost: {}", error.kind()))),
        }
    }

    /// `None` when its time is up.
    fn wait(&self, child: &mut Child, started: Stopwatch) -> std::io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if started.elapsed() >= self.timeout {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn end_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // There is nothing left to end, as a rule.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".into(),
    }
}
