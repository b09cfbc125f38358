ALTER TABLE operations DROP COLUMN origin;
