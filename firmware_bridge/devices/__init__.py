"""Open ports and interfaces, read and time-stamp their bytes, detect wrong devices and settings."""
