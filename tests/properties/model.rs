//! The rules of the ledger once more, as naively as possible, to compare the
//! real thing with. It shares nothing with it: whoever changes a rule has to
//! change it twice.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];
pub type Code = &'static str;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountName {
    pub user_id: String,
    pub currency: String,
}

impl AccountName {
    pub fn new(user_id: &str, currency: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            currency: currency.to_owned(),
        }
    }
}

/// One request to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub account: AccountName,
    pub operation: Operation,
    pub key: Option<String>,
    pub actor: String,
    pub at_micros: i64,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
}

impl Step {
    /// Without key and texts.
    pub fn new(account: &AccountName, operation: Operation, at_micros: i64) -> Self {
        Self {
            account: account.clone(),
            operation,
            key: None,
            actor: "tester".to_owned(),
            at_micros,
            reference: None,
            description: None,
            metadata: None,
        }
    }

    fn note(&self) -> Note {
        Note {
            reference: self.reference.clone(),
            description: self.description.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

/// Amounts are minor units. Recharges are numbered 1, 2, 3 ... per account in
/// the order in which they were accepted, the direct ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    CreateAccount,
    Lock,
    Unlock,
    Close,
    SetLimits {
        charges_per_minute: Option<u32>,
        spend_per_day: Option<i64>,
    },
    Recharge {
        amount: i64,
        method: String,
    },
    RechargePending {
        amount: i64,
        method: String,
        /// Asked as a span of seconds, so that a later retry is the same request.
        expires_in: Option<i64>,
    },
    RechargeProcess {
        number: usize,
    },
    RechargeComplete {
        number: usize,
    },
    RechargeFail {
        number: usize,
    },
    RechargeCancel {
        number: usize,
    },
    /// The job: it looks at every account, whichever the step names.
    ExpireRecharges,
    Charge {
        amount: i64,
        service: String,
    },
    /// Signed.
    Adjust {
        amount: i64,
    },
    Penalty {
        amount: i64,
    },
    Credit {
        amount: i64,
    },
    Gift {
        amount: i64,
    },
    /// Where the balance is too small, the rest becomes debt, or nothing is taken at all.
    Clawback {
        amount: i64,
        may_become_debt: bool,
    },
}

impl Operation {
    fn has_valid_amount(&self) -> bool {
        match self {
            Self::Recharge { amount, .. }
            | Self::RechargePending { amount, .. }
            | Self::Charge { amount, .. }
            | Self::Penalty { amount }
            | Self::Credit { amount }
            | Self::Gift { amount }
            | Self::Clawback { amount, .. } => *amount > 0,
            Self::Adjust { amount } => *amount != 0,
            _ => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Applied,
    AlreadyApplied,
    Refused(Code),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub balance: i64,
    pub held: i64,
    pub debt: i64,
    pub total_recharged: i64,
    pub total_spent: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: i64,
    pub kind: &'static str,
    pub balance_delta: i64,
    pub held_delta: i64,
    pub debt_delta: i64,
    pub balance_after: i64,
    pub held_after: i64,
    pub debt_after: i64,
    pub counter_account: String,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub actor: String,
    pub reverses: Option<i64>,
    pub idempotency_key: Option<String>,
    pub at_micros: i64,
    pub hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RechargeStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
    Expired,
}

impl RechargeStatus {
    fn may_become(self, wanted: Self) -> bool {
        match self {
            Self::Pending => matches!(
                wanted,
                Self::Processing | Self::Completed | Self::Failed | Self::Cancelled
            ),
            Self::Processing => matches!(wanted, Self::Completed | Self::Failed | Self::Cancelled),
            Self::Completed | Self::Failed | Self::Cancelled | Self::Expired => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recharge {
    pub amount: i64,
    pub method: String,
    pub status: RechargeStatus,
    pub expires_at: Option<i64>,
    note: Note,
}

impl Recharge {
    fn is_due(&self, now: i64) -> bool {
        self.status == RechargeStatus::Pending && self.expires_at.is_some_and(|at| at <= now)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Note {
    reference: Option<String>,
    description: Option<String>,
    metadata: Option<String>,
}

/// The whole ledger.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// In the order of their creation.
    accounts: Vec<Account>,
}

impl Model {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn apply(&mut self, step: &Step) -> Answer {
        if !step.operation.has_valid_amount() {
            return Answer::Refused("invalid_amount");
        }
        match step.operation {
            Operation::CreateAccount => self.create(&step.account),
            Operation::ExpireRecharges => self.expire_recharges(step.at_micros),
            _ => match self.account_mut(&step.account) {
                Some(account) => account.apply(step),
                None => Answer::Refused("not_found"),
            },
        }
    }

    pub fn exists(&self, name: &AccountName) -> bool {
        self.accounts.iter().any(|account| account.name == *name)
    }

    /// All zero for an unknown account.
    pub fn figures(&self, name: &AccountName) -> Figures {
        self.account(name).map(|account| account.figures).unwrap_or_default()
    }

    pub fn entries(&self, name: &AccountName) -> &[Entry] {
        self.account(name).map_or(&[], |account| &account.entries)
    }

    /// Number 1 is the first.
    pub fn recharges(&self, name: &AccountName) -> &[Recharge] {
        self.account(name).map_or(&[], |account| &account.recharges)
    }

    pub fn is_locked(&self, name: &AccountName) -> bool {
        self.account(name).is_some_and(|account| account.locked)
    }

    pub fn is_closed(&self, name: &AccountName) -> bool {
        self.account(name).is_some_and(|account| account.closed)
    }

    pub fn digest(&self) -> Hash {
        let mut canonical = Canonical::new("ledger.digest/1");
        for account in &self.accounts {
            canonical.text(&account.name.user_id);
            canonical.text(&account.name.currency);
            canonical.integer(account.last_seq());
            canonical.bytes(&account.chain_head());
        }
        Sha256::digest(canonical.0).into()
    }

    fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.iter().rfind(|account| account.name == *name)
    }

    fn account_mut(&mut self, name: &AccountName) -> Option<&mut Account> {
        self.accounts.iter_mut().rfind(|account| account.name == *name)
    }

    fn create(&mut self, name: &AccountName) -> Answer {
        if self.exists(name) {
            return Answer::AlreadyApplied;
        }
        self.accounts.push(Account::new(name.clone()));
        Answer::Applied
    }

    /// A closed account is left as it is: nothing of it moves any more.
    fn expire_recharges(&mut self, now: i64) -> Answer {
        for account in self.accounts.iter_mut().filter(|account| !account.closed) {
            for recharge in &mut account.recharges {
                if recharge.is_due(now) {
                    recharge.status = RechargeStatus::Expired;
                }
            }
        }
        Answer::Applied
    }
}

#[derive(Clone, Debug)]
struct Account {
    name: AccountName,
    figures: Figures,
    locked: bool,
    closed: bool,
    charges_per_minute: Option<u32>,
    spend_per_day: Option<i64>,
    entries: Vec<Entry>,
    recharges: Vec<Recharge>,
    attempts: HashMap<String, Attempt>,
}

/// What is remembered of an idempotency key.
#[derive(Clone, Debug)]
struct Attempt {
    payload: Payload,
    applied: bool,
}

/// Who asks and when is no part of it: a retry may come later, from somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Payload {
    operation: Operation,
    note: Note,
}

/// An entry still without its number, its figures after and its hash.
struct Movement {
    kind: &'static str,
    balance_delta: i64,
    debt_delta: i64,
    counter_account: String,
    note: Note,
    key: Option<String>,
}

impl Movement {
    fn new(kind: &'static str, balance_delta: i64, counter_account: String, step: &Step) -> Self {
        Self {
            kind,
            balance_delta,
            debt_delta: 0,
            counter_account,
            note: step.note(),
            key: step.key.clone(),
        }
    }
}

impl Account {
    fn new(name: AccountName) -> Self {
        Self {
            name,
            figures: Figures::default(),
            locked: false,
            closed: false,
            charges_per_minute: None,
            spend_per_day: None,
            entries: Vec::new(),
            recharges: Vec::new(),
            attempts: HashMap::new(),
        }
    }

    fn apply(&mut self, step: &Step) -> Answer {
        let Some(key) = &step.key else {
            return self.judge(step);
        };
        let payload = Payload {
            operation: step.operation.clone(),
            note: step.note(),
        };
        match self.attempts.get(key) {
            Some(attempt) if attempt.payload != payload => Answer::Refused("idempotency_conflict"),
            Some(attempt) if attempt.applied => Answer::AlreadyApplied,
            _ => {
                let answer = self.judge(step);
                let applied = !matches!(answer, Answer::Refused(_));
                self.attempts.insert(key.clone(), Attempt { payload, applied });
                answer
            }
        }
    }

    fn judge(&mut self, step: &Step) -> Answer {
        self.carry_out(step).unwrap_or_else(Answer::Refused)
    }

    fn carry_out(&mut self, step: &Step) -> Result<Answer, Code> {
        match &step.operation {
            Operation::CreateAccount | Operation::ExpireRecharges => unreachable!("done before"),
            Operation::Lock => Ok(switch(&mut self.locked, true)),
            Operation::Unlock => Ok(switch(&mut self.locked, false)),
            Operation::Close => self.close(),
            Operation::SetLimits {
                charges_per_minute,
                spend_per_day,
            } => Ok(self.limit(*charges_per_minute, *spend_per_day)),
            _ if self.closed => Err("account_closed"),
            Operation::Recharge { amount, method } => self.recharge(*amount, method, step),
            Operation::RechargePending {
                amount,
                method,
                expires_in,
            } => {
                let expires_at = expires_in.map(|seconds| step.at_micros + seconds * 1_000_000);
                self.remember(*amount, method, RechargeStatus::Pending, expires_at, step);
                Ok(Answer::Applied)
            }
            Operation::RechargeProcess { number } => self.advance(*number, RechargeStatus::Processing, step),
            Operation::RechargeComplete { number } => self.advance(*number, RechargeStatus::Completed, step),
            Operation::RechargeFail { number } => self.advance(*number, RechargeStatus::Failed, step),
            Operation::RechargeCancel { number } => self.advance(*number, RechargeStatus::Cancelled, step),
            Operation::Charge { .. } if self.locked => Err("account_locked"),
            Operation::Charge { amount, service } => {
                self.stays_within_limits(*amount, step.at_micros)?;
                self.take(
                    Movement::new("service_fee", -amount, format!("revenue:{service}"), step),
                    step,
                )
            }
            Operation::Penalty { amount } => self.take(
                Movement::new("penalty", -amount, "income:penalty".to_owned(), step),
                step,
            ),
            Operation::Adjust { amount } => {
                let counter_account = "equity:adjustment".to_owned();
                let movement = Movement::new("adjustment", *amount, counter_account, step);
                if *amount < 0 {
                    self.take(movement, step)
                } else {
                    self.put(movement, step)
                }
            }
            Operation::Credit { amount } => self.put(
                Movement::new("credit", *amount, "promotions:credit".to_owned(), step),
                step,
            ),
            Operation::Gift { amount } => {
                self.put(Movement::new("gift", *amount, "promotions:gift".to_owned(), step), step)
            }
            Operation::Clawback {
                amount,
                may_become_debt,
            } => self.claw_back(*amount, *may_become_debt, step),
        }
    }

    fn limit(&mut self, charges_per_minute: Option<u32>, spend_per_day: Option<i64>) -> Answer {
        if (self.charges_per_minute, self.spend_per_day) == (charges_per_minute, spend_per_day) {
            return Answer::AlreadyApplied;
        }
        self.charges_per_minute = charges_per_minute;
        self.spend_per_day = spend_per_day;
        Answer::Applied
    }

    fn stays_within_limits(&self, amount: i64, now: i64) -> Result<(), Code> {
        const MINUTE: i64 = 60 * 1_000_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        let charges = self
            .entries
            .iter()
            .filter(|entry| entry.kind == "service_fee" && entry.at_micros > now - MINUTE);
        if self
            .charges_per_minute
            .is_some_and(|allowed| charges.count() >= allowed as usize)
        {
            return Err("limit_exceeded");
        }
        let Some(allowed) = self.spend_per_day else {
            return Ok(());
        };
        let spent: i64 = self
            .entries
            .iter()
            .filter(|entry| ["service_fee", "penalty"].contains(&entry.kind) && entry.at_micros >= now - now % DAY)
            .map(|entry| -entry.balance_delta)
            .sum();
        if sum(spent, amount)? > allowed {
            return Err("limit_exceeded");
        }
        Ok(())
    }

    fn claw_back(&mut self, amount: i64, may_become_debt: bool, step: &Step) -> Result<Answer, Code> {
        let taken = amount.min(self.figures.balance);
        if taken < amount && !may_become_debt {
            return Err("insufficient_balance");
        }
        let mut movement = Movement::new("clawback", -taken, "promotions:clawback".to_owned(), step);
        movement.debt_delta = amount - taken;
        self.append(movement, step)?;
        Ok(Answer::Applied)
    }

    fn close(&mut self) -> Result<Answer, Code> {
        let Figures {
            balance, held, debt, ..
        } = self.figures;
        if (balance, held, debt) != (0, 0, 0) {
            return Err("account_not_empty");
        }
        Ok(switch(&mut self.closed, true))
    }

    fn recharge(&mut self, amount: i64, method: &str, step: &Step) -> Result<Answer, Code> {
        let answer = self.put(
            Movement::new("recharge", amount, format!("gateway:{method}"), step),
            step,
        )?;
        self.remember(amount, method, RechargeStatus::Completed, None, step);
        Ok(answer)
    }

    fn remember(&mut self, amount: i64, method: &str, status: RechargeStatus, expires_at: Option<i64>, step: &Step) {
        self.recharges.push(Recharge {
            amount,
            method: method.to_owned(),
            status,
            expires_at,
            note: step.note(),
        });
    }

    fn advance(&mut self, number: usize, wanted: RechargeStatus, step: &Step) -> Result<Answer, Code> {
        let Some(index) = number.checked_sub(1).filter(|index| *index < self.recharges.len()) else {
            return Err("not_found");
        };
        let recharge = self.recharges[index].clone();
        // It counts as expired; that it has is written down by the job alone.
        if recharge.is_due(step.at_micros) {
            return Err("already_final");
        }
        if recharge.status == wanted {
            return Ok(Answer::AlreadyApplied);
        }
        if !recharge.status.may_become(wanted) {
            return Err("already_final");
        }
        if wanted == RechargeStatus::Completed {
            let counter_account = format!("gateway:{}", recharge.method);
            let mut movement = Movement::new("recharge", recharge.amount, counter_account, step);
            movement.note = recharge.note;
            self.put(movement, step)?;
        }
        self.recharges[index].status = wanted;
        Ok(Answer::Applied)
    }

    fn take(&mut self, movement: Movement, step: &Step) -> Result<Answer, Code> {
        if i128::from(self.figures.balance) + i128::from(movement.balance_delta) < 0 {
            return Err("insufficient_balance");
        }
        self.append(movement, step)?;
        Ok(Answer::Applied)
    }

    /// Money in is booked in full; then what it recovers of a debt, under the same key and note.
    fn put(&mut self, movement: Movement, step: &Step) -> Result<Answer, Code> {
        let (note, key) = (movement.note.clone(), movement.key.clone());
        self.append(movement, step)?;
        let recovered = self.figures.debt.min(self.figures.balance);
        if recovered > 0 {
            let recovery = Movement {
                kind: "debt_recovery",
                balance_delta: -recovered,
                debt_delta: -recovered,
                counter_account: "receivable:debt".to_owned(),
                note,
                key,
            };
            self.append(recovery, step)?;
        }
        Ok(Answer::Applied)
    }

    fn append(&mut self, movement: Movement, step: &Step) -> Result<(), Code> {
        let mut figures = self.figures;
        let delta = movement.balance_delta;
        figures.balance = sum(figures.balance, delta)?;
        figures.debt = sum(figures.debt, movement.debt_delta)?;
        match movement.kind {
            "recharge" => figures.total_recharged = sum(figures.total_recharged, delta)?,
            "service_fee" | "penalty" => figures.total_spent = sum(figures.total_spent, -delta)?,
            _ => {}
        }
        let mut entry = Entry {
            seq: self.last_seq() + 1,
            kind: movement.kind,
            balance_delta: delta,
            held_delta: 0,
            debt_delta: movement.debt_delta,
            balance_after: figures.balance,
            held_after: figures.held,
            debt_after: figures.debt,
            counter_account: movement.counter_account,
            reference: movement.note.reference,
            description: movement.note.description,
            metadata: movement.note.metadata,
            actor: step.actor.clone(),
            reverses: None,
            idempotency_key: movement.key,
            at_micros: step.at_micros,
            hash: [0; 32],
        };
        entry.hash = chain_hash(self.chain_head(), &self.name, &entry);
        self.entries.push(entry);
        self.figures = figures;
        Ok(())
    }

    fn last_seq(&self) -> i64 {
        self.entries.last().map_or(0, |entry| entry.seq)
    }

    fn chain_head(&self) -> Hash {
        self.entries.last().map_or([0; 32], |entry| entry.hash)
    }
}

fn switch(flag: &mut bool, wanted: bool) -> Answer {
    if *flag == wanted {
        return Answer::AlreadyApplied;
    }
    *flag = wanted;
    Answer::Applied
}

fn sum(left: i64, right: i64) -> Result<i64, Code> {
    i64::try_from(i128::from(left) + i128::from(right)).map_err(|_| "invalid_amount")
}

fn chain_hash(previous: Hash, account: &AccountName, entry: &Entry) -> Hash {
    let mut canonical = Canonical::new("ledger.entry/1");
    canonical.text(&account.user_id);
    canonical.text(&account.currency);
    canonical.integer(entry.seq);
    canonical.text(entry.kind);
    canonical.integer(entry.balance_delta);
    canonical.integer(entry.held_delta);
    canonical.integer(entry.debt_delta);
    canonical.integer(entry.balance_after);
    canonical.integer(entry.held_after);
    canonical.integer(entry.debt_after);
    canonical.text(&entry.counter_account);
    canonical.optional_text(entry.reference.as_deref());
    canonical.optional_text(entry.description.as_deref());
    canonical.optional_text(entry.metadata.as_deref());
    canonical.text(&entry.actor);
    canonical.optional_integer(entry.reverses);
    canonical.optional_text(entry.idempotency_key.as_deref());
    canonical.integer(entry.at_micros);
    Sha256::new()
        .chain_update(previous)
        .chain_update(canonical.0)
        .finalize()
        .into()
}

/// Each field behind its length, so that no two lists of fields look alike.
struct Canonical(Vec<u8>);

impl Canonical {
    fn new(version: &str) -> Self {
        let mut canonical = Self(Vec::new());
        canonical.text(version);
        canonical
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("no field is that long");
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
    }

    fn absent(&mut self) {
        self.0.extend(u32::MAX.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn integer(&mut self, integer: i64) {
        self.bytes(&integer.to_be_bytes());
    }

    fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.absent(),
        }
    }

    fn optional_integer(&mut self, integer: Option<i64>) {
        match integer {
            Some(integer) => self.integer(integer),
            None => self.absent(),
        }
    }
}

/// As the command line prints hashes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod examples {
    use super::*;

    /// 2026-03-01T12:00:00Z
    const NOW: i64 = 1_772_366_400_000_000;

    fn five() -> AccountName {
        AccountName::new("5", "USD")
    }

    fn ledger_with(balance: i64) -> Model {
        let mut model = Model::new();
        assert_eq!(tell(&mut model, Operation::CreateAccount), Answer::Applied);
        if balance > 0 {
            assert_eq!(tell(&mut model, recharge(balance)), Answer::Applied);
        }
        model
    }

    fn tell(model: &mut Model, operation: Operation) -> Answer {
        model.apply(&Step::new(&five(), operation, NOW))
    }

    fn tell_with_key(model: &mut Model, operation: Operation, key: &str) -> Answer {
        let mut step = Step::new(&five(), operation, NOW);
        step.key = Some(key.to_owned());
        model.apply(&step)
    }

    fn recharge(amount: i64) -> Operation {
        let method = "momo".to_owned();
        Operation::Recharge { amount, method }
    }

    fn pending(amount: i64, expires_in: Option<i64>) -> Operation {
        let method = "momo".to_owned();
        Operation::RechargePending {
            amount,
            method,
            expires_in,
        }
    }

    fn charge(amount: i64) -> Operation {
        let service = "vps".to_owned();
        Operation::Charge { amount, service }
    }

    #[test]
    fn two_charges_of_80_at_a_balance_of_100() {
        let mut model = ledger_with(100);
        assert_eq!(tell(&mut model, charge(80)), Answer::Applied);
        assert_eq!(tell(&mut model, charge(80)), Answer::Refused("insufficient_balance"));
        let expected = Figures {
            balance: 20,
            total_recharged: 100,
            total_spent: 80,
            ..Figures::default()
        };
        assert_eq!(model.figures(&five()), expected);
        assert_eq!(model.entries(&five()).len(), 2);
    }

    #[test]
    fn a_locked_account_refuses_charges_and_takes_money_in() {
        let mut model = ledger_with(100);
        assert_eq!(tell(&mut model, Operation::Lock), Answer::Applied);
        assert_eq!(tell(&mut model, charge(10)), Answer::Refused("account_locked"));
        assert_eq!(tell(&mut model, recharge(50)), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Adjust { amount: -30 }), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Penalty { amount: 20 }), Answer::Applied);
        assert_eq!(model.figures(&five()).balance, 100);
    }

    #[test]
    fn an_applied_key_is_final_and_a_refused_one_is_judged_anew() {
        let mut model = ledger_with(0);
        let refused = Answer::Refused("insufficient_balance");
        let conflict = Answer::Refused("idempotency_conflict");
        assert_eq!(tell_with_key(&mut model, charge(80), "k"), refused);
        assert_eq!(tell_with_key(&mut model, charge(80), "k"), refused);
        assert_eq!(tell_with_key(&mut model, charge(70), "k"), conflict);
        assert_eq!(tell(&mut model, recharge(100)), Answer::Applied);
        assert_eq!(tell_with_key(&mut model, charge(80), "k"), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Lock), Answer::Applied);
        assert_eq!(tell_with_key(&mut model, charge(80), "k"), Answer::AlreadyApplied);
        assert_eq!(tell_with_key(&mut model, charge(70), "k"), conflict);
        assert_eq!(model.figures(&five()).balance, 20);
    }

    #[test]
    fn a_recharge_completes_once_and_a_failed_one_never() {
        let mut model = ledger_with(0);
        let complete = |number| Operation::RechargeComplete { number };
        let fail = |number| Operation::RechargeFail { number };
        let already_final = Answer::Refused("already_final");
        assert_eq!(tell(&mut model, complete(1)), Answer::Refused("not_found"));
        assert_eq!(tell(&mut model, pending(500, None)), Answer::Applied);
        assert_eq!(
            tell(&mut model, Operation::RechargeProcess { number: 1 }),
            Answer::Applied
        );
        assert_eq!(tell(&mut model, complete(1)), Answer::Applied);
        assert_eq!(tell(&mut model, complete(1)), Answer::AlreadyApplied);
        assert_eq!(tell(&mut model, fail(1)), already_final);
        assert_eq!(tell(&mut model, pending(500, None)), Answer::Applied);
        assert_eq!(tell(&mut model, fail(2)), Answer::Applied);
        assert_eq!(tell(&mut model, complete(2)), already_final);
        assert_eq!(model.figures(&five()).balance, 500);
    }

    #[test]
    fn an_overdue_recharge_counts_as_expired_and_the_job_writes_it_down() {
        let mut model = ledger_with(0);
        for expires_in in [60, 61] {
            assert_eq!(tell(&mut model, pending(500, Some(expires_in))), Answer::Applied);
        }
        let statuses = |model: &Model| -> Vec<RechargeStatus> {
            model
                .recharges(&five())
                .iter()
                .map(|recharge| recharge.status)
                .collect()
        };
        let later = |operation| Step::new(&five(), operation, NOW + 60_000_000);
        for too_late in [
            Operation::RechargeComplete { number: 1 },
            Operation::RechargeProcess { number: 1 },
            Operation::RechargeFail { number: 1 },
            Operation::RechargeCancel { number: 1 },
        ] {
            assert_eq!(model.apply(&later(too_late)), Answer::Refused("already_final"));
        }
        assert_eq!(statuses(&model), [RechargeStatus::Pending; 2]);

        assert_eq!(model.apply(&later(Operation::ExpireRecharges)), Answer::Applied);

        assert_eq!(statuses(&model), [RechargeStatus::Expired, RechargeStatus::Pending]);
        assert_eq!(model.figures(&five()), Figures::default());
    }

    #[test]
    fn a_charge_stays_within_the_limits_of_the_account() {
        let mut model = ledger_with(1_000);
        let limit = |charges_per_minute, spend_per_day| Operation::SetLimits {
            charges_per_minute,
            spend_per_day,
        };
        let refused = Answer::Refused("limit_exceeded");
        assert_eq!(tell(&mut model, limit(Some(2), Some(100))), Answer::Applied);
        assert_eq!(tell(&mut model, charge(30)), Answer::Applied);
        assert_eq!(tell(&mut model, charge(71)), refused);
        assert_eq!(tell(&mut model, charge(30)), Answer::Applied);
        assert_eq!(tell(&mut model, charge(30)), refused);
        let minute_later = Step::new(&five(), charge(30), NOW + 60_000_000);
        assert_eq!(model.apply(&minute_later), Answer::Applied);
        assert_eq!(tell(&mut model, limit(None, None)), Answer::Applied);
        assert_eq!(tell(&mut model, charge(900)), Answer::Applied);
    }

    #[test]
    fn a_clawback_of_what_was_spent_is_refused_or_becomes_debt() {
        let mut model = ledger_with(100);
        let claw_back = |may_become_debt| Operation::Clawback {
            amount: 130,
            may_become_debt,
        };
        let refused = Answer::Refused("insufficient_balance");
        assert_eq!(tell(&mut model, claw_back(false)), refused);
        assert_eq!(tell(&mut model, claw_back(true)), Answer::Applied);
        assert_eq!((model.figures(&five()).balance, model.figures(&five()).debt), (0, 30));
        assert_eq!(tell(&mut model, Operation::Gift { amount: 50 }), Answer::Applied);
        assert_eq!((model.figures(&five()).balance, model.figures(&five()).debt), (20, 0));
    }

    #[test]
    fn only_an_empty_account_closes_and_then_refuses_money() {
        let mut model = ledger_with(100);
        assert_eq!(tell(&mut model, Operation::Close), Answer::Refused("account_not_empty"));
        assert_eq!(tell(&mut model, charge(100)), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Close), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Close), Answer::AlreadyApplied);
        assert_eq!(tell(&mut model, recharge(1)), Answer::Refused("account_closed"));
    }

