//! An export in ndjson, read back line by line: every line is judged by what can be known without a ledger.

mod journal;
mod records;
mod told;

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::journal::{AccountLine, BalanceLine, CurrencyLine, EndLine, EntryLine, LedgerLine};
use self::records::{
    ActLine, BesideLine, GiftLine, GrantLine, HoldLine, IntentLine, PurchaseLine, RechargeLine, RecurringLine,
    SuspensionLine,
};
use super::lines::Lines;
use crate::domain::account::Account;
use crate::domain::checksum::LinesChecksum;
use crate::ledger::export::Beside;
use crate::ledger::restore::Part;

/// A text of 16 KiB, escaped twice, and two of them in a line.
const LONGEST_LINE: usize = 1 << 20;

/// Why a line cannot be what an export has there.
pub type Wrong = String;

/// What a line says, by its number.
pub type Read = Option<(u64, Result<Part, Wrong>)>;

/// Hands out part after part. After a line that is wrong, nothing more can be made of the rest.
pub struct ExportReader<R> {
    lines: Lines<R>,
    checksum: LinesChecksum,
    /// The accounts that records may still belong to, by user and currency.
    page: HashMap<(String, String), Account>,
    /// The last account, while its entries come.
    open: Option<Account>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Beginning,
    Accounts,
    /// What stands beside the entries of the accounts before.
    Beside,
    Ended,
}

#[derive(Deserialize)]
struct Kind {
    record: String,
}

impl<R: BufRead> ExportReader<R> {
    pub fn of(source: R) -> io::Result<Self> {
        Ok(Self {
            lines: Lines::up_to(source, LONGEST_LINE)?,
            checksum: LinesChecksum::default(),
            page: HashMap::new(),
            open: None,
            stage: Stage::Beginning,
        })
    }

    /// The next part; `None` at the end of a whole export.
    pub fn read(&mut self) -> io::Result<Read> {
        loop {
            let Some((number, line)) = self.lines.read()? else {
                let cut = || Err("the file ends before its last line, `end`: it was cut short".into());
                return Ok((self.stage != Stage::Ended).then(|| (self.lines.number() + 1, cut())));
            };
            let part = line.and_then(|line| {
                let part = self.part(&line);
                self.checksum.line(&line);
                part
            });
            match part {
                Ok(None) => {}
                Ok(Some(part)) => return Ok(Some((number, Ok(part)))),
                Err(reason) => return Ok(Some((number, Err(reason)))),
            }
        }
    }

    fn part(&mut self, line: &[u8]) -> Result<Option<Part>, Wrong> {
        let Kind { record } = shape(line)?;
        match (self.stage, record.as_str()) {
            (Stage::Ended, _) => Err("the export has ended on the line before".into()),
            (Stage::Beginning, "ledger") => {
                shape::<LedgerLine>(line)?.check()?;
                self.stage = Stage::Accounts;
                Ok(None)
            }
            (Stage::Beginning, _) | (_, "ledger") => Err("an export begins with its line `ledger`, and has one".into()),
            (_, "entry") => {
                let line: EntryLine = shape(line)?;
                let account = self.opened(&line.user_id, &line.currency)?;
                Ok(Some(Part::Entry(Box::new(line.entry(account)?))))
            }
            (_, "balance") => {
                let line: BalanceLine = shape(line)?;
                let account = self.opened(&line.user_id, &line.currency)?;
                let state = line.state(account)?;
                self.open = None;
                Ok(Some(Part::Balance(state)))
            }
            _ if self.open.is_some() => Err("the account before has no line `balance`".into()),
            (_, "currency") => Ok(Some(Part::Currency(shape::<CurrencyLine>(line)?.currency()?))),
            (_, "account") => self.account(shape::<AccountLine>(line)?).map(Some),
            (_, "end") => {
                let end: EndLine = shape(line)?;
                if end.lines_sha256 != self.checksum.hex() {
                    return Err(
                        "the lines before are not those that were exported: one was changed, or is gone".into(),
                    );
                }
                self.stage = Stage::Ended;
                Ok(Some(Part::End(end.totals())))
            }
            (_, kind) => self.record(kind, line).map(Some),
        }
    }

    fn record(&mut self, kind: &str, line: &[u8]) -> Result<Part, Wrong> {
        self.stage = Stage::Beside;
        let beside = match kind {
            "recharge" => self.beside(shape::<RechargeLine>(line)?),
            "hold" => self.beside(shape::<HoldLine>(line)?),
            "purchase" => self.beside(shape::<PurchaseLine>(line)?),
            "gift" => self.beside(shape::<GiftLine>(line)?),
            "grant" => self.beside(shape::<GrantLine>(line)?),
            "suspension" => self.beside(shape::<SuspensionLine>(line)?),
            "recurring" => self.beside(shape::<RecurringLine>(line)?),
            "act" => self.beside(shape::<ActLine>(line)?),
            "intent" => self.beside(shape::<IntentLine>(line)?),
            unknown => Err(format!(
                "this version knows no record `{unknown}`: import with the version that exported"
            )),
        };
        Ok(Part::Beside(Box::new(beside?)))
    }

    fn beside(&self, line: impl BesideLine) -> Result<Beside, Wrong> {
        let Some(account) = self.page.get(&line.owner()) else {
            return Err("it belongs to no account of the lines before".into());
        };
        line.beside(account)
    }

    fn account(&mut self, line: AccountLine) -> Result<Part, Wrong> {
        let account = line.account()?;
        if self.stage == Stage::Beside {
            self.page.clear();
            self.stage = Stage::Accounts;
        }
        self.page.insert(name(&account), account.clone());
        self.open = Some(account.clone());
        Ok(Part::Account(account))
    }

    fn opened(&self, user_id: &str, currency: &str) -> Result<&Account, Wrong> {
        let is_its_own =
            |account: &&Account| account.user_id.as_str() == user_id && account.currency.code().as_str() == currency;
        let open = self.open.as_ref().filter(is_its_own);
        open.ok_or_else(|| "it does not follow its account".into())
    }
}

fn name(account: &Account) -> (String, String) {
    (account.user_id.to_string(), account.currency.code().to_string())
}

/// The line as that shape; every field has to be known, or something of the ledger would be left behind.
fn shape<T: DeserializeOwned>(line: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(line).map_err(|error| {
        let reason = error.to_string();
        // Of a line of its own, `at line 1` says nothing.
        reason.split(" at line ").next().unwrap_or_default().to_owned()
    })
}
