//! Addresses of databases: whatever stands around it, a password is shown nowhere.

use ledger::ledger::DatabaseUrl;

/// No address has it by chance.
const SECRET: &str = "s3cr3t-c4n4ry";

/// Parts of an address, a line each; what is missing is empty.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.contains(SECRET) {
        return;
    }
    check_shown(text);
    let mut parts = text.splitn(5, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (user, before, after, host, rest) = (part(), part(), part(), part(), part());
    // What ends the name of a user, so that the password would be none.
    let user = user.split(['@', '/', '?', '#', ':']).next().unwrap_or_default();
    for scheme in [
        "postgres://",
        "postgresql://",
        "Postgres://",
        "postgres:/",
        "postgres:",
        "POSTGRESQL:",
        "mysql://",
        "postgres//",
        "postgresql/",
        "",
    ] {
        // That names a file.
        if scheme.is_empty() && user == "sqlite" {
            continue;
        }
        never_shown(&format!("{scheme}{user}:{before}{SECRET}{after}@{host}/{rest}"));
    }
    let value = before.replace(['&', '='], "");
    for parameter in [
        "password",
        "p%61ssword",
        "pass%77ord",
        "sslpassword",
        "oauth_client_secret",
        "scram_client_key",
    ] {
        let query = format!("{parameter}={value}{SECRET}{after}");
        never_shown(&format!("postgres://{host}/{rest}?{query}"));
        never_shown(&format!("postgres:///{rest}?sslmode=require&{query}"));
    }
    for spelling in [
        "password=",
        "password =",
        "password\u{20}\u{20}= '",
        "PASSWORD=",
        "sslpassword=",
        "user=x password= ",
    ] {
        never_shown(&format!("host={host} {spelling}{SECRET}{after}"));
    }
}

fn never_shown(text: &str) {
    for shown in check_shown(text) {
        assert!(!shown.contains(SECRET), "{text:?} is shown as {shown:?}");
    }
}

/// Everything that is ever said of an address, which is one line of text.
fn check_shown(text: &str) -> Vec<String> {
    let shown = match DatabaseUrl::parse(text) {
        Ok(url) => {
            let mut shown = vec![url.to_string(), format!("{url:?}"), format!("{url:#?}")];
            if let Some(whole) = url.without_password() {
                // Told in full, it leads to the same place.
                assert_eq!(
                    DatabaseUrl::parse(&whole).map(|url| url.without_password()),
                    Ok(Some(whole.clone()))
                );
                shown.push(whole);
            }
            shown
        }
        Err(invalid) => vec![invalid.to_string(), format!("{invalid:?}")],
    };
    assert!(shown.iter().all(|shown| !shown.contains(char::is_control)), "{shown:?}");
    shown
}
