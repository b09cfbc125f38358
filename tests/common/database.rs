//! A fresh database for each test, on either engine.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Row};
use tempfile::TempDir;

use super::command::Ledger;
use super::layout::{Layout, shared_server};

const SQLITE_FILE: &str = "ledger.db";
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A database of its own for one test. The SQLite file goes with it, the
/// PostgreSQL database with its server.
pub struct TestDatabase {
    pub engine: Engine,
    pub url: String,
    home: Arc<TempDir>,
    place: Place,
}

enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl TestDatabase {
    /// Migrated and empty.
    pub fn fresh(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let database = Self::unmigrated(engine);
                for (name, content) in sqlite_template() {
                    let file = database.home.path().join(name);
                    fs::write(&file, content).expect("the disk has room");
                    // As the binary makes them.
                    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
                }
                database
            }
            Engine::Postgres => {
                let name = unique_name();
                shared_server().clone_database(postgres_template(), &name);
                Self::on_shared_server(name)
            }
        }
    }

    /// For SQLite there is not even a file.
    pub fn unmigrated(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::in_new_directory(),
            Engine::Postgres => {
                let name = unique_name();
                shared_server().create_database(&name);
                Self::on_shared_server(name)
            }
        }
    }

    /// Migrated on a PostgreSQL that is taken for a Citus cluster; see `citus.sql`.
    pub fn on_citus_stub() -> Self {
        let database = Self::unmigrated(Engine::Postgres);
        database.sql(include_str!("citus.sql"));
        migrate(&database);
        database
    }

    fn in_new_directory() -> Self {
        let home = temporary_directory();
        let file = home.path().join(SQLITE_FILE);
        Self {
            engine: Engine::Sqlite,
            url: format!("sqlite://{}", file.display()),
            home: Arc::new(home),
            place: Place::Sqlite(file),
        }
    }

    fn on_shared_server(name: String) -> Self {
        Self {
            engine: Engine::Postgres,
            url: shared_server().url(&name),
            home: Arc::new(temporary_directory()),
            place: Place::Postgres(name),
        }
    }

    /// Another database that holds the same. Nobody may be at work on this one.
    pub fn copy(&self) -> Self {
        match &self.place {
            Place::Sqlite(_) => {
                let copy = Self::in_new_directory();
                for (name, content) in sqlite_files(self.directory()) {
                    fs::write(copy.directory().join(name), content).expect("the disk has room");
                }
                copy
            }
            Place::Postgres(template) => {
                let name = unique_name();
                shared_server().clone_database(template, &name);
                Self::on_shared_server(name)
            }
        }
    }

    /// Makes room: a server keeps its databases until it ends, and a campaign makes thousands.
    pub fn discard(self) {
        if let Place::Postgres(name) = &self.place {
            shared_server().psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }

    /// The binary on this database; every call gives the same working directory.
    pub fn ledger(&self) -> Ledger {
        Ledger::at_home(&self.url, Arc::clone(&self.home))
    }

    /// Where the binary works, and where the SQLite file is.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Runs statements as somebody other than the binary would, and returns
    /// the rows of all of them as `a|b|c` lines: NULL is empty, bytes are
    /// `\x` and hexadecimal digits.
    #[track_caller]
    pub fn sql(&self, text: &str) -> String {
        self.try_sql(text)
            .unwrap_or_else(|error| panic!("{} failed on {text}\n{error}", self.engine))
    }

    /// Runs statements of which one must fail, and returns the error's text.
    #[track_caller]
    pub fn sql_fails(&self, text: &str) -> String {
        match self.try_sql(text) {
            Ok(rows) => panic!("{} accepted {text}\n{rows}", self.engine),
            Err(error) => error,
        }
    }

    /// Runs statements as somebody who may do anything: on SQLite for good, and past every check, on PostgreSQL past
    /// triggers and foreign keys, while they run.
    #[track_caller]
    pub fn unguarded(&self, text: &str) {
        self.try_unguarded(text)
            .unwrap_or_else(|error| panic!("{} failed on {text}\n{error}", self.engine));
    }

    pub fn try_unguarded(&self, text: &str) -> Result<String, String> {
        let off = match self.engine {
            Engine::Sqlite => {
                "DROP TRIGGER IF EXISTS entries_no_update; DROP TRIGGER IF EXISTS entries_no_delete; \
                 PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON"
            }
            Engine::Postgres => "SET session_replication_role = replica",
        };
        self.try_sql(&format!("{off}; {text}"))
    }

    pub fn try_sql(&self, text: &str) -> Result<String, String> {
        match &self.place {
            Place::Sqlite(file) => sqlite_rows(file, text).map_err(|error| error.to_string()),
            Place::Postgres(name) => shared_server().try_psql(name, text),
        }
    }
}

/// The files which the binary's migration leaves, a write-ahead log included.
fn sqlite_template() -> &'static [(OsString, Vec<u8>)] {
    static TEMPLATE: OnceLock<Vec<(OsString, Vec<u8>)>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = TestDatabase::unmigrated(Engine::Sqlite);
        migrate(&database);
        sqlite_files(database.directory())
    })
}

/// The database and its log; what others have mapped of the log is made anew.
fn sqlite_files(directory: &Path) -> Vec<(OsString, Vec<u8>)> {
    let names = [SQLITE_FILE.to_owned(), format!("{SQLITE_FILE}-wal")];
    let files = names.into_iter().filter_map(|name| {
        let content = fs::read(directory.join(&name)).ok()?;
        Some((name.into(), content))
    });
    files.collect()
}

fn postgres_template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = TestDatabase::unmigrated(Engine::Postgres);
        if let Some(sql) = Layout::chosen().of_server() {
            database.sql(sql);
        }
        migrate(&database);
        if let Some(sql) = Layout::chosen().of_ledger() {
            database.sql(sql);
        }
        match database.place {
            Place::Postgres(name) => name,
            Place::Sqlite(file) => unreachable!("{}", file.display()),
        }
    })
}

fn migrate(database: &TestDatabase) {
    database.ledger().run(&["migrate", "up"]).expect_code(0);
}

fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn temporary_directory() -> TempDir {
    TempDir::new().expect("the temporary directory is writable")
}

fn sqlite_rows(file: &Path, text: &str) -> rusqlite::Result<String> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mut lines = Vec::new();
    let mut statements = Batch::new(&connection, text);
    while let Some(mut statement) = statements.next()? {
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            lines.push(line(row, columns)?);
        }
    }
    Ok(lines.join("\n"))
}

fn line(row: &Row<'_>, columns: usize) -> rusqlite::Result<String> {
    let fields: rusqlite::Result<Vec<String>> = (0..columns).map(|column| row.get_ref(column).map(shown)).collect();
    Ok(fields?.join("|"))
}

/// As psql shows it.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            std::iter::once("\\x".to_owned()).chain(digits).collect()
        }
    }
}

/// Makes of each function a module with the tests `sqlite` and `postgres`.
macro_rules! on_both_engines {
    ($($(#[$attribute:meta])* fn $name:ident($database:ident: TestDatabase) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn check($database: $crate::common::TestDatabase) $body

            $(#[$attribute])*
            #[test]
            fn sqlite() {
                check($crate::common::TestDatabase::fresh($crate::common::Engine::Sqlite));
            }

            $(#[$attribute])*
            #[test]
            fn postgres() {
                check($crate::common::TestDatabase::fresh($crate::common::Engine::Postgres));
            }
        }
    )*};
}

pub(crate) use on_both_engines;
