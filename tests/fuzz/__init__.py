"""Fuzzers for every input from outside: damaged input is refused or counted, and never fatal."""
