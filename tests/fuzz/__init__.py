"""Fuzzers for every input from outside: damaged input is refused with an error or counted, and never fatal."""
