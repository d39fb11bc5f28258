CREATE TABLE ledger (id bigint AUTO_INCREMENT PRIMARY KEY, account bigint NOT NULL, cents bigint NOT NULL);
