//! Requests of lines, read while others are carried out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, stdin};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Chunk, LARGEST_CHUNK};
use crate::cli::context::invalid;
use crate::domain::account::AccountId;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::text::UserId;
use crate::domain::worth::Terms;
use crate::input::operations::{Fields, Line, Owner, Wrong};
use crate::input::rows::Rows;
use crate::ledger::batch::Prepared;
use crate::ledger::post::Request;
use crate::ledger::{Ledger, LedgerError, account, currency};
use crate::render::apply::Place;

/// A file with the name that the results call it: none where there is but one.
pub struct Source {
    rows: Rows<BufReader<File>>,
    name: Option<Arc<str>>,
}

impl Source {
    /// Whether the next line would have to be waited for: somebody at the other end may want answers first.
    fn keeps_waiting(&self) -> bool {
        let input = self.rows.source();
        if input.buffer().contains(&b'\n') {
            return false;
        }
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(input.get_ref(), PollFlags::IN)], Some(&at_once));
        ready == Ok(0)
    }
}

/// All files; one that cannot be opened is told before anything is applied.
pub fn open_all(paths: &[PathBuf]) -> Result<Vec<Source>, LedgerError> {
    let open = |path: &PathBuf| {
        Ok(Source {
            rows: open(path)?,
            name: (paths.len() > 1).then(|| path.display().to_string().into()),
        })
    };
    paths.iter().map(open).collect()
}

/// A file, or standard input.
pub fn input(path: &Path) -> io::Result<BufReader<File>> {
    let file = if path.as_os_str() == "-" {
        stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    Ok(BufReader::with_capacity(1 << 18, file?))
}

/// The same, whose first lines can be read.
fn open(path: &Path) -> Result<Rows<BufReader<File>>, LedgerError> {
    let unreadable = |error: &dyn std::fmt::Display| invalid(format!("{}: {error}", path.display()));
    let source = input(path).map_err(|error| unreadable(&error))?;
    Rows::of(source, "op").map_err(|error| unreadable(&error))
}

/// Makes requests of lines; remembers currencies and whose records are.
pub struct Requests {
    /// A connection of its own: it reads while another one writes.
    ledger: Ledger,
    default: CurrencyCode,
    terms: Terms,
    currencies: HashMap<CurrencyCode, Currency>,
    owners: HashMap<AccountId, (UserId, Currency)>,
}

impl Requests {
    pub fn new(ledger: Ledger, default: CurrencyCode, terms: Terms) -> Self {
        Self {
            ledger,
            default,
            terms,
            currencies: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    /// The next lines, at most so many, and not many where more have to be waited for; none at the end.
    pub fn chunk(&mut self, source: &mut Source, most: usize) -> Result<Chunk, LedgerError> {
        let unreadable = |error: std::io::Error| invalid(format!("the input: {error}"));
        let likely = most.min(LARGEST_CHUNK);
        let mut chunk = Chunk {
            lines: Vec::with_capacity(likely),
            requests: Vec::with_capacity(likely),
        };
        while chunk.lines.len() < most {
            let Some((line, fields)) = source.rows.read().map_err(unreadable)? else {
                break;
            };
            let request = fields.map_err(Unmade::Wrong).and_then(|fields| self.request(fields));
            let file = source.name.clone();
            let read = match request {
                Ok(request) => {
                    chunk.requests.push(Prepared::new(request)?);
                    Ok(())
                }
                Err(Unmade::Wrong(wrong)) => Err(Box::new(wrong)),
                Err(Unmade::Broken(error)) => return Err(error),
            };
            chunk.lines.push((Place { file, line }, read));
            if source.keeps_waiting() {
                break;
            }
        }
        Ok(chunk)
    }

    fn request(&mut self, fields: Fields) -> Result<Request, Unmade> {
        let line = Line::read(fields)?;
        let (user_id, currency) = self.owner(line.owner())?;
        let paid_in = match line.paid_in(&self.terms) {
            Some(code) => Some(resolved(&mut self.currencies, &mut self.ledger, code)?),
            None => None,
        };
        let asked = line.asked(&currency, paid_in.as_ref(), &self.terms)?;
        Ok(Request {
            user_id,
            currency,
            operation: asked.operation,
            note: asked.note,
            key: asked.key,
        })
    }

    fn owner(&mut self, owner: &Owner) -> Result<(UserId, Currency), Unmade> {
        match owner {
            Owner::User(user_id, code) => {
                let code = code.as_ref().unwrap_or(&self.default);
                let currency = resolved(&mut self.currencies, &mut self.ledger, code)?;
                Ok((user_id.clone(), currency))
            }
            Owner::Account(id) => {
                if let Some(known) = self.owners.get(id) {
                    return Ok(known.clone());
                }
                let found = self
                    .ledger
                    .asked(|ledger| account::owner_of(ledger, *id))?
                    .ok_or_else(|| Wrong {
                        code: Code::NotFound,
                        reason: format!("account {id} does not exist"),
                    })?;
                self.owners.insert(*id, found.clone());
                Ok(found)
            }
        }
    }
}

/// Why a line makes no request.
enum Unmade {
    Wrong(Wrong),
    /// It is not the line's fault.
    Broken(LedgerError),
}

impl From<Wrong> for Unmade {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<LedgerError> for Unmade {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Invalid { code, message } => Self::Wrong(Wrong { code, reason: message }),
            error => Self::Broken(error),
        }
    }
}

/// A currency, of which it is remembered what it is.
fn resolved(
    known: &mut HashMap<CurrencyCode, Currency>,
    ledger: &mut Ledger,
    code: &CurrencyCode,
) -> Result<Currency, LedgerError> {
    if let Some(currency) = known.get(code) {
        return Ok(currency.clone());
    }
    let currency = ledger.asked(|ledger| currency::resolve(ledger, code))?;
    known.insert(code.clone(), currency.clone());
    Ok(currency)
}
