//! Completions and the manual, as the programs that read them take them.

use super::program;
use crate::common::{Engine, Ledger, TestDatabase};

/// The completions of a shell, in a file of the ledger's directory.
fn script(ledger: &Ledger, shell: &str) -> String {
    let printed = ledger.run(&["completions", shell]).expect_code(0);
    let file = format!("completions.{shell}");
    std::fs::write(ledger.directory().join(&file), printed.stdout).unwrap();
    file
}

#[test]
fn bash_zsh_and_fish_load_their_completions() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite).ledger();
    let home = ledger.directory();

    let bash = script(&ledger, "bash");
    let completed = "source ./completions.bash && complete -p ledger && COMP_WORDS=(ledger verify-sync --dee) && \
         COMP_CWORD=2 && _ledger ledger --dee verify-sync && echo ${COMPREPLY[@]}";
    program("bash", &["-n", &bash], home);
    let said = program("bash", &["--norc", "-c", completed], home);
    assert!(said.contains("-F _ledger") && said.ends_with("--deep\n"), "{said}");

    script(&ledger, "zsh");
    let loaded = "autoload -U compinit; compinit -u -d ./dump; source ./completions.zsh; echo $_comps[ledger]";
    assert_eq!(program("zsh", &["-f", "-c", loaded], home), "_ledger\n");

    let fish = script(&ledger, "fish");
    program("fish", &["--no-execute", &fish], home);
    let completed = "source ./completions.fish; complete -C 'ledger verify-sync --dee'";
    assert!(program("fish", &["--no-config", "-c", completed], home).starts_with("--deep"));
}

#[test]
fn the_manual_has_a_sound_page_for_every_command() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite).ledger();
    ledger.run(&["man", "pages here"]).expect_code(0);
    let folder = ledger.directory().join("pages here");
    let mut pages: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for name in crate::common::story::commands() {
        let page = format!("ledger-{}.1", name.replace(' ', "-"));
        assert!(pages.contains(&page), "{page} is missing");
    }
    let arguments: Vec<&str> = ["-T", "lint", "-W", "warning"]
        .into_iter()
        .chain(pages.iter().map(String::as_str))
        .collect();
    assert_eq!(program("mandoc", &arguments, &folder), "");
    let shown = program("man", &["-l", "ledger-charge.1"], &folder);
    for part in [
        "NAME\n       ledger-charge - Charge an account",
        "\nEXAMPLES\n       ledger charge --user-id 5 ",
        "\nEXIT STATUS\n       0 ",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[test]
fn a_manual_that_cannot_be_written_is_told() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite).ledger();
    let refused = ledger.run(&["man", "/dev/null/pages"]).expect_code(2);
    assert!(
        refused.stderr.contains("/dev/null/pages cannot be written"),
        "{}",
        refused.stderr
    );
}
