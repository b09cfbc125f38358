//! A private PostgreSQL server that cannot outlive the test process.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::pooler::Pooler;

const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(5);

/// The parent of the server. It obeys the lines on its standard input, answers
/// each with one line, and at end of file - which the kernel delivers even
/// when the test process was killed - it stops the server and removes the
/// directory.
///
/// A broken pipe is ignored because the test process may die before it has
/// read an answer; the other signals because the cleaning must still be done.
const GUARDIAN: &str = r#"
trap '' HUP INT PIPE TERM
bin=$1 dir=$2 server= pooler=

crash() {
    [ -n "$server" ] || return
    kill -QUIT "$server" && wait "$server"
    server=
}

while read -r command; do
    case $command in
    init)
        "$bin/initdb" -D "$dir/data" -U ledger -A trust --no-sync \
            --encoding=UTF8 --locale=C --no-instructions >"$dir/log" 2>&1
        echo $?
        ;;
    start)
        "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= \
            -c max_connections=500 -c shared_buffers=128MB >>"$dir/log" 2>&1 &
        server=$!
        echo "$server"
        ;;
    crash)
        crash
        echo gone
        ;;
    pool)
        read -r program
        "$program" -q "$dir/pgbouncer.ini" 2>>"$dir/log" &
        pooler=$!
        echo "$pooler"
        ;;
    esac
done

# A shell has what it runs beside it ignore other signals.
[ -z "$pooler" ] || kill -KILL "$pooler"
crash
cd / && rm -rf "$dir"
"#;

/// A running PostgreSQL server, reachable by a unix socket only.
pub struct Server {
    binaries: PathBuf,
    directory: PathBuf,
    guardian: Mutex<Guardian>,
    creating: Mutex<()>,
    pooler: Option<Pooler>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(|_, _| {})
    }

    /// A server whose data are in that directory, which is made its own.
    pub fn start_on(disk: &Path) -> Self {
        Self::start_with(|directory, owner| {
            let data = disk.join("data");
            fs::create_dir(&data).expect("the disk is writable");
            if let Some(ServiceUser { uid, gid }) = owner {
                for path in [disk, &data] {
                    chown(path, Some(uid), Some(gid)).expect("root can give a directory");
                }
            }
            std::os::unix::fs::symlink(&data, directory.join("data")).expect("the directory is ours");
        })
    }

    /// After its directory has been prepared; for whom, if not for this process's own user.
    fn start_with(prepare: impl FnOnce(&Path, Option<ServiceUser>)) -> Self {
        let binaries = find_binaries();
        let directory = short_temporary_directory();
        let owner = is_root(&directory).then(ServiceUser::find);
        prepare(&directory, owner);
        let guardian = Guardian::start(&binaries, &directory);
        let server = Self {
            binaries,
            directory,
            guardian: Mutex::new(guardian),
            creating: Mutex::new(()),
            pooler: None,
        };
        let status = server.ask("init");
        assert!(status == "0", "initdb failed:\n{}", server.log());
        server.start_again();
        server
    }

    /// Stops the server at once, by SIGQUIT: nothing is flushed by it, and the next start has to recover. What it had
    /// handed to the system is there then; for more see `faults::power`. Returns when the server is gone.
    pub fn crash(&self) {
        self.ask("crash");
    }

    /// Starts the server after a crash. Returns when it has recovered and
    /// accepts connections.
    pub fn start_again(&self) {
        let process_id = self.ask("start");
        let started = Instant::now();
        while !self.is_ready(&process_id) {
            assert!(
                started.elapsed() < READY_WITHIN,
                "PostgreSQL was not ready within {READY_WITHIN:?}:\n{}",
                self.log()
            );
            std::thread::sleep(READY_POLL);
        }
    }

    /// Waits until the server answers; starts it again if it has given up.
    pub fn recover(&self) {
        let started = Instant::now();
        while let Err(error) = self.try_psql("postgres", "SELECT 1") {
            if self.process().is_none() {
                self.start_again();
            }
            assert!(started.elapsed() < READY_WITHIN, "{error}\n{}", self.log());
            std::thread::sleep(READY_POLL);
        }
    }

    /// The process that all its others come from, unless it has ended by itself.
    pub fn process(&self) -> Option<String> {
        let lock_file = fs::read_to_string(self.directory.join("data/postmaster.pid")).ok()?;
        lock_file.lines().next().map(str::to_owned)
    }

    /// Where its socket is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where commands go: straight to the server, or to the pooler before it.
    pub fn url(&self, database: &str) -> String {
        match &self.pooler {
            Some(pooler) => pooler.url(database),
            None => self.direct_url(database),
        }
    }

    fn direct_url(&self, database: &str) -> String {
        let host = self.directory.display();
        format!("postgres:///{database}?host={host}&user=ledger")
    }

    pub fn create_database(&self, name: &str) {
        self.clone_database("template1", name);
    }

    /// With a pooler before it, which has so many sessions for each database, and further settings.
    pub fn behind_pooler(mut self, sessions: usize, further: &str) -> Self {
        let pooler = Pooler::of(&self.directory, sessions, further);
        self.ask(&format!("pool\n{}", pooler.program.display()));
        pooler.await_socket();
        self.pooler = Some(pooler);
        self
    }

    /// Creates `name` as a copy of `template`, to which nobody may be connected.
    pub fn clone_database(&self, template: &str, name: &str) {
        let _one_at_a_time = lock(&self.creating);
        if self.pooler.is_some() {
            // It keeps its connections when its clients have gone.
            let lingering =
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'");
            self.psql("postgres", &lingering);
        }
        self.psql(
            "postgres",
            &format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#),
        );
    }

    /// Runs SQL and returns the rows as `a|b|c` lines.
    #[track_caller]
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql)
            .unwrap_or_else(|error| panic!("psql failed on {sql}\n{error}"))
    }

    /// As [`Server::psql`]; the error is what psql said.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.binaries.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.direct_url(database))
            .env_clear()
            .stdin(file_holding(sql))
            .output()
            .expect("psql can be run");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let mut rows = String::from_utf8(output.stdout).expect("psql prints UTF-8");
        if rows.ends_with('\n') {
            rows.pop();
        }
        Ok(rows)
    }

    /// All that the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn ask(&self, command: &str) -> String {
        lock(&self.guardian).ask(command)
    }

    /// The first line of `postmaster.pid` is the process, the eighth its state;
    /// `pg_ctl` reads them too.
    fn is_ready(&self, process_id: &str) -> bool {
        let lock_file = fs::read_to_string(self.directory.join("data/postmaster.pid"));
        let lock_file = lock_file.unwrap_or_default();
        let mut lines = lock_file.lines().map(str::trim);
        lines.next() == Some(process_id) && lines.nth(6) == Some("ready")
    }
}

