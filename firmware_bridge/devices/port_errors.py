"""Turn port exceptions into a PortError: a state for the live page, and one line with how to fix it.

Knows errno and pyserial's exceptions, no protocol and no thread. pyserial wraps the kernel's error in a
SerialException, sometimes with its errno, sometimes only as the exception's context. The errno decides; pyserial's
text is the last resort.
"""

from __future__ import annotations

import errno
import termios
from typing import NamedTuple

from firmware_bridge.errors import PortError

PORT_ERRORS = (OSError, termios.error, ValueError, LookupError, TypeError, OverflowError, NotImplementedError)
"""Exceptions of pyserial 3.5 for an unusable port: SerialException is an OSError; the others come from termios, from a
rate out of range, and from errors in its URL parser (KeyError for an unknown option)."""


class _Case(NamedTuple):
    state: str
    what: str
    hint: str


_ABSENT = _Case("missing", "no such device", "plug it in, or correct `port`")
_DENIED = _Case("denied", "no permission", "sudo usermod -aG dialout USER, then log in again")
_BUSY = _Case("busy", "another program holds it", "stop that program; `fuser -v {where}` names it")
_NO_TTY = _Case("unusable", "this is no serial port", "correct `port`")
_NO_ANSWER = _Case("missing", "nothing answers there", "start the server, or correct `port`")
_CASES = {
    errno.ENOENT: _ABSENT,
    errno.ENODEV: _ABSENT,
    errno.ENXIO: _ABSENT,
    errno.EIO: _Case("lost", "the device does not respond", "unplug it and plug it in again"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EBUSY: _BUSY,
    errno.EAGAIN: _BUSY,  # the error of a lock that another program holds
    errno.ENOTTY: _NO_TTY,
    errno.EISDIR: _NO_TTY,
    errno.ENOTDIR: _NO_TTY,
    errno.ECONNREFUSED: _NO_ANSWER,
    errno.EHOSTUNREACH: _NO_ANSWER,
    errno.ENETUNREACH: _NO_ANSWER,
    errno.ETIMEDOUT: _NO_ANSWER,
}


def cannot_open(url: str, baud: int, error: Exception) -> PortError:
    """The PortError for `error`, one of PORT_ERRORS, raised while opening `url`."""
    if case := _CASES.get(error_number(error)):
        return PortError(case.state, case.what, where=url, hint=case.hint.format(where=url))
    if isinstance(error, OSError):
        return PortError("missing", _one_line(error), where=url, hint="correct `port`")
    hint = f"correct `port` or `baud` (it was opened at {baud} baud)"
    return PortError("unusable", _one_line(error), where=url, hint=hint)


def cannot_set_rate(url: str, baud: int, error: Exception) -> PortError:
    """The PortError for `error`, raised while changing an open port's rate: the port is gone, or its driver refuses
    the rate."""
    if error_number(error) == errno.EIO:
        return lost(url, error)
    hint = "use a rate that the adapter supports"
    return PortError("unusable", f"{baud} baud is refused", where=url, hint=hint)


def lost(url: str, error: Exception | None = None) -> PortError:
    """The PortError for an open port that is gone: `error` was raised by it; None if a ready read returned nothing."""
    why = _one_line(error) if error else "hung up"
    return PortError("lost", why, where=url, hint="it is reopened when it comes back")


def error_number(error: BaseException | None) -> int:
    """The errno in `error` or in the exceptions it was raised from; 0 without one."""
    while error is not None:
        first = error.args[0] if error.args else None
        if isinstance(error, OSError | termios.error) and isinstance(first, int):
            return first
        error = error.__cause__ or error.__context__
    return 0


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return str(error.strerror)
    return " ".join(str(error).split()) or type(error).__name__
