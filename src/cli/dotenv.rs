//! The settings in `.env` of the working directory, set as variables of the process before anything asks for them. What
//! would not be taken as it is written is refused, with its line and never with its value. It deliberately does not
//! replace a variable that is set, or put one variable into another. Nor does it judge a value, which is for whoever
//! reads the variable, or remember what it has set: `config` tells where a value comes from.

use std::io::ErrorKind;
use std::path::Path;

use crate::domain::code::Code;
use crate::ledger::LedgerError;

/// Sets what `.env` in the working directory says, unless it is set already. One that cannot be read says nothing of
/// what it was to set, so no ledger is opened instead of the one it names.
pub fn read() -> Result<(), LedgerError> {
    let unusable = |why: String| LedgerError::invalid(Code::Configuration, format!(".env {why}; mend or remove it"));
    let path = Path::new(".env");
    match path.metadata() {
        Ok(found) if !found.is_file() => return Err(unusable("is not a file".into())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(_) | Err(_) => {}
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if let Some((line, name)) = substituted(&text) {
        return Err(unusable(format!(
            "line {line}: the $ in the value of {name} would stand for another variable; put the value in single quotes"
        )));
    }
    match dotenvy::from_path(path) {
        Ok(()) => Ok(()),
        Err(dotenvy::Error::LineParse(wrong, _)) => Err(unusable(format!("is not valid{}", place_of(&wrong, &text)))),
        Err(dotenvy::Error::Io(error)) => Err(unusable(format!("cannot be read: {error}"))),
        // Its words may repeat a value.
        Err(_) => Err(unusable("cannot be read".into())),
    }
}

/// Where that stands, a line or its value, and what may help; never the value itself.
fn place_of(wrong: &str, text: &str) -> String {
    let is_there = |(_, line): &(usize, &str)| !wrong.trim().is_empty() && line.contains(wrong.trim());
    let Some((at, line)) = text.lines().enumerate().find(is_there) else {
        return String::new();
    };
    let name = line.split_once('=').map(|(name, _)| name.trim());
    let advice = name.filter(|name| is_name(name));
    let advice = advice.map_or_else(String::new, |name| {
        format!(": put the value of {name} in single quotes")
    });
    format!(" in line {}{advice}", at + 1)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The first value that would not be taken as it is written: its line, and its name.
fn substituted(text: &str) -> Option<(usize, String)> {
    text.lines().enumerate().find_map(|(at, line)| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let is_literal = value.starts_with('\'') || !value.replace("\\$", "").contains('$');
        (is_name(name) && !is_literal).then(|| (at + 1, name.to_owned()))
    })
}
