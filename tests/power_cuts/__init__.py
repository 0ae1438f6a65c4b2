"""F1 for real: a whole machine records to its own disk and loses its power in the middle of it."""
