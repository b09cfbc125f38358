-- One file is one place: only PostgreSQL's tables can be spread over several servers.
SELECT 1;
