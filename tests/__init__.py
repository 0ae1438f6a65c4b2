"""Tests, one folder per package, and the tools that run them."""
