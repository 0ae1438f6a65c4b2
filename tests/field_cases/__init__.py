"""Inputs made after public bug reports, forum threads and firmware sources, by kind; their tests say what is right."""
