"""Fuzzer with hostile logs: schemas, values, sizes and files that no recorder writes, for every verb and endpoint."""
