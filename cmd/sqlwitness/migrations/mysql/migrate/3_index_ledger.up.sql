CREATE INDEX idx_ledger_account ON ledger (account);