struct Guardian {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guardian {
    fn start(binaries: &Path, directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARDIAN, "guardian"])
            .args([binaries, directory])
            .current_dir(directory)
            .env("LC_ALL", "C")
            // Whoever kills the tests' process group must not kill the cleaner.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if is_root(directory) {
            let user = ServiceUser::find();
            chown(directory, Some(user.uid), Some(user.gid)).expect("root can give a directory");
            command.uid(user.uid).gid(user.gid);
        }
        let mut process = command.spawn().expect("sh can be run");
        Self {
            commands: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().expect("stdout is piped")),
            process,
        }
    }

    fn ask(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("the guardian listens");
        let mut answer = String::new();
        let length = self.answers.read_line(&mut answer);
        assert!(length.is_ok_and(|length| length > 0), "the guardian died");
        answer.trim_end().to_owned()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.commands = None;
        // Nothing sensible is left to do when waiting fails.
        let _ = self.process.wait();
    }
}

/// PostgreSQL refuses to run as root, so root runs it as somebody else.
struct ServiceUser {
    uid: u32,
    gid: u32,
}

impl ServiceUser {
    fn find() -> Self {
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| users.lines().find_map(|line| Self::parse(line, name)))
            .expect("as root, a user `postgres` or `nobody` is needed to run PostgreSQL")
    }

    fn parse(line: &str, name: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let &[user, _, uid, gid, ..] = fields.as_slice() else {
            return None;
        };
        (user == name).then_some(Self {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    }
}

/// Whoever created the directory owns it.
fn is_root(own_directory: &Path) -> bool {
    fs::metadata(own_directory).is_ok_and(|metadata| metadata.uid() == 0)
}

/// Where PostgreSQL's programs are.
pub fn find_binaries() -> PathBuf {
    if let Some(directory) = std::env::var_os("LEDGER_TEST_PG_BIN") {
        let directory = PathBuf::from(directory);
        assert!(
            holds_server(&directory),
            "LEDGER_TEST_PG_BIN={} holds no initdb",
            directory.display()
        );
        return directory;
    }
    newest_packaged().or_else(on_path).expect(
        "no PostgreSQL server was found: install it (on Debian: postgresql), \
         or set LEDGER_TEST_PG_BIN to the directory that holds initdb, postgres and psql",
    )
}

fn newest_packaged() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(|path| Reverse(version(path)));
    versions
        .into_iter()
        .map(|path| path.join("bin"))
        .find(|directory| holds_server(directory))
}

/// `9.6` is older than `15`.
fn version(directory: &Path) -> Vec<u32> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|directory| holds_server(directory))
}

fn holds_server(directory: &Path) -> bool {
    directory.join("initdb").is_file()
}

/// The path of a unix socket may have about 100 bytes, which a directory below
/// a long `TMPDIR` would exceed. The guardian removes it.
fn short_temporary_directory() -> PathBuf {
    tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .expect("/tmp is writable")
        .keep()
}

/// A file, unlike a pipe, cannot block while psql waits for us to read.
fn file_holding(text: &str) -> File {
    let mut file = tempfile::tempfile().expect("the temporary directory is writable");
    file.write_all(text.as_bytes()).expect("the disk has room");
    file.rewind().expect("a file can be rewound");
    file
}

/// A test that panicked elsewhere must not fail the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
