INSERT INTO ledger (account, cents) SELECT i % 100, i FROM generate_series(1, 100000) AS i;
SELECT pg_sleep(1.5);
