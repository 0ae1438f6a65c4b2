"""Room on the card: old logs make way for new ones, by one rule."""
