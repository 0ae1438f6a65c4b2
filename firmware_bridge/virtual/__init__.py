"""Virtual car: GPS receiver, CAN adapters and engine that speak the real protocols."""
