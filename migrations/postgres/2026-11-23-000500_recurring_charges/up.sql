-- Charges that come again every day, week or month.

-- Days are dates in the charge's own time zone (YYYY-MM-DD), moments are microseconds since 1970 as everywhere.
CREATE TABLE recurring_charges (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    number BIGINT NOT NULL CHECK (number > 0),
    amount BIGINT NOT NULL CHECK (amount > 0),
    service TEXT NOT NULL,
    every TEXT NOT NULL,
    on_day BIGINT,
    at_minute BIGINT NOT NULL CHECK (at_minute BETWEEN 0 AND 1439),
    timezone TEXT NOT NULL,
    starts_on TEXT NOT NULL CHECK (length(starts_on) = 10),
    ends_on TEXT CHECK (length(ends_on) = 10),
    -- The period that comes next, and when it is tried; nothing once there is none.
    next_on TEXT CHECK (length(next_on) = 10),
    next_at BIGINT,
    try_at BIGINT,
    refused_at BIGINT,
    refused_times BIGINT NOT NULL DEFAULT 0,
    charged BIGINT NOT NULL DEFAULT 0 CHECK (charged >= 0),
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    cancelled_at BIGINT,
    cancelled_by TEXT,
    cancelled_why TEXT,
    idempotency_key TEXT,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    UNIQUE (account_id, idempotency_key),
    CONSTRAINT recurring_charges_day CHECK (CASE every
        WHEN 'day' THEN on_day IS NULL
        WHEN 'week' THEN on_day IS NOT NULL AND on_day BETWEEN 1 AND 7
        WHEN 'month' THEN on_day IS NOT NULL AND on_day BETWEEN 1 AND 31
        ELSE false END),
    CONSTRAINT recurring_charges_next CHECK (
        (next_on IS NULL) = (next_at IS NULL) AND (next_on IS NULL) = (try_at IS NULL)
        AND (next_on IS NOT NULL OR refused_at IS NULL)
        AND (ends_on IS NULL OR next_on IS NULL OR next_on <= ends_on)
    ),
    CONSTRAINT recurring_charges_refused CHECK (refused_times >= 0 AND (refused_at IS NULL) = (refused_times = 0)),
    CONSTRAINT recurring_charges_end CHECK (
        (cancelled_at IS NULL) = (cancelled_by IS NULL) AND (cancelled_at IS NULL OR next_on IS NULL)
    )
);

-- The job goes through what is due in the order of the accounts.
CREATE INDEX recurring_charges_open ON recurring_charges (account_id, number, try_at) WHERE try_at IS NOT NULL;