    #[test]
    fn money_in_first_pays_off_debt_by_an_entry_of_its_own() {
        let mut model = ledger_with(0);
        model.accounts[0].figures.debt = 30;
        assert_eq!(tell(&mut model, recharge(20)), Answer::Applied);
        assert_eq!(tell(&mut model, Operation::Adjust { amount: 25 }), Answer::Applied);
        let booked: Vec<_> = model
            .entries(&five())
            .iter()
            .map(|entry| (entry.kind, entry.balance_delta, entry.debt_delta, entry.balance_after))
            .collect();
        let expected = [
            ("recharge", 20, 0, 20),
            ("debt_recovery", -20, -20, 0),
            ("adjustment", 25, 0, 25),
            ("debt_recovery", -10, -10, 15),
        ];
        assert_eq!(booked, expected);
        assert_eq!(model.figures(&five()).debt, 0);
        assert_eq!(model.figures(&five()).total_recharged, 20);
    }

    #[test]
    fn no_figure_leaves_the_range() {
        let mut model = ledger_with(i64::MAX);
        let refused = Answer::Refused("invalid_amount");
        assert_eq!(tell(&mut model, Operation::Adjust { amount: 1 }), refused);
        assert_eq!(tell(&mut model, charge(i64::MAX)), Answer::Applied);
        assert_eq!(tell(&mut model, recharge(1)), refused);
        assert_eq!(tell(&mut model, Operation::Adjust { amount: 1 }), Answer::Applied);
        assert_eq!(tell(&mut model, charge(1)), refused);
        let beyond = Operation::Adjust { amount: i64::MIN };
        assert_eq!(tell(&mut model, beyond), Answer::Refused("insufficient_balance"));
        assert_eq!(model.entries(&five()).len(), 3);
    }

