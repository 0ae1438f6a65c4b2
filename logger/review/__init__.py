"""After the stage: what a drive was worth. Logs in, values out; pages and tables are made of those values."""
