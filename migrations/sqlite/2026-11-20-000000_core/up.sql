-- The core: accounts, their balance rows, the journal of entries, intents and recharges.
-- Amounts are whole minor units, times microseconds since 1970 in UTC.

-- Units beyond ISO 4217, added by `ledger currency add`.
CREATE TABLE currencies (
    code TEXT NOT NULL PRIMARY KEY,
    exponent INTEGER NOT NULL CHECK (exponent BETWEEN 0 AND 12)
) STRICT, WITHOUT ROWID;

-- Identity and settings. Ids are given in the order of creation.
CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
    user_id TEXT NOT NULL CHECK (user_id <> ''),
    currency TEXT NOT NULL,
    exponent INTEGER NOT NULL CHECK (exponent BETWEEN 0 AND 12),
    low_balance_threshold INTEGER CHECK (low_balance_threshold >= 0),
    charges_per_minute INTEGER CHECK (charges_per_minute > 0),
    spend_per_day INTEGER CHECK (spend_per_day > 0),
    locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)),
    revision INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0),
    created_at INTEGER NOT NULL,
    UNIQUE (user_id, currency)
) STRICT;

-- One lockable row per account: the fast copy of what its entries come to.
-- settings_revision repeats accounts.revision, so that a change of the settings shows under this row's lock.
CREATE TABLE balances (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES accounts (id),
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
    held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    debt INTEGER NOT NULL DEFAULT 0 CHECK (debt >= 0),
    total_recharged INTEGER NOT NULL DEFAULT 0 CHECK (total_recharged >= 0),
    total_spent INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    chain_head BLOB NOT NULL CHECK (length(chain_head) = 32),
    settings_revision INTEGER NOT NULL DEFAULT 0 CHECK (settings_revision >= 0)
) STRICT;

-- The journal: the source of truth, append-only.
CREATE TABLE entries (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    balance_delta INTEGER NOT NULL,
    held_delta INTEGER NOT NULL,
    debt_delta INTEGER NOT NULL,
    kind TEXT NOT NULL,
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
    held_after INTEGER NOT NULL CHECK (held_after >= 0),
    debt_after INTEGER NOT NULL CHECK (debt_after >= 0),
    reverses INTEGER CHECK (reverses > 0 AND reverses < seq),
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    counter_account TEXT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT entries_arithmetic CHECK (CASE kind
        WHEN 'recharge' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'service_fee' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'refund' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'adjustment' THEN balance_delta <> 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'penalty' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'freeze' THEN balance_delta < 0 AND held_delta = -balance_delta AND debt_delta = 0
        WHEN 'commit' THEN balance_delta = 0 AND held_delta < 0 AND debt_delta = 0
        WHEN 'release' THEN balance_delta > 0 AND held_delta = -balance_delta AND debt_delta = 0
        WHEN 'credit' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'gift' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'clawback' THEN balance_delta <= 0 AND held_delta = 0 AND debt_delta >= 0 AND balance_delta - debt_delta < 0
        WHEN 'debt_recovery' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = balance_delta
        ELSE 0 END),
    -- The figures before the entry were not negative either, and the first entry starts from nothing.
    CONSTRAINT entries_continuity CHECK (
        balance_after - balance_delta >= 0 AND held_after - held_delta >= 0 AND debt_after - debt_delta >= 0
        AND (seq > 1 OR (balance_after = balance_delta AND held_after = held_delta AND debt_after = debt_delta))
    )
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: UPDATE is refused');
END;

CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN
    SELECT RAISE(ABORT, 'entries are append-only: DELETE is refused');
END;

-- INSERT OR REPLACE deletes the old row without asking the trigger above.
CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE account_id = NEW.account_id AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: entries are append-only: the sequence number is taken');
END;

-- Every attempt, written before the work. The key is the caller's name for the operation.
-- With a rowid: new rows go to the end of the table, and only the short key into the middle of an index.
CREATE TABLE intents (
    account_id INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    operation TEXT NOT NULL,
    payload TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    first_seq INTEGER,
    last_seq INTEGER,
    subject INTEGER,
    reason TEXT,
    duration_us INTEGER,
    PRIMARY KEY (account_id, idempotency_key, attempt),
    -- Not by IN, for which SQLite would fill a temporary table at every write.
    CONSTRAINT intents_outcome CHECK (CASE state
        WHEN 'pending' THEN first_seq IS NULL AND last_seq IS NULL AND reason IS NULL
        WHEN 'applied' THEN reason IS NULL AND (first_seq IS NULL) = (last_seq IS NULL)
        WHEN 'refused' THEN first_seq IS NULL AND last_seq IS NULL AND reason IS NOT NULL
        WHEN 'failed' THEN first_seq IS NULL AND last_seq IS NULL AND reason IS NOT NULL
        ELSE 0
    END AND attempt > 0)
) STRICT;

-- Money on its way in; the entry it became, once completed.
CREATE TABLE recharges (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    number INTEGER NOT NULL CHECK (number > 0),
    amount INTEGER NOT NULL CHECK (amount > 0),
    method TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    finished_at INTEGER,
    entry_seq INTEGER,
    gateway_response TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    CHECK ((status = 'completed') = (entry_seq IS NOT NULL)),
    CHECK ((status IN ('pending', 'processing')) = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Administrative acts and repairs, with what they found and left.
CREATE TABLE operations (
    account_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT,
    command TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT,
    after TEXT,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;

-- One lease per job; fence grows with every holder.
CREATE TABLE jobs (
    job TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL CHECK (fence > 0),
    holder TEXT,
    lease_until INTEGER
) STRICT, WITHOUT ROWID;

-- What each run of a job found; small and read by time, so not led by an account.
CREATE TABLE job_runs (
    id TEXT NOT NULL PRIMARY KEY,
    job TEXT NOT NULL,
    actor TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    counts TEXT,
    digest TEXT,
    exit_code INTEGER
) STRICT, WITHOUT ROWID;
