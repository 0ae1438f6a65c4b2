"""The logger: record a drive, show it to the crew, review it afterwards.

    import logger
    with logger.open_log("X.db") as log:
        log.speed().to_pandas()

This front is for scripts and notebooks; the rooms of the logger do not import it. It imports what it runs: the start of
the recorder counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.errors import LogError
from logger.version import VERSION

if TYPE_CHECKING:
    from os import PathLike

    from logger.notebook.opened_log import OpenedLog

__all__ = ["LogError", "__version__", "open_log"]
__version__ = VERSION


def open_log(path: str | PathLike[str]) -> OpenedLog:
    """Open a log read-only, also while it is recorded.

    Raises LogError of one line if it is not a log, ConfigurationError if numpy is not installed.
    """
    from logger.boundary import extras  # noqa: PLC0415 - not for `import logger`

    with extras.named("logger.open_log"):
        from logger.notebook.opened_log import OpenedLog  # noqa: PLC0415 - numpy
    return OpenedLog(Path(path))
