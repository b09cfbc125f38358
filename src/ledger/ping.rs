//! Dead-man monitors: told by HTTP that a run begins, and how it ended, so that a missing one is noticed elsewhere.
//!
//! The address is a secret: whoever knows it can keep an alarm from ringing.

use std::time::Duration;

use ureq::{Agent, Error};

use super::error::LedgerError;
use super::web;
use crate::domain::code::{Code, Exit};
use crate::domain::text::server_of;

/// A monitor must not keep a job waiting.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: u8 = 2;

/// The monitor of one run. `Debug` would show its address, and so there is none.
pub struct Monitor {
    /// Without a slash at the end.
    path: String,
    /// With its question mark; may be empty.
    query: String,
    agent: Agent,
}

impl Monitor {
    /// Takes the address that the monitor gave out, such as `https://hc-ping.com/UUID`.
    pub fn parse(address: &str) -> Result<Self, LedgerError> {
        let is_web = address.starts_with("https://") || address.starts_with("http://");
        let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
        if !is_web || path.ends_with("://") || address.contains(|c: char| c.is_control() || c == ' ' || c == '#') {
            return Err(LedgerError::invalid(
                Code::InvalidInput,
                "--ping is the address that a monitor gave out, such as https://hc-ping.com/UUID",
            ));
        }
        let agent = web::agent(PATIENCE).build();
        Ok(Self {
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
            agent: agent.into(),
        })
    }

    pub fn started(&self) {
        self.tell("start");
    }

    pub fn ended(&self, exit: Exit) {
        self.tell(&exit.code().to_string());
    }

    /// A monitor that does not listen is a reason to say so, also to who wants to hear of trouble only, never to fail.
    fn tell(&self, what: &str) {
        let address = format!("{}/{what}{}", self.path, self.query);
        for left in (0..TRIES).rev() {
            match self.agent.get(&address).call() {
                Ok(_) => return,
                Err(error) if left == 0 => {
                    log::error!("{} was not told ({what}): {}", server_of(&self.path), reason(&error));
                }
                Err(_) => {}
            }
        }
    }
}

/// Some errors repeat the address.
fn reason(error: &Error) -> String {
    match error {
        Error::StatusCode(status) => format!("it answered {status}"),
        Error::Timeout(_) => "it does not answer in time".into(),
        Error::HostNotFound => "there is no such host".into(),
        Error::Io(error) => error.kind().to_string(),
        _ => "it cannot be reached".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_it() {
        for address in [
            "",
            "s3cret",
            "ftp://s3cret",
            "https://",
            "https://a b/s3cret",
            "https://a/#s3cret",
        ] {
            let error = Monitor::parse(address).err().unwrap().to_string();
            assert!(error.contains("--ping is") && !error.contains("s3cret"), "{error}");
        }
    }
}
