"""One file a row of the field-failure list: how loggers fail, and proof that this one does not."""
