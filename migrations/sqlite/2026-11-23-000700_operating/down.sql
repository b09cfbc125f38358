DROP INDEX recharges_open;
DROP INDEX job_runs_latest;
