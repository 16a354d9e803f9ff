"""What lies on the disk: files, keys, ledger, store, runs, budget. Nothing is half-written, and no file leaves its folder."""
