-- The core: accounts, their balance rows, the journal of entries, intents and recharges.
-- Amounts are whole minor units, times microseconds since 1970 in UTC.

-- Units beyond ISO 4217, added by `ledger currency add`.
CREATE TABLE currencies (
    code TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    exponent BIGINT NOT NULL CHECK (exponent BETWEEN 0 AND 12)
);

-- Identity and settings. Ids are given in the order of creation.
CREATE TABLE accounts (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id > 0),
    user_id TEXT COLLATE "C" NOT NULL CHECK (user_id <> ''),
    currency TEXT COLLATE "C" NOT NULL,
    exponent BIGINT NOT NULL CHECK (exponent BETWEEN 0 AND 12),
    low_balance_threshold BIGINT CHECK (low_balance_threshold >= 0),
    charges_per_minute BIGINT CHECK (charges_per_minute > 0),
    spend_per_day BIGINT CHECK (spend_per_day > 0),
    locked BOOLEAN NOT NULL DEFAULT false,
    closed BOOLEAN NOT NULL DEFAULT false,
    revision BIGINT NOT NULL DEFAULT 0 CHECK (revision >= 0),
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, currency)
);

-- One lockable row per account: the fast copy of what its entries come to.
-- settings_revision repeats accounts.revision, so that a change of the settings shows under this row's lock.
CREATE TABLE balances (
    account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    balance BIGINT NOT NULL DEFAULT 0,
    held BIGINT NOT NULL DEFAULT 0,
    debt BIGINT NOT NULL DEFAULT 0,
    total_recharged BIGINT NOT NULL DEFAULT 0,
    total_spent BIGINT NOT NULL DEFAULT 0,
    last_seq BIGINT NOT NULL DEFAULT 0,
    chain_head BYTEA NOT NULL,
    settings_revision BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT balances_figures CHECK (
        LEAST(balance, held, debt, total_recharged, last_seq, settings_revision) >= 0 AND octet_length(chain_head) = 32
    )
) WITH (fillfactor = 70);

-- What each kind of entry may do to the figures. PostgreSQL reads the text of a CHECK anew for every statement, and a
-- function's only once per session: that is why these rules stand in one.
CREATE FUNCTION entry_is_sound(
    kind TEXT, seq BIGINT, reverses BIGINT, balance_delta BIGINT, held_delta BIGINT, debt_delta BIGINT,
    balance_after BIGINT, held_after BIGINT, debt_after BIGINT, hash BYTEA
) RETURNS BOOLEAN LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    -- The figures are never negative, neither after the entry nor before it, and the first starts from nothing.
    RETURN seq > 0 AND octet_length(hash) = 32
    AND (reverses IS NULL OR (reverses > 0 AND reverses < seq))
    AND balance_after >= 0 AND held_after >= 0 AND debt_after >= 0
    AND balance_after - balance_delta >= 0 AND held_after - held_delta >= 0 AND debt_after - debt_delta >= 0
    AND (seq > 1 OR (balance_after = balance_delta AND held_after = held_delta AND debt_after = debt_delta))
    AND CASE kind
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
        ELSE false END;
END $$;

-- The journal: the source of truth, append-only.
CREATE TABLE entries (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    seq BIGINT NOT NULL,
    balance_delta BIGINT NOT NULL,
    held_delta BIGINT NOT NULL,
    debt_delta BIGINT NOT NULL,
    kind TEXT NOT NULL,
    balance_after BIGINT NOT NULL,
    held_after BIGINT NOT NULL,
    debt_after BIGINT NOT NULL,
    reverses BIGINT,
    at BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    counter_account TEXT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT entries_arithmetic CHECK (entry_is_sound(
        kind, seq, reverses, balance_delta, held_delta, debt_delta, balance_after, held_after, debt_after, hash
    ))
);

CREATE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are append-only: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION entries_are_append_only();

CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only();

-- Every attempt, written before the work. The key is the caller's name for the operation.
CREATE TABLE intents (
    account_id BIGINT NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    operation TEXT NOT NULL,
    payload TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    first_seq BIGINT,
    last_seq BIGINT,
    subject BIGINT,
    reason TEXT,
    duration_us BIGINT,
    PRIMARY KEY (account_id, idempotency_key, attempt),
    CONSTRAINT intents_outcome CHECK (CASE state
        WHEN 'pending' THEN num_nonnulls(first_seq, last_seq, reason) = 0
        WHEN 'applied' THEN reason IS NULL AND num_nonnulls(first_seq, last_seq) <> 1
        ELSE state IN ('refused', 'failed') AND reason IS NOT NULL AND num_nonnulls(first_seq, last_seq) = 0
    END AND attempt > 0)
) WITH (fillfactor = 70);

-- Money on its way in; the entry it became, once completed.
CREATE TABLE recharges (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    number BIGINT NOT NULL CHECK (number > 0),
    amount BIGINT NOT NULL CHECK (amount > 0),
    method TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    finished_at BIGINT,
    entry_seq BIGINT,
    gateway_response TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    CHECK ((status = 'completed') = (entry_seq IS NOT NULL)),
    CHECK ((status IN ('pending', 'processing')) = (finished_at IS NULL))
);

-- Administrative acts and repairs, with what they found and left.
CREATE TABLE operations (
    account_id BIGINT NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT,
    command TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    before TEXT,
    after TEXT,
    PRIMARY KEY (account_id, id)
);

-- One lease per job; fence grows with every holder.
CREATE TABLE jobs (
    job TEXT NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL CHECK (fence > 0),
    holder TEXT,
    lease_until BIGINT
);

-- What each run of a job found; small and read by time, so not led by an account.
CREATE TABLE job_runs (
    id TEXT NOT NULL PRIMARY KEY,
    job TEXT NOT NULL,
    actor TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    counts TEXT,
    digest TEXT,
    exit_code BIGINT
);
