"""Record: from port bytes to committed rows and the live state."""
