DROP INDEX idx_ledger_account;
