//! Runs the real binary, with a frozen clock and nothing inherited but `PATH`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// The time that stands still in every test which does not choose another.
pub const NOW: &str = "2026-03-01T12:00:00Z";

/// The exit code of what was killed, as a shell gives it.
pub const KILLED: i32 = 128 + 9;

/// How to run the binary: its environment and its working directory.
#[derive(Clone, Debug)]
pub struct Ledger {
    environment: BTreeMap<String, String>,
    home: Arc<TempDir>,
}

impl Ledger {
    /// Works in a temporary directory of its own.
    pub fn new(database_url: &str) -> Self {
        let home = TempDir::new().expect("the temporary directory is writable");
        Self::at_home(database_url, Arc::new(home))
    }

    pub fn at_home(database_url: &str, home: Arc<TempDir>) -> Self {
        let directory = home.path().to_string_lossy().into_owned();
        let ledger = Self {
            environment: BTreeMap::new(),
            home,
        };
        ledger
            .env("PATH", &std::env::var("PATH").unwrap_or_default())
            .env("HOME", &directory)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("DATABASE_URL", database_url)
            .env("LEDGER_ACTOR", "tester")
            .at(NOW)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Freezes the clock at an RFC 3339 time.
    #[must_use]
    pub fn at(self, time: &str) -> Self {
        self.env("LEDGER_NOW", time)
    }

    #[must_use]
    pub fn real_clock(self) -> Self {
        self.without_env("LEDGER_NOW")
    }

    /// The working directory, which is also the home directory.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// The prepared command, for what the other functions do not offer.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.directory());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        let output = self
            .command(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the binary can be run");
        Output::new(arguments, output)
    }

    /// Accounts of the users 1 to `count`.
    #[track_caller]
    pub fn import_users(&self, count: usize) {
        let users: String = (1..=count).map(|user| format!("{user}\n")).collect();
        let file = format!("user_id\n{users}");
        self.run_with_stdin(&["account", "import", "-"], file).expect_code(0);
    }

    /// The same, each with so many units.
    #[track_caller]
    pub fn import_funded_users(&self, count: usize, units: usize) {
        self.import_users(count);
        let opened = (1..=count).map(|user| {
            format!(
                "{{\"op\":\"adjust\",\"user_id\":\"{user}\",\"amount\":\"{units}\",\"reason\":\"opening\",\
                 \"idempotency_key\":\"opening\"}}\n"
            )
        });
        let opened: String = opened.collect();
        self.run_with_stdin(&["apply", "-q", "-"], opened).expect_code(0);
    }

    /// An account of that user, in USD, with one completed recharge of that amount.
    #[track_caller]
    pub fn fund(&self, user: &str, amount: &str) {
        self.fund_with(user, amount, &[]);
    }

    /// The same; the account is created with those options.
    #[track_caller]
    pub fn fund_with(&self, user: &str, amount: &str, options: &[&str]) {
        let create = ["account", "create", "--user-id", user];
        self.run(&[&create[..], options].concat()).expect_code(0);
        self.run(&["recharge", "--user-id", user, "--amount", amount, "--method", "momo"])
            .expect_code(0);
    }

    /// What that user has in USD.
    #[track_caller]
    pub fn balance(&self, user: &str) -> String {
        let shown = self.run(&["balance", "--user-id", user, "--format", "json"]);
        let data = shown.expect_code(0).data();
        data["balance"].as_str().expect("an amount is text").to_owned()
    }

    /// What `verify-sync` says: all is in sync, or the test fails.
    #[track_caller]
    pub fn proven(&self) -> Value {
        let data = self.run(&["verify-sync", "--format", "json"]).expect_code(0).data();
        assert_eq!(data["in_sync"], data["checked"], "{data}");
        data
    }

    /// The digest of the whole ledger, proven on the way.
    #[track_caller]
    pub fn proven_digest(&self) -> String {
        self.proven()["digest"].as_str().expect("a digest").to_owned()
    }

    /// Splits on whitespace, so no argument can hold any.
    pub fn run_words(&self, line: &str) -> Output {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run(&words)
    }

    pub fn run_with_stdin<A: AsRef<OsStr>>(&self, arguments: &[A], input: impl AsRef<[u8]> + Send) -> Output {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().expect("stdin is piped");
        thread::scope(|scope| {
            // A command that refuses to read on breaks the pipe, as it may.
            scope.spawn(move || stdin.write_all(input.as_ref()).ok());
            Output::new(arguments, child.end())
        })
    }

    /// Starts the binary with all three streams piped; see [`Output::of`].
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        let started = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        started.expect("the binary can be run").into()
    }
}

/// A process that a failed test does not leave behind.
pub struct Running(Option<Child>);

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        Self(Some(child))
    }
}

impl Running {
    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let process = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.expect("kill can be run").success());
    }

    /// Closes its standard input and waits for its end.
    fn end(mut self) -> std::process::Output {
        let child = self.0.take().expect("it is there until then");
        child.wait_with_output().expect("the binary can be awaited")
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("it is there until its end")
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("it is there until its end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What Linux says of a living process in that line of its status, such as `VmHWM`, the most memory it has held.
pub fn kilobytes(process: u32, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status
        .lines()
        .find_map(|told| told.strip_prefix(line)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// What one run of the binary left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 + the signal's number when one ended the run.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    command_line: String,
}

impl Output {
    /// Closes the child's standard input and waits for its end.
    pub fn of(child: impl Into<Running>) -> Self {
        Self::new::<&str>(&[], child.into().end())
    }

    fn new<A: AsRef<OsStr>>(arguments: &[A], output: std::process::Output) -> Self {
        let words = arguments
            .iter()
            .map(|argument| format!(" {}", argument.as_ref().to_string_lossy()));
        Self {
            code: code(output.status),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            command_line: std::iter::once("ledger".to_owned()).chain(words).collect(),
        }
    }

    #[track_caller]
    pub fn expect_code(self, expected: i32) -> Self {
        assert!(
            self.code == expected,
            "expected exit {expected} of `{}`\n{}",
            self.command_line,
            self.transcript()
        );
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.parse(&self.stdout)
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| self.parse(line)).collect()
    }

    /// The `data` of the envelope on standard output.
    #[track_caller]
    pub fn data(&self) -> Value {
        self.json()["data"].take()
    }

    /// The whole error envelope, the last line on standard error that is an
    /// object, behind whatever was logged before.
    #[track_caller]
    pub fn error(&self) -> Value {
        let envelope = self.stderr.lines().rfind(|line| line.starts_with('{'));
        self.parse(envelope.unwrap_or(&self.stderr))
    }

    #[track_caller]
    pub fn error_code(&self) -> String {
        let error = self.error();
        let code = error["error"]["code"].as_str();
        code.unwrap_or_else(|| panic!("no code in {error}")).to_owned()
    }

    /// Everything that a snapshot should show.
    pub fn transcript(&self) -> String {
        let Self {
            code, stdout, stderr, ..
        } = self;
        format!("exit {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }

    #[track_caller]
    fn parse(&self, text: &str) -> Value {
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{error} in `{}`\n{}", self.command_line, self.transcript()))
    }
}

fn code(status: ExitStatus) -> i32 {
    let killed = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(killed).expect("the run has ended")
}
