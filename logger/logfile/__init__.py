"""The log file: schema, rows, naming; opening, writing, reading, verifying, quarantine."""
