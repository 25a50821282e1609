"""The ledger chart."""
