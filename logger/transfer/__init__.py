"""Transfer: consistent copies of logs, downloads, and the ledger of deliveries."""
