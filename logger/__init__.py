"""The logger: records a drive, shows it to the crew and judges it afterwards."""

__version__ = "0.1.0"
"""pyproject.toml takes it from here: to ask the installation for it costs the recorder's start 15 ms."""
SOFTWARE = f"stagelog {__version__}"
"""What wrote a log, in its `meta` and in each session."""
