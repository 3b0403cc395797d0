"""The disk: config, keys, prices and the ledger's pages."""
