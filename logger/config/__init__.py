"""The car's configuration: `stagelog.toml`, its sources, and the input files that it names."""