    /// The hashes were computed by another program from the description of
    /// the canonical form.
    #[test]
    fn the_chain_is_the_one_an_auditor_computes() {
        let mut model = ledger_with(0);
        let mut step = Step::new(&five(), recharge(10_000), NOW);
        step.key = Some("k-1".to_owned());
        assert_eq!(model.apply(&step), Answer::Applied);
        step.operation = charge(8_000);
        step.key = Some("k-2".to_owned());
        step.reference = Some("VpsUsage:123".to_owned());
        step.description = Some("Máy chủ".to_owned());
        step.metadata = Some(r#"{"a":1}"#.to_owned());
        assert_eq!(model.apply(&step), Answer::Applied);
        let six = AccountName::new("6", "VND");
        assert_eq!(
            model.apply(&Step::new(&six, Operation::CreateAccount, NOW)),
            Answer::Applied
        );

        let hashes = model.entries(&five()).iter().map(|entry| hex(&entry.hash));
        assert!(hashes.eq([
            "2acc237f5347750829c5dab8267776336765a91613087a233b681f24ffb98eaa",
            "ccac5f5db785c1a6dabd76be8585e11f7ba3e0311210b344a4dd33ccf9ea879a",
        ]));
        assert_eq!(
            hex(&model.digest()),
            "06f5a2a05238acd1b9c589613605d79dedddb51b53356f9018d41e5dc33b95fd"
        );
    }
}
