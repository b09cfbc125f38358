//! The three columns that say how a record was taken back: purchases, gifts, grants and recurring charges have them.

use diesel::deserialize;

use super::rows::Columns;
use super::statement::Statement;
use crate::domain::purchase::Deactivation;
use crate::domain::text::{Actor, Description};
use crate::domain::time::Timestamp;

pub(super) fn read_deactivation(columns: &mut impl Columns) -> deserialize::Result<Option<Deactivation>> {
    let at = columns.optional_int()?.map(Timestamp::from_micros);
    let by = columns.optional_text()?.map(|text| Actor::parse(&text)).transpose()?;
    let why = columns
        .optional_text()?
        .map(|text| Description::parse(&text))
        .transpose()?;
    Ok(at.zip(by).map(|(at, by)| Deactivation { at, by, why }))
}

/// When, by whom and why, where it has happened.
pub(super) fn bind_deactivation<'a>(statement: Statement<'a>, how: Option<&'a Deactivation>) -> Statement<'a> {
    statement
        .bind(how.map(|how| how.at.micros()))
        .bind(how.map(|how| how.by.as_str()))
        .bind(how.and_then(|how| how.why.as_ref()).map(Description::as_str))
}
