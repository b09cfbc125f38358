-- From where an administrative act was done: user@host.
ALTER TABLE operations ADD COLUMN origin TEXT;
