INSERT INTO ledger (account, cents) VALUES (1, 10), (2, 20);
DO SLEEP(1.5);
