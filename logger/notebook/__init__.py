"""A log's rows as numpy columns, for notebooks and scripts: `logger.open_log`."""
