"""Power cuts of a virtual machine that records (F1), with USB unplugs (F9) and SocketCAN."""
