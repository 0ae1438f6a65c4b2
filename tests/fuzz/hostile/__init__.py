"""Fuzzer with hostile logs: schemas, values, sizes and files that no recorder writes."""
