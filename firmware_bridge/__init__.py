"""Bytes to records: serial ports, wire protocols, fixes and engine readings. Knows no database, web or rally."""
