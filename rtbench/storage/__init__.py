"""Everything on disk: files, keys, ledger, store, runs, budget. Writes are atomic and stay inside their folder."""
