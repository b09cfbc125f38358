//! `ledger apply`

mod import;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::purchase::TermsArgs;
use super::{help, signals};
use crate::domain::code::{Code, Exit};
use crate::input::operations::Wrong;
use crate::ledger::batch::{Batches, Done, Keep, Prepared};
use crate::ledger::clock::Stopwatch;
use crate::ledger::pace::Pace;
use crate::ledger::{Ledger, LedgerError, interrupt};
use crate::render::apply::{Place, Row, Tally, done, failed, summary};
use crate::render::failure::Failure;
use crate::render::writer::Writer;
use requests::{Requests, Source};

/// Apply thousands of operations from files or standard input
///
/// A line is a command's name and its options: {"op":"charge","user_id":"5","amount":"50000","service":"vps"}, or a CSV
/// row under a header of the same names. Each line is applied or refused by itself, by the rules of the single
/// command; the results are NDJSON on standard output, in the order of the input, and name the file where there are
/// several. Give each line an idempotency_key: then the same file again, after whatever happened, changes nothing that
/// was done. Exits 7 when some lines were not.
///
/// --import moves a ledger instead: it fills an empty one, on either engine, from what `ledger export --to ndjson` has
/// written, with the same ids, hashes and digest, and with the keys, so that what was applied there is known here. Every
/// line is checked; all of it is kept or nothing (exit 6 and the number of the line), also when it is stopped half-way.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger apply charges.ndjson > results.ndjson
    generate-charges | ledger apply - --atomic
    ledger apply charges.csv --dry-run
    ledger export --to ndjson | ledger apply --import - --database-url postgres://ledger@db/ledger"))]
pub struct ApplyArgs {
    /// NDJSON or CSV; - is standard input
    #[arg(required_unless_present = "import")]
    files: Vec<PathBuf>,
    /// Fill an empty ledger from an ndjson export; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "atomic", "dry_run"])]
    import: Option<PathBuf>,
    /// All lines or none: one that is refused undoes the others (exit 1)
    #[arg(long)]
    atomic: bool,
    /// Say what would happen, and write nothing
    #[arg(long, conflicts_with = "atomic")]
    dry_run: bool,
    #[command(flatten)]
    terms: TermsArgs,
}

pub fn run(context: &Context<'_>, args: &ApplyArgs) -> anyhow::Result<Exit> {
    if let Some(path) = &args.import {
        return import::run(context, path);
    }
    let mut ledger = context.ledger()?;
    let requests = Requests::new(context.ledger()?, context.currency_code()?, args.terms.parse()?);
    // It may wait for its first line.
    let sources = requests::open_all(&args.files)?;
    let batches = Batches::begin(&mut ledger)?;
    let mut application = Application {
        writer: context.writer,
        ledger,
        batches,
        tally: Tally::default(),
    };
    let keep = match (args.atomic, args.dry_run) {
        (true, _) => Some(Keep::AllOrNothing),
        (false, true) => Some(Keep::Nothing),
        (false, false) => None,
    };
    let ended = match keep {
        None => {
            signals::long_work();
            application.in_chunks(requests, sources)
        }
        // A signal ends it at once: the database rolls the one transaction back.
        Some(keep) => application.together(requests, sources, keep),
    };
    let stopped = matches!(ended, Err(LedgerError::Interrupted));
    let tally = application.tally;
    // Of what could not even begin there is nothing to sum up.
    if ended.is_ok() || stopped || tally.lines > 0 {
        context.writer.tell_aside(&summary(&tally, stopped))?;
    }
    ended?;
    Batches::end(&mut application.ledger)?;
    application.ledger.leave_open();
    Ok(exit(&tally, args.atomic))
}

const fn exit(tally: &Tally, atomic: bool) -> Exit {
    match (tally.refused + tally.failed, atomic) {
        (0, _) => Exit::Done,
        (_, true) => Exit::No,
        (_, false) => Exit::Partly,
    }
}

/// Where a line stands, and why it asks nothing, if it does not.
type Line = (Place, Result<(), Box<Wrong>>);

/// Lines with their places, in the order of the input, and what they ask, without those that ask nothing.
struct Chunk {
    lines: Vec<Line>,
    requests: Vec<Prepared>,
}

/// What comes from the thread that reads; nothing more after the end.
type Read = Result<Option<Chunk>, LedgerError>;

/// Three of these are in memory at once: the one that is read, the one that is written, the one that is shown.
const LARGEST_CHUNK: usize = 131_072;

/// How many results are made before they are written.
const LINES_SHOWN: usize = 1_000;

/// How often a signal is looked for while no input comes.
const PATIENCE: Duration = Duration::from_millis(100);

struct Application {
    writer: Writer,
    ledger: Ledger,
    batches: Batches,
    tally: Tally,
}

