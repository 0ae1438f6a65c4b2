"""Soak test: hours of traffic with a fault every few seconds, to measure losses and memory growth."""
