"""What each kind of step does. A step reads its inputs by key and writes its ledger segment and its folder of the store alone."""
