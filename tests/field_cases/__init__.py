"""Inputs modelled on public bug reports and firmware sources, with tests of the correct result."""
