-- The right to what a charge has paid for.

-- A grant is named by the entry of its charge; one that has expired needs no mark.
CREATE TABLE access_grants (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    entry_seq BIGINT NOT NULL CHECK (entry_seq > 0),
    resource TEXT NOT NULL CHECK (resource <> ''),
    granted_at BIGINT NOT NULL,
    granted_by TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    revoked_by TEXT,
    revoked_why TEXT,
    PRIMARY KEY (account_id, entry_seq),
    CONSTRAINT access_grants_end CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

CREATE INDEX access_grants_resource ON access_grants (account_id, resource);
