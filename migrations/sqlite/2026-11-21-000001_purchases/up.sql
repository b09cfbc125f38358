-- Purchases that earn credits, the credits on their way, and gifts.

CREATE TABLE purchases (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    number INTEGER NOT NULL CHECK (number > 0),
    paid INTEGER NOT NULL CHECK (paid > 0),
    paid_currency TEXT NOT NULL,
    paid_exponent INTEGER NOT NULL CHECK (paid_exponent BETWEEN 0 AND 12),
    credits INTEGER NOT NULL CHECK (credits >= 0),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    deactivated_at INTEGER,
    deactivated_by TEXT,
    deactivated_why TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    CONSTRAINT purchases_end CHECK ((deactivated_at IS NULL) = (deactivated_by IS NULL))
) STRICT, WITHOUT ROWID;

-- What a purchase has earned; number is the purchase's.
CREATE TABLE pending_credits (
    account_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    credits INTEGER NOT NULL CHECK (credits > 0),
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    settled_at INTEGER,
    entry_seq INTEGER,
    PRIMARY KEY (account_id, number),
    FOREIGN KEY (account_id, number) REFERENCES purchases (account_id, number),
    -- Transferred once, by one entry; taken back is what was transferred and is gone again.
    CONSTRAINT pending_credits_state CHECK (CASE state
        WHEN 'pending' THEN settled_at IS NULL AND entry_seq IS NULL
        WHEN 'inactive' THEN settled_at IS NOT NULL AND entry_seq IS NULL
        WHEN 'transferred' THEN settled_at IS NOT NULL AND entry_seq IS NOT NULL
        WHEN 'taken_back' THEN settled_at IS NOT NULL AND entry_seq IS NOT NULL
        ELSE 0 END)
) STRICT, WITHOUT ROWID;

-- The job goes through what is pending in the order of the accounts.
CREATE INDEX pending_credits_open ON pending_credits (account_id, number, due_at) WHERE state = 'pending';

CREATE INDEX pending_credits_inactive ON pending_credits (settled_at) WHERE state = 'inactive';

CREATE TABLE gifts (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    number INTEGER NOT NULL CHECK (number > 0),
    paid INTEGER CHECK (paid > 0),
    paid_currency TEXT,
    paid_exponent INTEGER CHECK (paid_exponent BETWEEN 0 AND 12),
    credits INTEGER NOT NULL CHECK (credits > 0),
    entry_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    deactivated_at INTEGER,
    deactivated_by TEXT,
    deactivated_why TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    CONSTRAINT gifts_end CHECK ((deactivated_at IS NULL) = (deactivated_by IS NULL)),
    CONSTRAINT gifts_paid CHECK ((paid IS NULL) = (paid_currency IS NULL) AND (paid IS NULL) = (paid_exponent IS NULL))
) STRICT, WITHOUT ROWID;
