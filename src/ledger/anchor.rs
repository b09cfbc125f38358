//! Anchors kept in a file: today's ledger is held against each of them, and then added to them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::Ledger;
use super::deep::Issue;
use super::error::LedgerError;
use crate::db::accounts::{self, Listed};
use crate::db::journal::hashes_at;
use crate::db::unit_of_work::read;
use crate::domain::account::{Account, AccountId};
use crate::domain::anchor::{Anchor, AnchorFile, Position, parse};
use crate::domain::chain::ChainHash;
use crate::domain::code::Code;
use crate::domain::time::Timestamp;

/// Where an issue stands that an anchor shows.
pub(super) const ANCHOR: &str = "anchor";

/// What became of the file.
#[derive(Clone, Debug)]
pub struct Anchored {
    pub file: PathBuf,
    /// How many anchors today's ledger was held against.
    pub checked: usize,
    /// Whether today's was added: not where the ledger contradicts one of them, or cannot be trusted otherwise.
    pub appended: bool,
    /// The end of the last one was missing; it has been taken off.
    pub torn: bool,
}

/// An account of an anchor: its name.
type Name = (String, String);

/// A file of anchors, read.
pub(super) struct Anchors {
    path: PathBuf,
    file: AnchorFile,
    length: usize,
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> LedgerError {
    LedgerError::invalid(Code::InvalidInput, format!("{}: {why}", path.display()))
}

impl Anchors {
    /// Reads the file, if there is one.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        // What is no file may have no end.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(unusable(path, "not a file"));
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(path, error)),
        };
        // What was torn off may have ended within a letter.
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text),
            Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]),
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| unusable(path, format!("not a file of anchors: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            file: parse(text).map_err(|error| unusable(path, format!("not a file of anchors: {error}")))?,
            length: bytes.len(),
        })
    }

    /// When the first of them was made.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let first = self.file.anchors.first()?;
        Timestamp::parse(&first.at).ok()
    }

    pub(super) fn outcome(&self, appended: bool) -> Anchored {
        Anchored {
            file: self.path.clone(),
            checked: self.file.anchors.len(),
            appended,
            torn: self.file.whole < self.length,
        }
    }

    /// In what the ledger does not extend the anchors: of which account, if there is one of that name.
    pub(super) fn check(&self, ledger: &mut Ledger) -> Result<Vec<(Option<Account>, Issue)>, LedgerError> {
        let mut claims: HashMap<Name, Vec<(&Position, &str)>> = HashMap::new();
        for anchor in &self.file.anchors {
            for position in &anchor.positions {
                let name = (position.user_id.clone(), position.currency.clone());
                claims.entry(name).or_default().push((position, &anchor.at));
            }
        }
        let mut found = Vec::new();
        let mut after = i64::MIN;
        while !claims.is_empty() {
            let page = accounts::accounts_page(&mut ledger.db, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.account.id.get();
            check_page(ledger, page, &mut claims, &mut found)?;
        }
        let mut gone: Vec<_> = claims.into_values().flatten().collect();
        gone.sort_by_key(|(position, at)| (*at, position.user_id.as_str(), position.currency.as_str(), position.seq));
        found.extend(gone.into_iter().map(|(position, at)| {
            let what = format!(
                "the account of user {} in {} is gone",
                position.user_id, position.currency
            );
            (None, issue(at, position.seq, "cut", what))
        }));
        Ok(found)
    }

    /// Adds today's anchor: the accounts that have moved since the one before.
    pub(super) fn append(
        &self,
        at: String,
        (digest, entries): (ChainHash, u64),
        mut positions: Vec<Position>,
    ) -> Result<(), LedgerError> {
        let mut known: HashMap<(&str, &str), ChainHash> = HashMap::new();
        for position in self.file.anchors.iter().flat_map(|anchor| &anchor.positions) {
            known.insert((&position.user_id, &position.currency), position.head);
        }
        positions.retain(|now| known.get(&(now.user_id.as_str(), now.currency.as_str())) != Some(&now.head));
        let anchor = Anchor {
            at,
            digest: digest.to_string(),
            entries,
            positions,
        };
        self.write(&anchor.text())
            .map_err(|error| LedgerError::unwritable(self.path.display(), &error))
    }

    /// In one piece, and on the disk before it counts.
    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        if self.file.whole < self.length {
            file.set_len(self.file.whole as u64)?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if self.length == 0 {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

/// Accounts whose claims are looked up at once.
const PAGE: i64 = 5_000;

fn check_page(
    ledger: &mut Ledger,
    page: Vec<Listed>,
    claims: &mut HashMap<Name, Vec<(&Position, &str)>>,
    found: &mut Vec<(Option<Account>, Issue)>,
) -> Result<(), LedgerError> {
    let mut wanted: Vec<(Account, &Position, &str)> = Vec::new();
    for Listed { account, .. } in page {
        let name = (account.user_id.to_string(), account.currency.code().to_string());
        for (position, at) in claims.remove(&name).unwrap_or_default() {
            wanted.push((account.clone(), position, at));
        }
    }
    // Without an entry there is nothing that could be another one.
    wanted.retain(|(_, position, _)| position.seq > 0);
    let places: Vec<(AccountId, i64)> = wanted.iter().map(|(account, at, _)| (account.id, at.seq)).collect();
    let hashes = read(&mut ledger.db, |db| hashes_at(db, &places))?;
    for ((account, position, at), hash) in wanted.into_iter().zip(hashes) {
        let wrong = match hash {
            Some(hash) if hash == position.head => continue,
            Some(_) => ("rewritten", "its hash was another one when the anchor was made"),
            None => ("cut", "it was there when the anchor was made, and is gone"),
        };
        found.push((Some(account), issue(at, position.seq, wrong.0, wrong.1.to_owned())));
    }
    Ok(())
}

fn issue(at: &str, seq: i64, kind: &'static str, what: String) -> Issue {
    Issue {
        table: ANCHOR,
        record: format!("{at} entry {seq}"),
        kind,
        what,
    }
}
