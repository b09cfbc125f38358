//! The database's address, and how it may be shown.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// Where the ledger lives. `Debug` and `Display` never show a password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

/// The text itself is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("the database URL is empty; use sqlite://PATH, a path, or postgres://USER@HOST/DATABASE")]
    Empty,
    #[error("the database URL has an unknown scheme; use sqlite://PATH, a path, or postgres://USER@HOST/DATABASE")]
    UnknownScheme,
    #[error("the database URL contains control characters")]
    ControlCharacter,
    #[error("sqlite://:memory: would forget everything at the end of the command; give a path")]
    InMemory,
    #[error("the address of a SQLite file has no parameters: leave out what begins with `?`")]
    Parameters,
}

impl DatabaseUrl {
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.chars().any(char::is_control) {
            return Err(InvalidUrl::ControlCharacter);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.into()));
        }
        let path = text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
            .unwrap_or(text);
        match path {
            "" => Err(InvalidUrl::Empty),
            ":memory:" => Err(InvalidUrl::InMemory),
            _ if is_no_path(path) => Err(InvalidUrl::UnknownScheme),
            _ if path.contains('?') => Err(InvalidUrl::Parameters),
            _ => Ok(Self::Sqlite(path.into())),
        }
    }
}

/// What nobody means as a path: another database's address, a misspelt one, or a string of key = value. As the name of
/// a file, its password would be shown.
fn is_no_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let schemes = ["postgres:", "postgresql:", "postgres/", "postgresql/", "file:"];
    let names_scheme = path.contains("://") || schemes.iter().any(|scheme| path.starts_with(scheme));
    // What may be a user, a password and a host.
    let names_user = path.split_once('@').is_some_and(|(before, _)| before.contains(':'));
    let keys = ["host=", "hostaddr=", "dbname=", "user=", "service=", "port="];
    let names_keys = path
        .split_whitespace()
        .any(|word| keys.iter().any(|key| word.starts_with(key)));
    let mut after_password = path
        .match_indices("password")
        .map(|(at, word)| &path[at + word.len()..]);
    names_scheme || names_user || names_keys || after_password.any(|rest| rest.trim_start().starts_with('='))
}

/// Parameters that others may read. Any other may be a secret, as may one whose name is written in another way.
const OPEN_PARAMETERS: [&str; 19] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "options",
    "port",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

impl DatabaseUrl {
    /// The address in full, which others may read; `None` where a password is in it. A file's path is absolute.
    pub fn without_password(&self) -> Option<String> {
        match self {
            Self::Sqlite(path) => {
                let path = std::path::absolute(path).ok()?;
                Some(format!("sqlite://{}", path.display()))
            }
            Self::Postgres(url) => {
                let has_credentials = match url.rsplit_once('@') {
                    Some((before, _)) => before.matches(':').count() > 1,
                    None => url
                        .split_once("://")
                        .is_some_and(|(_, rest)| has_password_for_port(rest)),
                };
                let mut parameters = url
                    .split_once('?')
                    .into_iter()
                    .flat_map(|(_, all)| all.split(['&', '?']));
                let all_open = parameters.all(|parameter| {
                    let name = parameter.split('=').next().unwrap_or_default();
                    OPEN_PARAMETERS.contains(&name)
                });
                (!has_credentials && all_open).then(|| url.clone())
            }
        }
    }
}

/// A PostgreSQL address by which the server is told one setting more when the connection begins, after the options of
/// the address, or else these. Name and value need no escaping.
pub fn with_server_setting(address: &str, options: &str, name: &str, value: &str) -> String {
    let after_scheme = address.find("://").map_or(0, |at| at + 3);
    // As libpq reads it: what comes before an `@` is no path and no parameter, whatever else is in it.
    let after_user = address[after_scheme..]
        .find(['@', '/'])
        .filter(|at| address[after_scheme + at..].starts_with('@'))
        .map_or(after_scheme, |at| after_scheme + at);
    let (separator, parameters) = match address[after_user..].find('?') {
        Some(at) => ('&', &address[after_user + at + 1..]),
        None => ('?', ""),
    };
    // Of several, the last counts.
    let given = parameters
        .rsplit('&')
        .find_map(|parameter| parameter.strip_prefix("options="));
    let given = given.map_or_else(|| escaped(options), str::to_owned);
    format!("{address}{separator}options={given}%20-c%20{name}%3D{value}")
}

/// For a parameter of an address.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        // A string takes all that is written to it.
        let _ = write!(escaped, "%{byte:02X}");
    }
    escaped
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_secrets(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Scheme, user and host, without what may be a secret: the user's password and every parameter.
///
/// Cuts at the last `@` and the first `?`, so that an unescaped `@` or `/` in a password hides too much
/// rather than too little; and where the last `@` may stand in a parameter, shows nothing of what follows it.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = match rest.rsplit_once('@') {
        Some((before, host)) => {
            let user = before.split([':', '/', '?', '@']).next().unwrap_or_default();
            let in_parameter = before.split_once('?').is_some_and(|(_, all)| all.contains('='));
            format!("{user}@{}", if in_parameter { "..." } else { host })
        }
        None if has_password_for_port(rest) => {
            let name = rest.split(':').next().unwrap_or_default();
            return format!("{scheme}://{name}:...");
        }
        None => rest.to_string(),
    };
    let shown = rest.split('?').next().unwrap_or_default();
    format!("{scheme}://{shown}")
}

