//! A desk that gives commands: a process for each operation, or lines of `apply` for many.

use ledger::domain::code::Code;
use serde_json::{Map, Value};

use super::{Said, Told};
use crate::common::{Ledger, Output};
use crate::properties::model::{Access, AccountName, Answer, Operation, Paid, Step};
use crate::properties::shown::amount;

/// So many whole units cost one credit that nothing earns any.
const TOO_DEAR: &str = "100000000000000000000";

/// A command's name, the record that it names, and its options; those without a value are `true`.
#[derive(Clone, Debug, Default)]
struct Asked {
    command: &'static str,
    id: Option<String>,
    options: Vec<(&'static str, String)>,
    flags: Vec<&'static str>,
}

/// Whether there is a command for it: jobs alone bring single credits and expire single holds.
pub fn is_given(operation: &Operation) -> bool {
    !matches!(
        operation,
        Operation::TransferCredit { .. } | Operation::ExpireHold { .. }
    )
}

/// The step as a command takes it: some want a reason, and credits are pending for hours.
pub fn as_given(mut step: Step) -> Step {
    match &mut step.operation {
        Operation::RecordPurchase { pending_for, .. } => *pending_for -= *pending_for % 3_600,
        // A hold is kept open for what is left after a part of it.
        Operation::Commit {
            amount: None,
            keep_open,
            ..
        } => *keep_open = false,
        Operation::Adjust { .. }
        | Operation::Penalty { .. }
        | Operation::DeactivatePurchase { .. }
        | Operation::DeactivateGift { .. } => {
            step.note
                .description
                .get_or_insert_with(|| "so it was agreed".to_owned());
        }
        _ => {}
    }
    step
}

/// As one process; `account` is the number of the account, for the ids of its records.
pub fn carry_out(ledger: &Ledger, step: &Step, account: i64) -> Said {
    let asked = asked(step, account);
    let mut line: Vec<String> = asked.command.split(' ').map(str::to_owned).collect();
    line.extend(asked.id);
    line.extend(asked.options.iter().map(|(name, value)| format!("--{name}={value}")));
    line.extend(asked.flags.iter().map(|name| format!("--{name}")));
    line.extend(["--format", "json"].map(str::to_owned));
    let output = ledger.run(&line);
    let envelope = match output.code {
        0 | 7 => output.json(),
        _ => output.error(),
    };
    let schema = match output.code {
        // What becomes of a recharge is told like the recharge itself.
        0 | 7 if asked.command.starts_with("recharge ") => "recharge".to_owned(),
        0 | 7 => asked.command.replace(' ', "-"),
        _ => "error".to_owned(),
    };
    assert_eq!(
        envelope["schema"],
        format!("ledger.{schema}/1"),
        "{}",
        output.transcript()
    );
    let said = said(&envelope, &output);
    let expected = match said.0 {
        // A job names the rows that it could not do.
        Answer::Applied
            if matches!(
                step.operation,
                Operation::ExpireRecharges | Operation::TransferDueCredits
            ) =>
        {
            [0, 7].into_iter().find(|code| *code == output.code)
        }
        Answer::Applied | Answer::AlreadyApplied => Some(0),
        Answer::Refused("invalid_amount") => Some(2),
        Answer::Refused(_) | Answer::RefusedAndSuspended(_) => Some(1),
    };
    assert_eq!(Some(output.code), expected, "{}", output.transcript());
    said
}

/// As lines of one file; each account with its number.
pub fn carry_out_in_bulk(ledger: &Ledger, steps: &[(Step, i64)]) -> Vec<Said> {
    if steps.is_empty() {
        return Vec::new();
    }
    let lines: String = steps
        .iter()
        .map(|(step, account)| format!("{}\n", line(asked(step, *account))))
        .collect();
    let output = ledger.run_with_stdin(&["apply", "-"], lines);
    let rows = output.json_lines();
    for (row, number) in rows.iter().zip(1_u64..) {
        assert_eq!(row["line"], number, "{}", output.transcript());
    }
    let all_done = rows.iter().all(|row| row["ok"] == true);
    assert_eq!(output.code, if all_done { 0 } else { 7 }, "{}", output.transcript());
    rows.iter().map(|row| said(row, &output)).collect()
}

/// A command's name and its options, as an object.
fn line(asked: Asked) -> Value {
    let mut fields = Map::new();
    fields.insert("op".to_owned(), asked.command.replace(' ', "-").into());
    fields.extend(asked.id.map(|id| ("id".to_owned(), id.into())));
    let options = asked
        .options
        .into_iter()
        .map(|(name, value)| (name.replace('-', "_"), value.into()));
    fields.extend(options);
    fields.extend(
        asked
            .flags
            .into_iter()
            .map(|name| (name.replace('-', "_"), true.into())),
    );
    Value::Object(fields)
}

fn said(envelope: &Value, output: &Output) -> Said {
    let data = &envelope["data"];
    if envelope["ok"] == true {
        let done = |flag: &str| data[flag].as_bool();
        let answer = match (data["outcome"].as_str(), done("changed").or(done("created"))) {
            (Some("applied"), _) | (None, None | Some(true)) => Answer::Applied,
            (Some("already_applied"), _) | (None, Some(false)) => Answer::AlreadyApplied,
            _ => panic!("what is meant by {data}?"),
        };
        let told = data["outcome"].is_string().then(|| Told::Shown(data.clone()));
        return (answer, told);
    }
    let error = &envelope["error"];
    let code = Code::ALL.iter().find(|code| error["code"] == code.name());
    let code = code.unwrap_or_else(|| panic!("no code: {}", output.transcript()));
    assert_eq!(error["status"], code.status(), "{error}");
    let answer = if error["details"]["suspension"].is_object() {
        Answer::RefusedAndSuspended(code.name())
    } else {
        Answer::Refused(code.name())
    };
    (answer, None)
}

impl Asked {
    fn of(command: &'static str) -> Self {
        Self {
            command,
            ..Self::default()
        }
    }

