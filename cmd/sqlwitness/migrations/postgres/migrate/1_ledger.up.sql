CREATE TABLE ledger (id bigserial PRIMARY KEY, account bigint NOT NULL, cents bigint NOT NULL);
