"""Benchmarks: print figures and ratios, never pass or fail."""
