//! Opening a connection to a PostgreSQL server: what it is asked before anything is written, and what it is told.

use std::time::Duration;

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::{Connection as _, ConnectionError, PgConnection, RunQueryDsl, deserialize};

use super::backend::{Connection, Session};
use super::error::DbError;
use super::rows::{Columns, FromRow, Loaded};
use super::statement::sql;
use super::url::{DatabaseUrl, with_server_setting};

/// The setting by which a connection finds out whether the server's session is its own.
const MARK: &str = "ledger.connection";

/// Connects, and asserts the settings on which durability rests.
///
/// The isolation level is the server's: read committed is enough for every rule, and whoever has set a stronger default
/// gets it, with more transactions to repeat.
///
/// A pooler gives one session of the server to many clients in turn. What one of them prepares or sets there is met by
/// the others, and under the name of a prepared statement there may be another one by then. So a connection begins with
/// a mark that only a session of its own shows; where it is missing, nothing is left in the session.
pub fn open(address: &str, url: &DatabaseUrl, lock_timeout: Duration) -> Result<Connection, DbError> {
    let mark = format!("{:016x}", fastrand::u64(..));
    // What libpq would take for itself, were there no options in the address.
    let options = std::env::var("PGOPTIONS").unwrap_or_default();
    let marked = PgConnection::establish(&with_server_setting(address, &options, MARK, &mark));
    let opened = match marked {
        Err(error) if refuses_settings(&error) => PgConnection::establish(address),
        opened => opened,
    };
    let mut connection = opened.map_err(|error| unreachable_server(&error, url))?;
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    let server = ask(&mut connection, &mark)?;
    server.refuse_carelessness()?;
    // The server counts in milliseconds, to some 25 days.
    let lock_timeout = lock_timeout.as_millis().clamp(1, 2_147_483_647);
    let settings = |set: &str| format!("{set} lock_timeout = {lock_timeout}; {set} client_min_messages = warning");
    let session = if server.shows_mark {
        connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
        connection.batch_execute(&settings("SET"))?;
        Session::Own
    } else {
        log::debug!("a pooler stands before the server: nothing is kept in its sessions");
        Session::Shared {
            settings: settings("SET LOCAL"),
        }
    };
    Ok(Connection::Postgres {
        connection,
        is_sharded: server.is_sharded,
        session,
    })
}

struct Server {
    fsync: String,
    synchronous_commit: String,
    is_sharded: bool,
    shows_mark: bool,
}

impl FromRow for Server {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            fsync: columns.text()?,
            synchronous_commit: columns.text()?,
            is_sharded: columns.boolean()?,
            shows_mark: columns.boolean()?,
        })
    }
}

fn ask(connection: &mut PgConnection, mark: &str) -> Result<Server, DbError> {
    let question = sql(
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
         EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus') \
         OR COALESCE(LOWER(current_setting('ledger.sharded', true)) IN ('on', 'true', 'yes', '1'), FALSE), \
         COALESCE(current_setting(?, true) = ?, FALSE)",
    )
    .bind(MARK)
    .bind(mark);
    let answer = question.load::<Loaded<Server>>(connection)?.pop();
    let Some(Loaded(server)) = answer else {
        return Err(DbError::Lost("the server did not tell its settings".into()));
    };
    Ok(server)
}

impl Server {
    fn refuse_carelessness(&self) -> Result<(), DbError> {
        if self.fsync == "off" {
            return Err(DbError::Configuration(
                "the server runs with fsync = off and would lose money in a crash; set fsync = on".into(),
            ));
        }
        if self.synchronous_commit == "off" {
            log::warn!(
                "the server runs with synchronous_commit = off: a crash can lose the last acknowledged operations"
            );
        }
        Ok(())
    }
}

/// What poolers say that take no settings with a connection.
fn refuses_settings(error: &ConnectionError) -> bool {
    let text = error.to_string();
    ["startup parameter", "command-line options"]
        .iter()
        .any(|needle| text.contains(needle))
}

/// What the driver says, what it comes to, and what to do about it where trying again is of no use.
const REASONS: [(&str, Option<&str>); 18] = [
    ("authentication failed", Some("it refuses the credentials")),
    ("no password supplied", Some("it refuses the credentials")),
    ("pg_hba.conf", Some("it lets nobody in from here: see its pg_hba.conf")),
    ("server does not support SSL", Some("it has no TLS; see sslmode")),
    (
        "certificate",
        Some("its certificate is not accepted; see sslmode and sslrootcert"),
    ),
    ("SSL error", Some("TLS fails; see sslmode and sslrootcert")),
    ("Connection refused", None),
    ("No such file or directory", None),
    ("could not translate host name", None),
    ("timeout", None),
    ("server closed the connection", None),
    ("the database system is", None),
    ("remaining connection slots", None),
    ("too many clients", None),
    ("no more connections allowed", None),
    ("server login", None),
    ("Network is unreachable", None),
    ("No route to host", None),
];

/// The reason without what may hold a password: the driver may repeat the address it could not parse.
fn unreachable_server(error: &ConnectionError, url: &DatabaseUrl) -> DbError {
    let text = error.to_string();
    let says = |needle: &str| text.contains(needle);
    if let Some((found, remedy)) = REASONS.iter().find(|(needle, _)| says(needle)) {
        return match remedy {
            Some(reason) => DbError::Configuration(format!("{url}: {reason}")),
            None => DbError::Unreachable(format!("{url}: {found}")),
        };
    }
    if says("role") && says("does not exist") {
        DbError::Configuration(format!("{url}: the role does not exist"))
    } else if says("database") && says("does not exist") {
        DbError::Configuration(format!("{url}: the database does not exist; create it with `createdb`"))
    } else if says("invalid") || says("missing") || says("unexpected") || says("URI") {
        DbError::Configuration(format!(
            "{url} is not a usable address; write postgres://USER@HOST:PORT/DATABASE"
        ))
    } else {
        DbError::Unreachable(format!("{url}: no connection"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trying_again_does_not_cure_is_a_matter_of_configuration() {
        for (said, is_configuration, reason) in [
            (
                "FATAL:  password authentication failed for user \"bob\"",
                true,
                "credentials",
            ),
            (
                "FATAL:  no pg_hba.conf entry for host \"10.0.0.7\", user \"bob\"",
                true,
                "pg_hba.conf",
            ),
            ("server does not support SSL, but SSL was required", true, "sslmode"),
            ("SSL error: certificate verify failed", true, "certificate"),
            (
                "root certificate file \"/x/root.crt\" does not exist",
                true,
                "certificate",
            ),
            ("FATAL:  role \"bob\" does not exist", true, "role"),
            ("invalid port number: \"x\"", true, "not a usable address"),
            (
                "could not translate host name \"db.invalid\" to address",
                false,
                "host name",
            ),
            (
                "connection to server at \"10.0.0.7\", port 5432 failed: Connection refused",
                false,
                "refused",
            ),
            ("FATAL:  the database system is starting up", false, "database system"),
            ("FATAL:  sorry, too many clients already", false, "too many clients"),
            ("something that nobody has heard of", false, "no connection"),
        ] {
            let url = DatabaseUrl::parse("postgres://bob:s3cret@db/ledger").unwrap();
            let error = unreachable_server(&ConnectionError::BadConnection(said.into()), &url);
            assert_eq!(matches!(error, DbError::Configuration(_)), is_configuration, "{error}");
            let text = error.to_string();
            assert!(text.contains(reason) && !text.contains("s3cret"), "{text}");
        }
    }
}
