"""Experiments over many runs: what is planned, the ledger of recorded runs, tables and figures made from it."""
