"""Parse TOML into frozen dataclasses and report every mistake; knows no configuration and no stage."""
