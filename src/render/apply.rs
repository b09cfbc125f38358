//! The lines of `apply`: what became of each, in the order of the input.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::document::{Block, Document};
use super::failure::Failure;
use super::posting::{PostedFields, posted_fields};
use super::suspension::suspended;
use crate::ledger::batch::Done;
use crate::ledger::export::Exported;
use crate::ledger::post::Outcome;

/// How many lines came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub lines: u64,
    pub applied: u64,
    pub already_applied: u64,
    pub refused: u64,
    pub failed: u64,
    /// Nothing was kept of what would have been applied.
    pub rolled_back: bool,
    /// Of what was to be kept, and was not because of another line.
    pub undone: Option<u64>,
}

/// What a moved ledger holds.
pub fn imported(restored: &Exported) -> Document {
    let data = json!({
        "imported": true,
        "accounts": restored.accounts,
        "entries": restored.entries,
        "digest": restored.digest.to_string(),
    });
    let human = vec![Block::Pairs(vec![
        ("Accounts", restored.accounts.to_string()),
        ("Entries", restored.entries.to_string()),
        ("Digest", restored.digest.to_string()),
    ])];
    Document::single("apply", data, human)
}

/// A line of the results.
#[derive(Clone, Debug)]
pub struct Row {
    pub ok: bool,
    pub text: String,
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// Named only where there are several.
    pub file: Option<Arc<str>>,
    pub line: u64,
}

#[derive(Serialize)]
struct Good<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    ok: bool,
    data: PostedFields<'a>,
}

#[derive(Serialize)]
struct Bad<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    ok: bool,
    error: Value,
}

#[derive(Serialize)]
struct Undone<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    ok: bool,
    data: UndoneFields<'a>,
}

#[derive(Serialize)]
struct UndoneFields<'a> {
    outcome: &'static str,
    idempotency_key: &'a str,
}

/// A line that could not be read, or was not carried out.
pub fn failed(place: &Place, failure: &Failure) -> Row {
    row(
        false,
        &Bad {
            file: place.file.as_deref(),
            line: place.line,
            ok: false,
            error: failure.object(),
        },
    )
}

fn row(ok: bool, fields: &impl Serialize) -> Row {
    // Fails only for maps whose keys are no texts, which none of ours has.
    let text = serde_json::to_string(fields).unwrap_or_default();
    Row { ok, text }
}

/// A line's outcome.
pub fn done(place: &Place, done: &Done, tally: &mut Tally) -> Row {
    let answer = match done {
        Ok(answer) => answer,
        Err(error) => {
            tally.failed += 1;
            return failed(place, &Failure::new(error.code(), error));
        }
    };
    let (posted, already) = match &answer.outcome {
        Outcome::Applied(posted) => (posted, false),
        Outcome::AlreadyApplied(posted) => (posted, true),
        Outcome::Refused(refusal) => {
            tally.refused += 1;
            return failed(place, &Failure::refused(refusal, &answer.currency, Some(&answer.key)));
        }
        Outcome::Suspended(refusal, suspension) => {
            tally.refused += 1;
            let failure = Failure::refused(refusal, &answer.currency, Some(&answer.key));
            return failed(place, &suspended(failure, suspension, &answer.currency));
        }
    };
    if let Some(undone) = &mut tally.undone
        && !already
    {
        *undone += 1;
        return row(
            false,
            &Undone {
                file: place.file.as_deref(),
                line: place.line,
                ok: false,
                data: UndoneFields {
                    outcome: "rolled_back",
                    idempotency_key: answer.key.as_str(),
                },
            },
        );
    }
    if already {
        tally.already_applied += 1;
    } else {
        tally.applied += 1;
    }
    row(
        true,
        &Good {
            file: place.file.as_deref(),
            line: place.line,
            ok: true,
            data: posted_fields(posted, already, &answer.key),
        },
    )
}

/// For people, on standard error: the results themselves are for programs.
pub fn summary(tally: &Tally, stopped: bool) -> Document {
    let mut pairs = vec![
        ("Lines", tally.lines.to_string()),
        ("Applied", tally.applied.to_string()),
        ("Already applied", tally.already_applied.to_string()),
        ("Refused", tally.refused.to_string()),
        ("Failed", tally.failed.to_string()),
    ];
    if let Some(undone) = tally.undone {
        pairs.push(("Rolled back", undone.to_string()));
    }
    let mut human = vec![Block::Pairs(pairs)];
    if tally.rolled_back {
        human.push(Block::Line("Nothing of it was written.".into()));
    }
    if stopped {
        human.push(Block::Line(
            "Stopped before the end; the same file again goes on where lines have idempotency keys.".into(),
        ));
    }
    let data = json!({
        "lines": tally.lines,
        "applied": tally.applied,
        "already_applied": tally.already_applied,
        "refused": tally.refused,
        "failed": tally.failed,
        "rolled_back": tally.rolled_back,
        "undone": tally.undone,
    });
    Document::single("apply", data, human)
}
