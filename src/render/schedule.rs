//! Jobs as crontab lines and as units of systemd, to be installed as they are printed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::schedule::Job;
use crate::domain::text::shell_quoted;

/// How the jobs are run.
#[derive(Clone, Debug)]
pub struct Runner {
    /// As whom; `None` leaves it to whoever installs them.
    pub user: Option<String>,
    pub binary: PathBuf,
    /// Where the jobs find `.env`, and a ledger with a relative path.
    pub directory: PathBuf,
    /// The database's address, where nothing in `directory` says it.
    pub database_url: Option<String>,
}

impl Runner {
    /// The command line without the program, as separate words.
    fn arguments(&self, job: &Job) -> Vec<String> {
        let address = self
            .database_url
            .iter()
            .flat_map(|url| ["--database-url".to_owned(), url.clone()]);
        let command = job.command.split(' ').map(str::to_owned);
        std::iter::once("-q".to_owned()).chain(address).chain(command).collect()
    }
}

/// A file with its content.
#[derive(Clone, Debug)]
pub struct TextFile {
    pub name: String,
    pub text: String,
}

/// A crontab of all jobs; with a user it is one for `/etc/cron.d`.
pub fn crontab(jobs: &[Job], runner: &Runner) -> TextFile {
    let install = match runner.user {
        Some(_) => "Belongs into /etc/cron.d.",
        None => "Belongs into the crontab of whoever may write to the ledger (crontab -e).",
    };
    let mut text = format!(
        "# The jobs of `ledger`. {install}\n\
         # A run that finds nothing wrong prints nothing: what cron mails is to be looked at.\n\
         # Settings such as DATABASE_URL are read from the file .env in the directory that the jobs change to.\n"
    );
    for job in jobs {
        let words = runner.arguments(job);
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        let user = runner.user.as_ref().map_or_else(String::new, |user| format!("{user} "));
        let command = format!(
            "cd {} && {} {}",
            shell_word(&runner.directory.to_string_lossy()),
            shell_word(&runner.binary.to_string_lossy()),
            words.join(" ")
        );
        text.extend([&job.every.cron(), " ", &user, &command, "\n"]);
    }
    TextFile {
        name: "ledger".into(),
        text,
    }
}

/// In quotes where it needs them. A percent sign would end the command in a crontab; escaped outside of quotes it is
/// one for a cron that removes the backslash, and for a shell where cron does not.
fn shell_word(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,+@".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    shell_quoted(word).replace('%', "'\\%'")
}

/// A service and a timer for each job.
pub fn units(jobs: &[Job], runner: &Runner) -> Vec<TextFile> {
    jobs.iter().flat_map(|job| [service(job, runner), timer(job)]).collect()
}

fn service(job: &Job, runner: &Runner) -> TextFile {
    let words: Vec<String> = runner
        .arguments(job)
        .iter()
        .map(|word| unit_word(word).replace('$', "$$"))
        .collect();
    let user = runner
        .user
        .as_ref()
        .map_or_else(String::new, |user| format!("User={user}\n"));
    let text = format!(
        "[Unit]\n\
         Description=ledger {}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         {user}\
         WorkingDirectory={}\n\
         ExecStart={} {}\n\
         UMask=0077\n\
         NoNewPrivileges=yes\n",
        job.command,
        runner.directory.to_string_lossy().replace('%', "%%"),
        unit_word(&runner.binary.to_string_lossy()),
        words.join(" "),
    );
    TextFile {
        name: format!("ledger-{}.service", job.name),
        text,
    }
}

fn timer(job: &Job) -> TextFile {
    let text = format!(
        "[Unit]\n\
         Description=ledger {}, on time\n\
         \n\
         [Timer]\n\
         OnCalendar={}\n\
         Persistent=yes\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        job.command,
        job.every.calendar(),
    );
    TextFile {
        name: format!("ledger-{}.timer", job.name),
        text,
    }
}

/// In quotes, with nothing in it that systemd would replace.
fn unit_word(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,+@".contains(&b);
    if word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

/// The files as they are, or where they were written to.
pub fn scheduled(jobs: &[Job], files: &[TextFile], written: Option<&str>) -> Document {
    let shown = match (written, files) {
        (Some(folder), _) => format!("{} files in {folder}", files.len()),
        (None, [only]) => only.text.trim_end().to_owned(),
        (None, several) => {
            let texts: Vec<String> = several
                .iter()
                .map(|file| format!("# {}\n{}", file.name, file.text))
                .collect();
            texts.join("\n").trim_end().to_owned()
        }
    };
    let rows: Vec<Value> = files
        .iter()
        .map(|file| json!({"file": file.name, "text": file.text}))
        .collect();
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|job| {
            json!({
                "job": job.name,
                "command": format!("ledger -q {}", job.command),
                "cron": job.every.cron(),
                "calendar": job.every.calendar(),
            })
        })
        .collect();
    Document {
        command: "schedule",
        data: json!({"jobs": jobs, "files": rows, "folder": written}),
        rows,
        human: vec![Block::Line(shown)],
    }
}
