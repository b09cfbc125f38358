//! PgBouncer in transaction mode: a session of the server goes from one client to the next with each transaction.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PORT: u16 = 6432;
const READY_WITHIN: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(5);

/// What has to be known of one that is run by the guardian of a server.
pub struct Pooler {
    pub program: PathBuf,
    directory: PathBuf,
}

impl Pooler {
    /// Settled in the directory of a server, with further settings.
    pub fn of(server: &Path, sessions: usize, further: &str) -> Self {
        let directory = server.display();
        let settings = format!(
            "[databases]\n\
             * = host={directory} port=5432\n\
             [pgbouncer]\n\
             listen_addr =\n\
             listen_port = {PORT}\n\
             unix_socket_dir = {directory}\n\
             auth_type = trust\n\
             auth_file = {directory}/pgbouncer.users\n\
             pool_mode = transaction\n\
             default_pool_size = {sessions}\n\
             max_client_conn = 1000\n\
             server_login_retry = 0.1\n\
             server_idle_timeout = 10\n\
             {further}\n"
        );
        fs::write(server.join("pgbouncer.ini"), settings).expect("the directory is ours");
        fs::write(server.join("pgbouncer.users"), "\"ledger\" \"\"\n").expect("the directory is ours");
        Self {
            program: find(),
            directory: server.to_owned(),
        }
    }

    pub fn url(&self, database: &str) -> String {
        let host = self.directory.display();
        format!("postgres:///{database}?host={host}&port={PORT}&user=ledger")
    }

    pub fn await_socket(&self) {
        let started = Instant::now();
        while !self.directory.join(format!(".s.PGSQL.{PORT}")).exists() {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(started.elapsed() < READY_WITHIN, "the pooler was not ready:\n{log}");
            sleep(READY_POLL);
        }
    }
}

fn find() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories
        .map(|directory| directory.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("no PgBouncer was found: install it (on Debian: pgbouncer)")
}
