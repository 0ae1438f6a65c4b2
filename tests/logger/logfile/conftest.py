"""The logs of the export tests, for the tests of what exports are made from."""

from tests.logger.export.conftest import log, timeless

__all__ = ["log", "timeless"]
