-- What PostgreSQL does for every posting and need not; SQLite's checks cost next to nothing.
SELECT 1;
