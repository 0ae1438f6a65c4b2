"""Share the logs of the export tests with the tests of the log file."""

from tests.logger.export.conftest import log, timeless

__all__ = ["log", "timeless"]
