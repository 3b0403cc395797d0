"""Questions to the ledger, over DuckDB."""
