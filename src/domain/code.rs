//! The one table of error codes: name, status and exit code of everything that can go wrong.

/// Exit codes of the process, as documented in every `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    No = 1,
    Usage = 2,
    Configuration = 3,
    Unreachable = 4,
    Busy = 5,
    Integrity = 6,
    Partly = 7,
    Internal = 70,
    Interrupted = 130,
    Terminated = 143,
}

impl Exit {
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::No,
        Self::Usage,
        Self::Configuration,
        Self::Unreachable,
        Self::Busy,
        Self::Integrity,
        Self::Partly,
        Self::Internal,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub const fn code(self) -> u8 {
        self as u8
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done: applied, already applied before, all in sync, or repaired and proven",
            Self::No => "the answer is no: refused by a rule, or differences remain",
            Self::Usage => "wrong usage or invalid input",
            Self::Configuration => "configuration, credentials or schema not usable",
            Self::Unreachable => "database not reachable (try again)",
            Self::Busy => "busy: lock or another run of the job (try again)",
            Self::Integrity => "integrity broken beyond automatic repair: a person must look",
            Self::Partly => "partly done: some lines or rows were refused or failed",
            Self::Internal => "internal error",
            Self::Interrupted => "interrupted: the running transaction was finished or rolled back",
            Self::Terminated => "terminated: the running transaction was finished or rolled back",
        }
    }
}

/// Declares the codes with their stable names, the HTTP-like status, and the exit code.
macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $exit:ident,)*) => {
        /// What scripts match on: `error.code` of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($variant,)* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            pub const fn exit(self) -> Exit {
                match self { $(Self::$variant => Exit::$exit,)* }
            }
        }
    };
}

codes! {
    InvalidAmount        "invalid_amount"        400 Usage,
    InvalidMethod        "invalid_method"        400 Usage,
    InvalidSignature     "invalid_signature"     400 Usage,
    InvalidInput         "invalid_input"         400 Usage,
    InsufficientBalance  "insufficient_balance"  402 No,
    NotFound             "not_found"             404 No,
    AccountLocked        "account_locked"        409 No,
    AccountSuspended     "account_suspended"     409 No,
    AccountClosed        "account_closed"        409 No,
    AccountNotEmpty      "account_not_empty"     409 No,
    AlreadyFinal         "already_final"         409 No,
    NotDue               "not_due"               409 No,
    ClaimMismatch        "claim_mismatch"        409 No,
    ExceedsRemaining     "exceeds_remaining"     409 No,
    LedgerNotEmpty       "ledger_not_empty"      409 Usage,
    IdempotencyConflict  "idempotency_conflict"  409 No,
    RepairLimit          "repair_limit"          409 No,
    LimitExceeded        "limit_exceeded"        429 No,
    Busy                 "busy"                  423 Busy,
    Configuration        "configuration"         500 Configuration,
    Schema               "schema"                500 Configuration,
    Denied               "denied"                403 Configuration,
    Unreachable          "unreachable"           503 Unreachable,
    Storage              "storage"               507 Unreachable,
    Integrity            "integrity"             500 Integrity,
    Interrupted          "interrupted"           499 Interrupted,
    Internal             "internal"              500 Internal,
}
