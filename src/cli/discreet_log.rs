//! The log, without what libraries that talk to others would tell of addresses and headers, whatever `RUST_LOG` asks.

use env_logger::Logger;
use log::{Level, Log, Metadata, Record};

/// They log what they send, which holds credentials.
const TALKATIVE: [&str; 5] = ["ureq", "lettre", "native_tls", "openssl", "rustls"];

struct Discreet(Logger);

fn tells_too_much(metadata: &Metadata<'_>) -> bool {
    metadata.level() > Level::Warn && TALKATIVE.iter().any(|library| metadata.target().starts_with(library))
}

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !tells_too_much(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !tells_too_much(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Makes it the log of this process.
pub fn install(logger: Logger) {
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(most);
    }
}
