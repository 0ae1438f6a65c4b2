"""Logs made to harm: a schema, values, sizes and files that no recorder writes, tried on every verb and endpoint."""
