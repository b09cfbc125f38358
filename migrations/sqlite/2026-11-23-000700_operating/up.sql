-- What `ledger metrics` and `ledger doctor` ask often: the latest run of each job.
CREATE INDEX job_runs_latest ON job_runs (job, started_at);

-- And how many recharges wait; those that are complete at once are not in it and pay nothing for it.
CREATE INDEX recharges_open ON recharges (account_id, number) WHERE status IN ('pending', 'processing');
