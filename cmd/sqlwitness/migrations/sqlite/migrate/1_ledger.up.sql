CREATE TABLE ledger (id integer PRIMARY KEY, account bigint NOT NULL, cents bigint NOT NULL);
