"""Devices: open ports and interfaces, read and stamp their bytes, and judge whether the right device answers."""
