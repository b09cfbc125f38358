//! The library looks over a whole ledger and mends nothing.

use ledger::ledger::scan::Depth;
use ledger::ledger::verify::{Scope, Verify};

pub fn a_look(depth: Depth) -> Verify {
    Verify {
        scope: Scope::ALL,
        depth,
        fix: false,
        max_fixes: None,
        max_delta: None,
        backup: false,
        anchor: None,
    }
}
