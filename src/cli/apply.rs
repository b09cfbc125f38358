//! `ledger apply`

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;

use super::context::{Context, invalid};
use super::purchase::TermsArgs;
use super::{help, signals};
use crate::domain::account::AccountId;
use crate::domain::code::{Code, Exit};
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::text::UserId;
use crate::domain::worth::Terms;
use crate::input::operations::{Fields, Line, Owner, Wrong};
use crate::input::rows::Rows;
use crate::ledger::batch::{Batches, Done, Keep};
use crate::ledger::clock::Stopwatch;
use crate::ledger::pace::Pace;
use crate::ledger::post::Request;
use crate::ledger::{Ledger, LedgerError, account, currency, interrupt};
use crate::render::apply::{Place, Row, Tally, done, failed, summary};
use crate::render::failure::Failure;

/// Apply thousands of operations from files or standard input
///
/// A line is a command's name and its options: {"op":"charge","user_id":"5","amount":"50000","service":"vps"}, or a CSV
/// row under a header of the same names. Each line is applied or refused by itself, by the rules of the single
/// command; the results are NDJSON on standard output, in the order of the input, and name the file where there are
/// several. Give each line an idempotency_key: then the same file again, after whatever happened, changes nothing that
/// was done. Exits 7 when some lines were not.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger apply charges.ndjson > results.ndjson
    generate-charges | ledger apply - --atomic
    ledger apply charges.csv --dry-run"))]
pub struct ApplyArgs {
    /// NDJSON or CSV; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
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
    signals::long_work();
    let mut application = Application {
        context,
        reader: RequestReader {
            default: context.currency_code()?,
            terms: args.terms.parse()?,
            currencies: HashMap::new(),
            owners: HashMap::new(),
        },
        ledger: context.ledger()?,
        batches: Batches::default(),
        tally: Tally::default(),
    };
    let keep = match (args.atomic, args.dry_run) {
        (true, _) => Some(Keep::AllOrNothing),
        (false, true) => Some(Keep::Nothing),
        (false, false) => None,
    };
    let ended = match keep {
        None => application.in_chunks(&args.files),
        Some(keep) => application.together(&args.files, keep),
    };
    let stopped = matches!(ended, Err(LedgerError::Interrupted));
    let tally = application.tally;
    application.ledger.leave_open();
    // Of what could not even begin there is nothing to sum up.
    if ended.is_ok() || stopped || tally.lines > 0 {
        context.writer.tell_aside(&summary(&tally, stopped))?;
    }
    ended?;
    Ok(exit(&tally, args.atomic))
}

const fn exit(tally: &Tally, atomic: bool) -> Exit {
    match (tally.refused + tally.failed, atomic) {
        (0, _) => Exit::Done,
        (_, true) => Exit::No,
        (_, false) => Exit::Partly,
    }
}

/// A line's place, and the request that it makes, or why it makes none.
type RequestRead = (Place, Result<Request, Wrong>);

struct Application<'c, 'g> {
    context: &'c Context<'g>,
    ledger: Ledger,
    reader: RequestReader,
    batches: Batches,
    tally: Tally,
}

impl Application<'_, '_> {
    /// Line by line in bounded memory, some thousands to a transaction.
    fn in_chunks(&mut self, files: &[PathBuf]) -> Result<(), LedgerError> {
        let mut pace = Pace::new(self.ledger.lock_timeout());
        // One that cannot be opened is told before anything is applied.
        let sources: Result<Vec<Source>, LedgerError> = files.iter().map(open).collect();
        for (mut source, file) in sources?.into_iter().zip(names(files)) {
            loop {
                interrupt::check()?;
                let most = usize::try_from(pace.size()).unwrap_or(usize::MAX);
                let chunk = self.chunk(&mut source, file.as_ref(), most)?;
                if chunk.is_empty() {
                    break;
                }
                let started = Stopwatch::start();
                let answers = self.batches.carry_out(&mut self.ledger, &requests(&chunk))?;
                pace.took(started.elapsed());
                self.show(&chunk, answers)?;
            }
        }
        Ok(())
    }

