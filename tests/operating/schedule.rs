//! `schedule`: what it prints works as it is, for cron and for systemd.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ledger::domain::schedule::JOBS;

use super::program;
use crate::common::{Engine, TestDatabase, on_both_engines};

/// A directory, and in it the binary, whose names hold all that needs care.
fn awkward(db: &TestDatabase) -> (PathBuf, PathBuf) {
    let directory = db.directory().join("the ledger's 100%h \"own\" $place");
    std::fs::create_dir(&directory).unwrap();
    let binary = directory.join("ledger of ours");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ledger"), &binary).unwrap();
    (directory, binary)
}

fn schedule(db: &TestDatabase, kind: &str, (directory, binary): &(PathBuf, PathBuf)) -> String {
    let place = [directory, binary].map(|path| path.to_str().unwrap());
    let arguments = ["schedule", kind, "--directory", place[0], "--binary", place[1]];
    db.ledger().run(&arguments).expect_code(0).stdout
}

/// The commands of a crontab, as cron hands them to the shell.
fn commands(crontab: &str) -> Vec<String> {
    let lines = crontab.lines().filter(|line| !line.starts_with('#'));
    // A percent sign that is not escaped ends the command: what follows is its input.
    let command = |line: &str| {
        let command = line.splitn(6, ' ').nth(5).unwrap().replace("\\%", "\0");
        command.split('%').next().unwrap().replace('\0', "%")
    };
    lines.map(command).collect()
}

/// Runs a command as cron does: by `sh`, at home, with next to nothing in the environment.
fn as_cron_does(command: &str, home: &Path) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .current_dir(home)
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in [
        ("HOME", home.to_str().unwrap()),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
        ("PATH", "/usr/bin:/bin"),
    ] {
        shell.env(name, value);
    }
    shell.output().unwrap()
}

#[test]
fn every_job_is_a_command_and_has_a_name_of_its_own() {
    for job in JOBS {
        let words = format!("ledger -q {}", job.command);
        if let Err(error) = ledger::cli::command().try_get_matches_from(words.split(' ')) {
            panic!("{}: {error}", job.name);
        }
    }
    let names: BTreeSet<&str> = JOBS.iter().map(|job| job.name).collect();
    assert_eq!(names.len(), JOBS.len());
}

on_both_engines! {
    fn a_crontab_runs_as_it_is_printed(db: TestDatabase) {
        let crontab = schedule(&db, "--cron", &awkward(&db));
        let commands = commands(&crontab);
        assert_eq!(commands.len(), JOBS.len());

        for command in commands {
            let output = as_cron_does(&command, db.directory());
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{command}");
        }

        let mut recorded: Vec<String> = db.sql("SELECT job FROM job_runs").lines().map(str::to_owned).collect();
        recorded.sort();
        let mut expected: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
        expected.sort_unstable();
        assert_eq!(recorded, expected);
    }
}

#[test]
fn a_job_finds_its_ledger_by_the_settings_in_its_directory() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let (directory, binary) = awkward(&db);
    std::fs::write(directory.join(".env"), "DATABASE_URL=here.db\n").unwrap();
    let ledger = db.ledger().without_env("DATABASE_URL");
    let mut asked = ledger.command(&["schedule", "--cron", "--binary", binary.to_str().unwrap()]);
    let printed = asked.current_dir(&directory).output().unwrap();
    let crontab = String::from_utf8(printed.stdout).unwrap();
    assert!(!crontab.contains("--database-url"), "{crontab}");

    as_cron_does(&commands(&crontab)[0], db.directory());

    assert!(directory.join("here.db").exists());
}

#[test]
fn a_password_is_not_written_into_a_crontab() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .env("DATABASE_URL", "postgres://bob:s3cret@db.example/ledger");
    let printed = ledger.run_words("schedule --cron --user ledger").expect_code(0);
    assert!(
        printed.stderr.contains("put DATABASE_URL into the file .env"),
        "{}",
        printed.stderr
    );
    assert!(!printed.transcript().contains("s3cret"), "{}", printed.transcript());
    assert!(printed.stdout.contains("\n0 2 * * * ledger cd "), "{}", printed.stdout);
}

#[test]
fn systemd_takes_the_units() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let (directory, binary) = (awkward(&db).0, db.directory().join("ledger of 100%h $ours"));
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ledger"), &binary).unwrap();
    let units = db.directory().join("units");
    std::fs::create_dir(&units).unwrap();
    let [directory, binary, folder] = [&directory, &binary, &units].map(|path| path.to_str().unwrap());
    let arguments = [
        "schedule",
        "--systemd",
        "--user",
        "root",
        "--directory",
        directory,
        "--binary",
        binary,
    ];
    db.ledger()
        .run(&[&arguments[..], &["--output", folder]].concat())
        .expect_code(0);

    let mut names: Vec<String> = std::fs::read_dir(&units)
        .unwrap()
        .map(|unit| unit.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2 * JOBS.len());
    let files: Vec<String> = names.iter().map(|name| format!("./{name}")).collect();
    let arguments: Vec<&str> = std::iter::once("verify")
        .chain(files.iter().map(String::as_str))
        .collect();
    assert_eq!(program("systemd-analyze", &arguments, &units), "");

    for job in JOBS {
        let shown = program("systemd-analyze", &["calendar", &job.every.calendar()], &units);
        assert!(shown.contains("Next elapse"), "{shown}");
    }
}

#[test]
fn crontab_and_units_as_people_see_them() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite)
        .ledger()
        .without_env("DATABASE_URL");
    let mut told = String::new();
    for kind in ["--cron", "--cron --user ledger", "--systemd --user ledger"] {
        let line = format!("schedule {kind} --directory /var/lib/ledger --binary /usr/bin/ledger");
        told.push_str(&format!(
            "$ ledger {line}\n{}\n",
            ledger.run_words(&line).expect_code(0).transcript()
        ));
    }
    insta::assert_snapshot!("schedule", told);
}

#[test]
fn what_lines_cannot_hold_is_refused() {
    let ledger = TestDatabase::unmigrated(Engine::Sqlite).ledger();
    for arguments in [
        &["schedule"][..],
        &["schedule", "--cron", "--systemd"],
        &["schedule", "--cron", "--user", "a b"],
        &["schedule", "--cron", "--user", "-u"],
        &["schedule", "--cron", "--directory", "a\nb"],
        &["schedule", "--cron", "--output", "/nowhere/at/all"],
        &["schedule", "--systemd", "--binary", "/opt/Bob's/ledger"],
    ] {
        ledger.run(arguments).expect_code(2);
    }
}
