"""What enters the program from outside and leaves it: file names, JSON, terminal text, whole files, signals."""
