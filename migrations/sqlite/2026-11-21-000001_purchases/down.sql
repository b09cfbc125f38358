DROP TABLE gifts;
DROP TABLE pending_credits;
DROP TABLE purchases;
