"""Every verb that writes a file, at each of its writes: a full disk, a kill; and Ctrl-C at any moment."""
