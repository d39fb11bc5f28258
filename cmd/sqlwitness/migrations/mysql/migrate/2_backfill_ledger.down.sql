DELETE FROM ledger;
