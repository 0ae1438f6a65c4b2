"""Retention: remove old logs by one rule when the card fills up."""
