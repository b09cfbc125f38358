DROP VIEW health_findings;
DROP TABLE alerts;
DROP TABLE suspensions;
DROP INDEX entries_reversals;
DROP INDEX recharges_due;
DROP TABLE holds;
ALTER TABLE accounts DROP COLUMN suspension;
