"""Pure rally knowledge: no clock, port, thread or database."""
