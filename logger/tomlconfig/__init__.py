"""TOML text into frozen dataclasses, with every mistake found at once; knows no configuration and no stage."""
