"""Fuzzers: whatever comes in from outside, however damaged, is refused in words or survived."""
