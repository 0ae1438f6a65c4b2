"""The logger: record a drive, show it to the crew, review it afterwards."""

from logger.version import code_version

__version__ = code_version()
SOFTWARE = f"stagelog {__version__}"
"""The program and version written to a log's `meta` and to each session."""
