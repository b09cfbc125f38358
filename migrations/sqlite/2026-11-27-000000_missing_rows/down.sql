DROP VIEW health_findings;

CREATE VIEW health_findings AS
WITH open_holds AS (
    SELECT account_id, SUM(remaining) AS remaining FROM holds WHERE status = 'open' GROUP BY account_id
), figures AS (
    SELECT a.id AS account_id, a.user_id, a.currency, b.balance, b.held, b.debt,
        COALESCE(h.remaining, 0) AS open_holds,
        COALESCE((SELECT e.held_after FROM entries e WHERE e.account_id = a.id ORDER BY e.seq DESC LIMIT 1), 0)
            AS held_by_entries
    FROM accounts a JOIN balances b ON b.account_id = a.id LEFT JOIN open_holds h ON h.account_id = a.id
)
SELECT account_id, user_id, currency, 'CRITICAL' AS severity, 'negative_balance' AS finding,
    balance AS stored, 0 AS expected FROM figures WHERE balance < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'negative_held', held, 0 FROM figures WHERE held < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'negative_debt', debt, 0 FROM figures WHERE debt < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'holds_not_covered', held_by_entries, open_holds FROM figures
WHERE held_by_entries <> open_holds
UNION ALL
SELECT account_id, user_id, currency, 'WARNING', 'held_differs', held, open_holds FROM figures
WHERE held <> open_holds AND held >= 0 AND held_by_entries = open_holds;
