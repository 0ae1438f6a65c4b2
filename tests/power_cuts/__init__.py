"""Power cuts of a virtual machine that records to its own disk (F1), with USB unplugs (F9) and SocketCAN."""
