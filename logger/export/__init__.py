"""Logs into other people's formats. Reads logs, never writes one; the recorder never imports this room."""
