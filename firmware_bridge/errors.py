"""Exceptions of stagelog, with exit codes and one-line messages.

    StagelogError                     one line: where, what, how to fix it; has an exit code
    ├── ConfigurationError  64        a file written by the user is wrong (also ValueError)
    ├── DeviceError         69        a required port or server is missing (also ConnectionError)
    │   └── PortError       69        a session with a port ended or did not begin
    │       └── NotOpenedError        an adapter answers, but cannot be opened as requested
    ├── LogError            74        a log cannot be read or written (also OSError)
    │   └── InUseError      69        another recorder writes there; a later retry may succeed
    └── WireError           74        one frame's bytes are wrong (also ValueError); a stream counts it and continues

Wire damage is data and never leaves a decoder's `feed`; WireError is for the one-frame parsers and encoders.
"""

from __future__ import annotations


class StagelogError(Exception):
    """`what` went wrong, `where` (a file and line, a port, a log), and the `hint`: how to fix it."""

    exit_code = 74

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


class ConfigurationError(StagelogError, ValueError):
    """An invalid configuration, itinerary, rules or DBC file."""

    exit_code = 64


class DeviceError(StagelogError, ConnectionError):
    """A required serial port or server that does not answer."""

    exit_code = 69


class PortError(DeviceError):
    """The reason why a session with a port ended or did not begin. `state` is the state of the LinkChange."""

    def __init__(self, state: str, what: str, *, where: str = "", hint: str = "") -> None:
        self.state = state
        super().__init__(what, where=where, hint=hint)


class NotOpenedError(PortError):
    """An adapter that answers, but cannot be opened as requested."""


class LogError(StagelogError, OSError):
    """A log that cannot be opened, read or written."""

    exit_code = 74


class InUseError(LogError):
    """A folder of logs that another recorder has locked."""

    exit_code = 69


class WireError(StagelogError, ValueError):
    """Bytes that are not a frame of the protocol, or a frame that the protocol cannot carry."""
