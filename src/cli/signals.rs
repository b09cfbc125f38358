//! SIGINT and SIGTERM: long work stops between two transactions, everything else at once.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::domain::code::Exit;
use crate::ledger::interrupt;

static LONG_WORK: AtomicBool = AtomicBool::new(false);
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// Listens in a thread of its own.
pub fn install() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let first = RECEIVED.swap(signal, Ordering::SeqCst) == 0;
            interrupt::request();
            if !(first && LONG_WORK.load(Ordering::SeqCst)) {
                end(exit_code(signal));
            }
        }
    });
}

/// From now on a first signal only asks; the work looks between its transactions.
pub fn long_work() {
    LONG_WORK.store(true, Ordering::SeqCst);
}

/// The exit code of interrupted work names the signal.
pub fn exit_of(exit: Exit) -> Exit {
    match (exit, RECEIVED.load(Ordering::SeqCst)) {
        (Exit::Interrupted, SIGTERM) => Exit::Terminated,
        (exit, _) => exit,
    }
}

const fn exit_code(signal: i32) -> Exit {
    if signal == SIGTERM {
        Exit::Terminated
    } else {
        Exit::Interrupted
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the database rolls back what is open when the process ends"
)]
fn end(exit: Exit) {
    std::process::exit(i32::from(exit.code()));
}
