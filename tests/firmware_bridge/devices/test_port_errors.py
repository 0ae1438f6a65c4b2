"""Port errors: errno and pyserial's exceptions to states and messages."""

from __future__ import annotations

import errno
import os
import termios
from collections.abc import Callable

import pytest
import serial

from firmware_bridge.devices.port_errors import cannot_open, cannot_set_rate, lost
from firmware_bridge.errors import DeviceError


def with_number(number: int) -> serial.SerialException:
    return serial.SerialException(number, f"could not open port /dev/x: {os.strerror(number)}")


def only_in_context(number: int) -> serial.SerialException:
    """Like pyserial's exception when termios or a socket refuses."""
    wrapped = serial.SerialException("Could not configure port")
    wrapped.__context__ = termios.error(number, os.strerror(number))
    return wrapped


@pytest.mark.parametrize("wrap", [with_number, only_in_context])
@pytest.mark.parametrize(
    ("number", "state", "text"),
    [
        (errno.ENOENT, "missing", "plug it in"),
        (errno.ENODEV, "missing", "plug it in"),
        (errno.EACCES, "denied", "dialout"),
        (errno.EBUSY, "busy", "`fuser -v /dev/x` names it"),
        (errno.EAGAIN, "busy", "another program holds it"),
        (errno.ENOTTY, "unusable", "this is no serial port"),
        (errno.ECONNREFUSED, "missing", "start the server"),
        (errno.EIO, "lost", "unplug it and plug it in again"),
        (errno.ENOSPC, "missing", "correct `port`"),
    ],
)
def test_errno_decides(wrap: Callable[[int], Exception], number: int, state: str, text: str) -> None:
    error = cannot_open("/dev/x", 9600, wrap(number))
    assert error.state == state
    assert str(error).startswith("/dev/x: ")
    assert text in str(error)
    assert "\n" not in str(error)
    assert isinstance(error, DeviceError)
    assert error.exit_code == 69


def test_a_refused_rate_is_not_a_lost_device() -> None:
    refused = cannot_set_rate("/dev/x", 12345, ValueError("Failed to set custom baud rate (12345)"))
    assert (refused.state, refused.what) == ("unusable", "12345 baud is refused")
    assert cannot_set_rate("/dev/x", 9600, only_in_context(errno.EIO)).state == "lost"


def test_a_hang_up_and_an_error_are_both_lost() -> None:
    assert str(lost("/dev/x")) == "/dev/x: hung up; it is reopened when it comes back"
    assert "Input/output error" in str(lost("/dev/x", OSError(errno.EIO, "Input/output error")))
