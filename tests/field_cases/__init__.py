"""Inputs modelled on public bug reports, forum threads and firmware sources, with tests of the correct result."""
