//! Runs a command under `strace`, which ends it, or fails it, at one chosen system call.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use super::scene::LATER;
use crate::common::{Engine, Ledger, Output, TestDatabase};

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The process is gone before the call is made.
    Killed,
    /// The call is not made, and says that it failed.
    Failed(&'static str),
    /// The call is not made, and says that it was: a disk that lies.
    Skipped,
}

/// One call of one kind, counted from one.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub call: &'static str,
    pub number: usize,
    pub blow: Blow,
}

/// The calls by which a command changes what lasts, or speaks to its server.
pub const fn lasting_calls(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Sqlite => &[
            "pwrite64",
            "write",
            "fdatasync",
            "fsync",
            "ftruncate",
            "unlink",
            "rename",
        ],
        Engine::Postgres => &["sendto", "write"],
    }
}

fn strace(ledger: &Ledger, options: &[String], words: &[&str]) -> Command {
    let plain = ledger.command(words);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq"]).args(options).arg(plain.get_program());
    traced.args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = plain.get_current_dir() {
        traced.current_dir(directory);
    }
    traced
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    traced
}

fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().expect("strace is installed (on Debian: strace)");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // Who is killed reads no further.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Output::of(child)
}

/// The files that belong to the database; other files are the system's.
fn paths(database: &TestDatabase) -> Vec<String> {
    let file = |suffix: &str| {
        database
            .directory()
            .join(format!("ledger.db{suffix}"))
            .display()
            .to_string()
    };
    match database.engine {
        Engine::Sqlite => vec![file(""), file("-wal")],
        Engine::Postgres => Vec::new(),
    }
}

/// How often each of the calls is made by an undisturbed run, and what it answers.
pub fn count(
    database: &TestDatabase,
    words: &[&str],
    input: &str,
    calls: &[&'static str],
) -> (BTreeMap<&'static str, usize>, Output) {
    let log = database.directory().join("calls");
    let options = [
        "-o".to_owned(),
        log.display().to_string(),
        "-e".to_owned(),
        format!("trace={}", calls.join(",")),
    ];
    let output = run(strace(&database.ledger().at(LATER), &options, words), input);
    let text = std::fs::read_to_string(&log).expect("strace writes its log");
    std::fs::remove_file(&log).expect("the log is ours");
    let made = |call: &str| text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    (calls.iter().map(|call| (*call, made(call))).collect(), output)
}

/// Runs the command, dealing the blow at that point.
pub fn strike(database: &TestDatabase, words: &[&str], input: &str, point: Point) -> Output {
    // Loading the program is not what fails.
    let paths = match point.blow {
        Blow::Failed(_) => paths(database),
        Blow::Killed | Blow::Skipped => Vec::new(),
    };
    let options = paths.into_iter().flat_map(|path| ["-P".to_owned(), path]);
    let options: Vec<String> = options.chain(unlogged(point)).collect();
    run(strace(&database.ledger().at(LATER), &options, words), input)
}

/// The same for any ledger, whatever its files are.
pub fn strike_ledger(ledger: &Ledger, words: &[&str], point: Point) -> Output {
    run(strace(ledger, &unlogged(point), words), "")
}

/// A running process, and all that come from it: in each of them that call fails. Only root may do this to others'.
pub struct Plagued {
    tracer: Child,
    log: NamedTempFile,
}

impl Plagued {
    pub fn start(process: &str, point: Point) -> Self {
        let log = NamedTempFile::new().expect("the temporary directory is writable");
        let mut command = Command::new("strace");
        command.args(["-f", "-p", process, "-o"]).arg(log.path());
        let tracer = command.args(blows(point)).stderr(Stdio::piped()).spawn();
        let tracer = tracer.expect("strace is installed (on Debian: strace)");
        let mut plagued = Self { tracer, log };
        plagued.wait_until_attached();
        plagued
    }

    /// It says so of each process.
    fn wait_until_attached(&mut self) {
        let said = self.tracer.stderr.take().expect("stderr is piped");
        let mut said = BufReader::new(said).lines();
        let attached = said.next().expect("strace says what it does").expect("it is text");
        assert!(attached.contains("attached"), "{attached}");
        // Whoever says more later must be heard, or would wait.
        std::thread::spawn(move || said.for_each(drop));
    }

    /// From now on all goes well again; how many calls have failed.
    pub fn end(mut self) -> usize {
        let process = self.tracer.id().to_string();
        let asked = Command::new("kill").args(["-INT", &process]).status();
        assert!(asked.expect("kill can be run").success());
        self.tracer.wait().expect("it is ours");
        let log = std::fs::read_to_string(self.log.path()).expect("strace writes its log");
        log.matches("(INJECTED)").count()
    }
}

fn blows(Point { call, number, blow }: Point) -> Vec<String> {
    let (blow, when) = match blow {
        Blow::Killed => ("signal=SIGKILL".to_owned(), number.to_string()),
        Blow::Failed(error) => (format!("error={error}"), number.to_string()),
        // From that one on.
        Blow::Skipped => ("retval=0".to_owned(), format!("{number}+")),
    };
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{blow}:when={when}");
    ["-e", &trace, "-e", &inject].map(str::to_owned).into()
}

fn unlogged(point: Point) -> Vec<String> {
    let log = ["-o", "/dev/null"].map(str::to_owned);
    log.into_iter().chain(blows(point)).collect()
}
