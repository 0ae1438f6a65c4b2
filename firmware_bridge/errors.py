"""Everything stagelog raises on purpose.

    StagelogError                     one line: where, what, and the mend; carries its exit code
    ├── ConfigurationError  64        a file the user wrote is wrong (also ValueError)
    ├── DeviceError         69        a port or a server that is needed is not there (also ConnectionError)
    │   └── PortError       69        one session with a port ended or did not begin
    │       └── NotOpenedError        an adapter answers, but cannot be opened as it is asked to be
    ├── LogError            74        a log cannot be read or written (also OSError)
    │   └── InUseError      69        another recorder writes there: later it may do
    └── WireError           74        one frame's bytes are wrong (also ValueError); a stream counts it and goes on

Wire damage is data and never leaves a decoder's `feed`; WireError is for the one-frame parsers and encoders.
"""

from __future__ import annotations


class StagelogError(Exception):
    """`what` went wrong, `where` (a file and line, a port, a log), and the `mend`: what the user can do."""

    exit_code = 74

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


class ConfigurationError(StagelogError, ValueError):
    """A configuration, itinerary, rules or DBC file that cannot be used as it stands."""

    exit_code = 64


class DeviceError(StagelogError, ConnectionError):
    """A serial port or a server that is needed and does not answer."""

    exit_code = 69


class PortError(DeviceError):
    """Why one session with a port ended or did not begin. `state` is the word that a LinkChange carries."""

    def __init__(self, state: str, what: str, *, where: str = "", hint: str = "") -> None:
        self.state = state
        super().__init__(what, where=where, hint=hint)


class NotOpenedError(PortError):
    """An adapter that answers, but cannot be opened as it is asked to be."""


class LogError(StagelogError, OSError):
    """A log that cannot be opened, read or written."""

    exit_code = 74


class InUseError(LogError):
    """A folder of logs that another recorder has claimed."""

    exit_code = 69


class WireError(StagelogError, ValueError):
    """Bytes that are no frame of the protocol, or a frame that the protocol cannot carry."""
