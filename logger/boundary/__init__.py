"""The program's boundary: file names, JSON, terminal text, whole files, signals, systemd notification."""
