"""Parse TOML into frozen dataclasses and report every mistake at once; knows no configuration and no stage."""
