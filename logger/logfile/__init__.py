"""The log file: its schema and rows, and how a log is opened, written, read, named, verified and quarantined."""
