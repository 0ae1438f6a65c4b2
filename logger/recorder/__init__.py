"""The recorder: from port bytes to committed rows and the live state."""