/// Whether behind the colon of a host there is no port: a user and a password whose `@host` was forgotten.
fn has_password_for_port(rest: &str) -> bool {
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    let mut ports = hosts.split(',').filter_map(|host| {
        let (_, after_address) = host.rsplit_once(']').unwrap_or(("", host));
        Some(after_address.split_once(':')?.1)
    });
    ports.any(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_engines_apart() {
        assert_eq!(
            DatabaseUrl::parse("sqlite:///var/ledger.db"),
            Ok(DatabaseUrl::Sqlite("/var/ledger.db".into()))
        );
        assert_eq!(
            DatabaseUrl::parse("ledger.db"),
            Ok(DatabaseUrl::Sqlite("ledger.db".into()))
        );
        assert!(matches!(
            DatabaseUrl::parse("postgresql:///x"),
            Ok(DatabaseUrl::Postgres(_))
        ));
        for bad in [
            "",
            "sqlite://",
            "mysql://root:secret@h/db",
            "host=h password=secret",
            "host=h PassWord = 'secret'",
            "postgres:bob:secret@h/db",
            "PostgreSQL:/bob:secret@h/db",
            "sqlite://:memory:",
            "sqlite:///ledger.db?mode=ro",
            "a\nb",
        ] {
            let error = DatabaseUrl::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_only_told_in_full_without_a_password() {
        for (url, open) in [
            ("postgres://bob@db:5432/ledger?host=/run", true),
            ("postgres:///ledger", true),
            ("postgres://bob:s3cret@db/ledger", false),
            ("postgres://bob:s3cret/ledger", false),
            ("postgres://db:5432,[::1]:5433/ledger", true),
            ("postgres://db/ledger?password=s3cret", false),
            ("postgres://db/ledger?PassFile=s3cret", false),
            ("postgres://db/ledger?sslmode=require&p%61ssword=s3cret", false),
            ("postgres://db/ledger?oauth_client_secret=s3cret", false),
            ("postgres://db/ledger?sslmode=require?password=s3cret", false),
            ("postgres://passau/ledger?sslmode=require&connect_timeout=3", true),
            ("/var/lib/ledger.db", true),
        ] {
            assert_eq!(
                DatabaseUrl::parse(url).unwrap().without_password().is_some(),
                open,
                "{url}"
            );
        }
    }

    #[test]
    fn a_setting_is_told_after_those_of_the_address() {
        for (address, told) in [
            ("postgres:///ledger", "postgres:///ledger?options=%2D%64%20-c%20a.b%3D7"),
            (
                "postgres://bob:s3c?ret@db/ledger?host=/run",
                "postgres://bob:s3c?ret@db/ledger?host=/run&options=%2D%64%20-c%20a.b%3D7",
            ),
            (
                "postgres://bob:s3c?ret@db/ledger",
                "postgres://bob:s3c?ret@db/ledger?options=%2D%64%20-c%20a.b%3D7",
            ),
            (
                "postgres://db/ledger?options=-c%20x%3D1&user=a@b",
                "postgres://db/ledger?options=-c%20x%3D1&user=a@b&options=-c%20x%3D1%20-c%20a.b%3D7",
            ),
        ] {
            assert_eq!(with_server_setting(address, "-d", "a.b", "7"), told);
        }
    }

    #[test]
    fn never_shows_a_password() {
        for url in [
            "postgres://bob:s3cret@db/ledger",
            "postgres://bob:s3c@ret@db/ledger",
            "postgres://bob:s3cr?et@db/ledger",
            "postgres://db/ledger?user=bob&password=s3cret",
            "postgres://bob:s3cret/x@db:not-a-port/ledger",
        ] {
            let shown = DatabaseUrl::parse(url).unwrap().to_string();
            assert!(!shown.contains("s3c"), "{shown}");
            assert!(shown.contains("db/ledger") || shown.contains("db:"), "{shown}");
        }
        for url in [
            "postgres://bob:s3cret/ledger",
            "postgres://bob:s3cret",
            "postgres://bob:s3c/ret?x=1",
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap().to_string(), "postgres://bob:...");
        }
        let two = "postgres://db:5432,[::1]:5433/ledger";
        assert_eq!(DatabaseUrl::parse(two).unwrap().to_string(), two);
        let url = DatabaseUrl::parse("postgres://db/ledger?user=bob&password=p@s3cret").unwrap();
        assert_eq!(url.to_string(), "postgres://db@...");
    }
}
