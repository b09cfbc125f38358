DROP TABLE account_closes;
DROP TABLE closes;
