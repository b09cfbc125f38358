//! `ledger apply --import`

use std::io::BufRead;
use std::path::Path;

use crate::cli::context::{Context, invalid};
use crate::domain::code::Exit;
use crate::input::export::ExportReader;
use crate::ledger::LedgerError;
use crate::ledger::restore::{Part, broken, restore};
use crate::render::apply::imported;

pub fn run(context: &Context<'_>, path: &Path) -> anyhow::Result<Exit> {
    let unreadable = |error: std::io::Error| invalid(format!("{}: {error}", path.display()));
    let source = super::requests::input(path).map_err(unreadable)?;
    let mut reader = ExportReader::of(source).map_err(unreadable)?;
    let mut ledger = context.ledger()?;
    let mut parts = || next(&mut reader, path);
    let restored = restore(&mut ledger, &mut parts, &context.progress())?;
    context.done(&imported(&restored))
}

fn next(reader: &mut ExportReader<impl BufRead>, path: &Path) -> Result<Option<(u64, Part)>, LedgerError> {
    let read = reader.read();
    match read.map_err(|error| invalid(format!("{}: {error}", path.display())))? {
        None => Ok(None),
        Some((line, Ok(part))) => Ok(Some((line, part))),
        Some((line, Err(reason))) => Err(broken(line, reason)),
    }
}
