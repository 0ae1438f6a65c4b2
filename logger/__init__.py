"""The logger: records a drive, shows it to the crew and judges it afterwards."""

from logger.version import code_version

__version__ = code_version()
SOFTWARE = f"stagelog {__version__}"
"""What wrote a log, in its `meta` and in each session."""
