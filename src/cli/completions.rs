//! `ledger completions` and `ledger man`: what shells and readers of manuals want to know of the commands.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;

use super::context::Context;
use super::help::{self, Texts};
use crate::domain::code::Exit;
use crate::ledger::LedgerError;
use crate::render::sink::Sink;
use crate::render::{Block, Document};

/// Print what a shell needs to complete commands and options
#[derive(Debug, Args)]
#[command(after_help = help::text("\
    ledger completions bash > /etc/bash_completion.d/ledger
    ledger completions zsh > ~/.zfunc/_ledger
    ledger completions fish > ~/.config/fish/completions/ledger.fish"))]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual, one page for every command
#[derive(Debug, Args)]
#[command(after_help = help::text("\
    ledger man /usr/local/share/man/man1 && man ledger-charge
    ledger man pages"))]
pub struct ManArgs {
    /// The folder, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// When the manual was last changed; a page without a date is no proper one.
const MANUAL_DATE: &str = "2026-11-21";

/// `tree` is the whole of the commands.
pub fn run_completions(context: &Context<'_>, args: &CompletionsArgs, mut tree: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tree, "ledger", &mut script);
    let script = String::from_utf8(script)?;
    let data = json!({"shell": args.shell.to_string(), "script": script});
    let shown = vec![Block::Line(script.trim_end().to_owned())];
    context.written(&Document::single("completions", data, shown))
}

/// As [`run_completions`].
pub fn run_man(context: &Context<'_>, args: &ManArgs, tree: Command) -> anyhow::Result<Exit> {
    let folder = &args.folder;
    let unwritten = |error: std::io::Error| LedgerError::unwritable(folder.display(), &error);
    std::fs::create_dir_all(folder).map_err(unwritten)?;
    let mut tree = tree.disable_help_subcommand(true);
    tree.build();
    let mut pages = Vec::new();
    write_pages(&tree, folder, &mut pages).map_err(unwritten)?;
    let shown = Block::Line(format!("{} pages in {}", pages.len(), folder.display()));
    let rows = pages.iter().map(|page| json!({"page": page})).collect();
    context.done(&Document::list("man", "pages", rows, vec![shown]))
}

/// The page of a command, and before it those of the commands below it.
fn write_pages(command: &Command, folder: &Path, pages: &mut Vec<String>) -> std::io::Result<()> {
    for below in command.get_subcommands() {
        write_pages(below, folder, pages)?;
    }
    let man = Man::new(command.clone())
        .date(MANUAL_DATE)
        .source(concat!("ledger ", env!("CARGO_PKG_VERSION")))
        .manual("Manual of ledger");
    let page = folder.join(man.get_filename());
    Sink::write_public(&page, &page_of(command, &man)?)?;
    pages.push(page.display().to_string());
    Ok(())
}

fn page_of(command: &Command, man: &Man) -> std::io::Result<String> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    let texts = Texts::of(command);
    if let Some(texts) = &texts {
        examples(texts).to_writer(&mut page)?;
    }
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(texts) = &texts {
        exit_status(texts).to_writer(&mut page)?;
    }
    let page = String::from_utf8(page).map_err(std::io::Error::other)?;
    // The generator separates an option's values by two breaks around an empty line, which formatters complain of.
    Ok(page.replace(".br\n\n.br\n", ".sp\n"))
}

fn examples(texts: &Texts) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXAMPLES"]).control("nf", []);
    // The first line is the heading.
    for line in texts.examples.lines().skip(1) {
        section.text([roman(line.trim_start())]);
    }
    section.control("fi", []);
    section
}

fn exit_status(texts: &Texts) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    for line in texts.exit_codes.lines() {
        let (code, meaning) = line.trim_start().split_once("  ").unwrap_or((line, ""));
        section.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    section
}
