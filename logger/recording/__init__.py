"""The recorder: from port bytes to committed rows."""
