ALTER TABLE ledger ADD COLUMN currency varchar(3);
INSERT INTO legder (account, cents) VALUES (4711, 100);
