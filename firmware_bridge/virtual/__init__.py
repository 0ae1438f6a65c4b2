"""Virtual car for tests and demonstrations: GPS receiver, CAN adapters and engine that speak the real protocols."""