    fn together(&mut self, files: &[PathBuf], keep: Keep) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        for (path, file) in files.iter().zip(names(files)) {
            lines.extend(self.chunk(&mut open(path)?, file.as_ref(), usize::MAX)?);
        }
        let requests = requests(&lines);
        // A line that cannot be read is one that is not applied.
        let unreadable = requests.len() < lines.len();
        let keep = if unreadable { Keep::Nothing } else { keep };
        let (answers, kept) = self.batches.carry_out_together(&mut self.ledger, &requests, keep)?;
        self.tally.rolled_back = !kept;
        self.show(&lines, answers)
    }

    fn chunk(
        &mut self,
        source: &mut Source,
        file: Option<&Rc<str>>,
        most: usize,
    ) -> Result<Vec<RequestRead>, LedgerError> {
        let unreadable = |error: std::io::Error| invalid(format!("the input: {error}"));
        let mut chunk = Vec::new();
        while chunk.len() < most {
            let Some((line, fields)) = source.read().map_err(unreadable)? else {
                break;
            };
            let request = match fields {
                Ok(fields) => self.reader.request(&mut self.ledger, fields)?,
                Err(wrong) => Err(wrong),
            };
            let file = file.cloned();
            chunk.push((Place { file, line }, request));
        }
        Ok(chunk)
    }

    fn show(&mut self, lines: &[RequestRead], answers: Vec<Done>) -> Result<(), LedgerError> {
        let mut answers = answers.into_iter();
        let mut rows: Vec<Row> = Vec::with_capacity(lines.len());
        for (place, read) in lines {
            self.tally.lines += 1;
            let row = match read {
                Err(Wrong { code, reason }) => {
                    self.tally.failed += 1;
                    failed(place, &Failure::new(*code, reason))
                }
                Ok(_) => match answers.next() {
                    Some(answer) => done(place, &answer, &mut self.tally),
                    None => failed(place, &Failure::new(Code::Internal, "no answer")),
                },
            };
            rows.push(row);
        }
        let shown = self.context.writer.rows(&rows);
        shown.map_err(|error| LedgerError::invalid(Code::Internal, error))
    }
}

/// What the results call each file: nothing where there is but one.
fn names(files: &[PathBuf]) -> Vec<Option<Rc<str>>> {
    let name = |path: &PathBuf| (files.len() > 1).then(|| path.display().to_string().into());
    files.iter().map(name).collect()
}

fn requests(lines: &[RequestRead]) -> Vec<Request> {
    lines
        .iter()
        .filter_map(|(_, read)| read.as_ref().ok().cloned())
        .collect()
}

type Source = Rows<Box<dyn BufRead>>;

/// A file, or standard input, whose first lines can be read.
fn open(path: &PathBuf) -> Result<Source, LedgerError> {
    let unreadable = |error: &dyn std::fmt::Display| invalid(format!("{}: {error}", path.display()));
    let raw: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(stdin())
    } else {
        Box::new(File::open(path).map_err(|error| unreadable(&error))?)
    };
    let source: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 18, raw));
    Rows::of(source, "op").map_err(|error| unreadable(&error))
}

/// Makes requests of lines; remembers currencies and whose records are.
struct RequestReader {
    default: CurrencyCode,
    terms: Terms,
    currencies: HashMap<CurrencyCode, Currency>,
    owners: HashMap<AccountId, (UserId, Currency)>,
}

impl RequestReader {
    fn request(&mut self, ledger: &mut Ledger, fields: Fields) -> Result<Result<Request, Wrong>, LedgerError> {
        let line = match Line::read(fields) {
            Ok(line) => line,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let (user_id, currency) = match self.owner(ledger, line.owner())? {
            Ok(owner) => owner,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let paid_in = match line.paid_in(&self.terms) {
            Some(code) => match resolved(&mut self.currencies, ledger, code)? {
                Ok(paid_in) => Some(paid_in),
                Err(wrong) => return Ok(Err(wrong)),
            },
            None => None,
        };
        let asked = line.asked(&currency, paid_in.as_ref(), &self.terms);
        Ok(asked.map(|asked| Request {
            user_id,
            currency,
            operation: asked.operation,
            note: asked.note,
            key: asked.key,
        }))
    }

    fn owner(&mut self, ledger: &mut Ledger, owner: &Owner) -> Result<Result<(UserId, Currency), Wrong>, LedgerError> {
        match owner {
            Owner::User(user_id, code) => {
                let code = code.as_ref().unwrap_or(&self.default);
                let currency = resolved(&mut self.currencies, ledger, code)?;
                Ok(currency.map(|currency| (user_id.clone(), currency)))
            }
            Owner::Account(id) => {
                if let Some(known) = self.owners.get(id) {
                    return Ok(Ok(known.clone()));
                }
                match account::owner_of(ledger, *id)? {
                    Some(found) => {
                        self.owners.insert(*id, found.clone());
                        Ok(Ok(found))
                    }
                    None => Ok(Err(Wrong {
                        code: Code::NotFound,
                        reason: format!("account {id} does not exist"),
                    })),
                }
            }
        }
    }
}

/// A currency, of which it is remembered what it is.
fn resolved(
    known: &mut HashMap<CurrencyCode, Currency>,
    ledger: &mut Ledger,
    code: &CurrencyCode,
) -> Result<Result<Currency, Wrong>, LedgerError> {
    if let Some(currency) = known.get(code) {
        return Ok(Ok(currency.clone()));
    }
    match currency::resolve(ledger, code) {
        Ok(currency) => {
            known.insert(code.clone(), currency.clone());
            Ok(Ok(currency))
        }
        Err(LedgerError::Invalid { code, message }) => Ok(Err(Wrong { code, reason: message })),
        Err(error) => Err(error),
    }
}