    fn of_account(command: &'static str, name: &AccountName) -> Self {
        Self::of(command)
            .with("user-id", &name.user_id)
            .with("currency", &name.currency)
    }

    /// About the record of that letter and number.
    fn of_record(command: &'static str, (letter, account): (char, i64), number: usize) -> Self {
        Self {
            id: Some(format!("{letter}{account}-{number}")),
            ..Self::of(command)
        }
    }

    fn with(mut self, option: &'static str, value: impl ToString) -> Self {
        self.options.push((option, value.to_string()));
        self
    }

    fn with_any(self, option: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(option, value),
            None => self,
        }
    }

    fn flag(mut self, name: &'static str, given: bool) -> Self {
        self.flags.extend(given.then_some(name));
        self
    }
}

fn asked(step: &Step, account: i64) -> Asked {
    let name = &step.account;
    let own = |units: i64| amount(units, &name.currency);
    let of_account = |command| Asked::of_account(command, name);
    let asked = match &step.operation {
        Operation::CreateAccount => of_account("account create"),
        Operation::Lock => of_account("account lock"),
        Operation::Unlock => of_account("account unlock"),
        Operation::Close => of_account("account close"),
        Operation::SetLimits {
            charges_per_minute,
            spend_per_day,
        } => of_account("account set")
            .with("charges-per-minute", or_none(charges_per_minute.as_ref()))
            .with("spend-per-day", or_none(spend_per_day.map(own).as_ref())),
        Operation::SetLowBalanceThreshold { threshold } => {
            of_account("account set").with("low-balance-threshold", or_none(threshold.map(own).as_ref()))
        }
        Operation::Suspend { reason } => of_account("suspend").with("reason", reason),
        Operation::Resume => of_account("resume"),
        Operation::ExpireRecharges => Asked::of("expire-recharges"),
        Operation::ExpireHolds => Asked::of("expire-holds"),
        Operation::TransferDueCredits => Asked::of("process-pending-credits"),
        Operation::Recharge { amount, method } => of_account("recharge")
            .with("amount", own(*amount))
            .with("method", method),
        Operation::RechargePending {
            amount,
            method,
            expires_in,
        } => of_account("recharge")
            .with("amount", own(*amount))
            .with("method", method)
            .with_any("expires-in", expires_in.map(seconds))
            .flag("pending", true),
        Operation::RechargeProcess { number } => Asked::of_record("recharge process", ('r', account), *number),
        Operation::RechargeComplete { number } => Asked::of_record("recharge complete", ('r', account), *number),
        Operation::RechargeFail { number } => Asked::of_record("recharge fail", ('r', account), *number),
        Operation::RechargeCancel { number } => Asked::of_record("recharge cancel", ('r', account), *number),
        Operation::Charge {
            amount,
            service,
            suspend,
            grants,
        } => {
            let asked = of_account("charge")
                .with("amount", own(*amount))
                .with("service", service);
            granting(asked, grants.as_ref()).flag("suspend", *suspend)
        }
        Operation::Adjust { amount } => of_account("adjust").with("amount", own(*amount)),
        Operation::Penalty { amount } => of_account("penalty").with("amount", own(*amount)),
        Operation::Freeze {
            amount,
            service,
            expires_in,
        } => of_account("freeze")
            .with("amount", own(*amount))
            .with_any("service", service.as_ref())
            .with_any("expires-in", expires_in.map(seconds)),
        Operation::Commit {
            hold,
            amount,
            keep_open,
        } => Asked::of("commit")
            .with("hold", format!("h{account}-{hold}"))
            .with_any("amount", amount.map(own))
            .flag("keep-open", *keep_open),
        Operation::Release { hold, amount } => Asked::of("refund")
            .with("hold", format!("h{account}-{hold}"))
            .with_any("amount", amount.map(own)),
        Operation::Refund { entry, amount } => of_account("refund")
            .with("entry", entry)
            .with_any("amount", amount.map(own)),
        Operation::Reverse {
            entry,
            amount,
            may_become_debt,
        } => of_account("reverse")
            .with("entry", entry)
            .with_any("amount", amount.map(own))
            .with("if-spent", if_spent(*may_become_debt)),
        Operation::RecordPurchase {
            paid,
            credits,
            pending_for,
        } => {
            let asked = paying(of_account("purchase record"), paid).with("pending-hours", pending_for / 3_600);
            match credits {
                0 => asked.with("per-credit", TOO_DEAR),
                credits => asked.with("credits", own(*credits)),
            }
        }
        Operation::DeactivatePurchase {
            purchase,
            may_become_debt,
        } => Asked::of_record("deactivate-purchase", ('p', account), *purchase)
            .with("if-spent", if_spent(*may_become_debt)),
        Operation::GrantGift { credits, paid } => {
            let asked = of_account("gift grant").with("credits", own(*credits));
            paid.iter().fold(asked, paying)
        }
        Operation::DeactivateGift { gift, may_become_debt } => {
            Asked::of_record("gift deactivate", ('g', account), *gift).with("if-spent", if_spent(*may_become_debt))
        }
        Operation::TransferCredit { .. } | Operation::ExpireHold { .. } => unreachable!("no command does it"),
    };
    asked
        .with_any("reference", step.note.reference.as_ref())
        .with_any("description", step.note.description.as_ref())
        .with_any("metadata", step.note.metadata.as_ref())
        .with_any("idempotency-key", step.key.as_ref())
}

fn granting(asked: Asked, grants: Option<&Access>) -> Asked {
    let Some(Access { resource, expires_in }) = grants else {
        return asked;
    };
    asked
        .with("grants", resource)
        .with_any("access-expires", expires_in.map(seconds))
}

fn paying(asked: Asked, paid: &Paid) -> Asked {
    asked
        .with("amount", amount(paid.amount, &paid.currency))
        .with("paid-in", &paid.currency)
}

fn if_spent(may_become_debt: bool) -> &'static str {
    if may_become_debt { "debt" } else { "refuse" }
}

fn or_none(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn seconds(span: i64) -> String {
    format!("{span}s")
}
