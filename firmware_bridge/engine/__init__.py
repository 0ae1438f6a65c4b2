"""Frames to named engine readings."""