impl Application {
    /// Line by line in bounded memory, some thousands to a transaction: while one chunk is written, the next is read
    /// and the one before is shown.
    fn in_chunks(&mut self, requests: Requests, sources: Vec<Source>) -> Result<(), LedgerError> {
        let mut pace = Pace::new(self.ledger.lock_timeout(), LARGEST_CHUNK);
        let size = Arc::new(AtomicUsize::new(pace.size()));
        let (send, chunks) = sync_channel(0);
        // Not waited for in the end: it may hang on an input that does not come.
        std::thread::spawn({
            let size = Arc::clone(&size);
            move || read_all(requests, sources, &size, &send)
        });
        let (writer, tally) = (self.writer, &mut self.tally);
        let (ledger, batches) = (&mut self.ledger, &mut self.batches);
        std::thread::scope(|scope| {
            let (send, done) = sync_channel::<(Vec<Line>, Vec<Done>)>(0);
            let shown = scope.spawn(move || {
                let mut done = done.iter();
                done.try_for_each(|(lines, answers)| show(writer, tally, &lines, answers))
            });
            let mut work = || -> Result<(), LedgerError> {
                while let Some(chunk) = next(&chunks)? {
                    let started = Stopwatch::start();
                    let (answers, ended) = batches.carry_out(ledger, &chunk.requests);
                    pace.took(started.elapsed());
                    size.store(pace.size().min(batches.at_once()), Ordering::Relaxed);
                    // What was asked is not needed any more.
                    let Chunk { lines, requests } = chunk;
                    drop(requests);
                    let has_begun = ended.is_ok() || !answers.is_empty();
                    if has_begun && send.send((lines, answers)).is_err() {
                        // What is wrong with the output is told by the thread that has found out.
                        break;
                    }
                    ended?;
                }
                Ok(())
            };
            let worked = work();
            drop(send);
            let shown = shown.join();
            worked?;
            shown.unwrap_or_else(|_| Err(died()))
        })
    }

    fn together(&mut self, mut requests: Requests, sources: Vec<Source>, keep: Keep) -> Result<(), LedgerError> {
        let mut all = Chunk {
            lines: Vec::new(),
            requests: Vec::new(),
        };
        for mut source in sources {
            loop {
                let mut chunk = requests.chunk(&mut source, LARGEST_CHUNK)?;
                if chunk.lines.is_empty() {
                    break;
                }
                all.lines.append(&mut chunk.lines);
                all.requests.append(&mut chunk.requests);
            }
        }
        // A line that cannot be read is one that is not applied.
        let unreadable = all.requests.len() < all.lines.len();
        let wanted = if unreadable { Keep::Nothing } else { keep };
        let (answers, kept) = self
            .batches
            .carry_out_together(&mut self.ledger, &all.requests, wanted)?;
        self.tally.rolled_back = !kept;
        // What would happen is the answer of a dry run, and no answer at all where it was to happen.
        self.tally.undone = (!kept && keep == Keep::AllOrNothing).then_some(0);
        show(self.writer, &mut self.tally, &all.lines, answers)
    }
}

/// Reads chunk after chunk, as large as is asked for at that moment, until nobody wants any more.
fn read_all(mut requests: Requests, sources: Vec<Source>, size: &AtomicUsize, send: &SyncSender<Read>) {
    for mut source in sources {
        loop {
            let chunk = requests.chunk(&mut source, size.load(Ordering::Relaxed));
            let ended = chunk.as_ref().is_ok_and(|chunk| chunk.lines.is_empty());
            if ended {
                break;
            }
            let failed = chunk.is_err();
            if send.send(chunk.map(Some)).is_err() || failed {
                return;
            }
        }
    }
    // Whether anybody still wants to know makes no difference.
    let _ = send.send(Ok(None));
}

/// The next chunk that was read; `None` at the end.
fn next(chunks: &Receiver<Read>) -> Read {
    loop {
        interrupt::check()?;
        match chunks.recv_timeout(PATIENCE) {
            Ok(read) => return read,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(died()),
        }
    }
}

fn died() -> LedgerError {
    LedgerError::invalid(Code::Internal, "a thread of apply has ended unexpectedly")
}

fn show(writer: Writer, tally: &mut Tally, lines: &[Line], answers: Vec<Done>) -> Result<(), LedgerError> {
    let mut answers = answers.into_iter();
    for some in lines.chunks(LINES_SHOWN) {
        let rows: Vec<Row> = some.iter().map_while(|line| row(line, &mut answers, tally)).collect();
        let shown = writer.rows(&rows);
        shown.map_err(|error| LedgerError::unwritable("standard output", &error))?;
        if rows.len() < some.len() {
            break;
        }
    }
    Ok(())
}

/// What became of a line; `None` of one that its chunk did not come to.
fn row((place, read): &Line, answers: &mut impl Iterator<Item = Done>, tally: &mut Tally) -> Option<Row> {
    let row = match read {
        Err(wrong) => {
            tally.failed += 1;
            failed(place, &Failure::new(wrong.code, &wrong.reason))
        }
        Ok(()) => done(place, &answers.next()?, tally),
    };
    tally.lines += 1;
    Some(row)
}
