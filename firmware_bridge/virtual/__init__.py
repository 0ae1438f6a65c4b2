"""A receiver, an adapter and a car that speak the real protocols."""
