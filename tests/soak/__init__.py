"""Hours of traffic with a fault every few seconds: what is lost, and whether memory stays flat."""
