//! `ledger doctor`

use clap::Args;

use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::doctor::{Patient, examine};
use crate::render;

/// Look at everything around the ledger, and say what to do about what is not right
///
/// The database and its schema, the settings on which durability rests, clocks, rights, room on the disk, files that
/// others may read, jobs that did not run or did not end well, leases of dead runs, attempts that a crash left behind,
/// open alerts. Looks as far as it gets and changes nothing. Exits 0 for all well, 1 for warnings, 3 for errors, 4 when
/// the database is not reachable.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger doctor
    ledger doctor -q --format json"))]
pub struct DoctorArgs {}

pub fn run(context: &Context<'_>, _args: &DoctorArgs) -> anyhow::Result<Exit> {
    let patient = Patient {
        url: context.database_url()?,
        lock_timeout: context.lock_timeout()?,
        clock: context.clock()?,
    };
    let seen = examine(&patient);
    context.ended(&render::doctor::examination(&seen, context.writer.quiet), seen.exit())
}
