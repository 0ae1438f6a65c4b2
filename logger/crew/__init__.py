"""The crew page, the HTTP server behind it, and the live state in a terminal."""
