"""The program's boundary: file names, JSON, terminal, whole files, signals, systemd notification."""
