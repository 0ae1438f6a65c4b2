"""Export logs to other formats. Reads logs, never writes one; the recorder never imports this package."""
