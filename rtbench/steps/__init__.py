"""The work of each kind of step. A step reads inputs by key, and writes only to its ledger segment and store folder."""
