-- What others are told of: events, written with their cause, and how each channel has been told.

-- Numbered per account in the order of the commits. Account 0 is the ledger as a whole.
CREATE TABLE outbox (
    account_id BIGINT NOT NULL,
    number BIGINT NOT NULL CHECK (number > 0),
    kind TEXT NOT NULL CHECK (kind <> ''),
    payload TEXT NOT NULL CHECK (payload <> ''),
    -- What a receiver knows a repeated delivery by.
    delivery_id TEXT NOT NULL CHECK (delivery_id <> ''),
    created_at BIGINT NOT NULL,
    -- When its deliveries were made out, one per channel that wanted it then.
    distributed_at BIGINT,
    PRIMARY KEY (account_id, number)
);

CREATE INDEX outbox_undistributed ON outbox (account_id, number) WHERE distributed_at IS NULL;

CREATE TABLE deliveries (
    account_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL CHECK (channel <> ''),
    state TEXT NOT NULL,
    -- Since it was made out, or asked for again.
    attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at BIGINT,
    last_error TEXT,
    finished_at BIGINT,
    PRIMARY KEY (account_id, number, channel),
    FOREIGN KEY (account_id, number) REFERENCES outbox (account_id, number),
    CONSTRAINT deliveries_state CHECK (CASE state
        WHEN 'pending' THEN next_attempt_at IS NOT NULL AND finished_at IS NULL
        WHEN 'delivered' THEN next_attempt_at IS NULL AND finished_at IS NOT NULL AND attempts > 0
        WHEN 'dead' THEN next_attempt_at IS NULL AND finished_at IS NOT NULL AND attempts > 0 AND last_error IS NOT NULL
        ELSE FALSE END)
);

-- What is still to be delivered, in the order of a channel's work, and no more.
CREATE INDEX deliveries_pending ON deliveries (channel, account_id, number) WHERE state = 'pending';

CREATE INDEX deliveries_dead ON deliveries (account_id, number) WHERE state = 'dead';
