"""Simulated CAN interface for tests: a socket pair with frames in the kernel's format and the kernel's time stamps.

On a kernel with CAN, `tests.power_cuts --socketcan` runs the recorder on real interfaces. Here only the extra behaviour
of AF_CAN is imitated: an interface that goes down or disappears causes one error, before the frames that still wait.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from firmware_bridge.devices import can_interface, socketcan_link
from firmware_bridge.devices.can_interface import Interface
from firmware_bridge.protocols.socketcan import HEAD_BYTES, encode
from firmware_bridge.records import CanFrame

UP = Interface("can0", True, True, "can", bitrate=500_000, listen_only=True, state="active", restart_ms=0)


class _Near(socket.socket):
    """The recorder's end."""

    error: int | None = None

    def recvmsg(self, *sizes: int) -> Any:
        error, self.error = self.error, None
        if error is not None:
            raise OSError(error, "like AF_CAN")
        return super().recvmsg(*sizes)


class Bus:
    """The interface can0 and the other nodes of its bus."""

    def __init__(self) -> None:
        self.settings: Interface | None = UP
        self.refusal: int | None = None
        self.when_open: Callable[[], None] = lambda: None
        self._far: socket.socket | None = None
        self._near: _Near | None = None

    def open(self, name: str) -> socket.socket:
        """Replaces `socketcan_link.can_socket`."""
        if self.refusal is not None:
            raise OSError(self.refusal, "refused")
        self.close()
        near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._near = _Near(near.family, near.type, fileno=near.detach())
        self.when_open()
        return self._near

    def send(self, *frames: CanFrame) -> None:
        """Put frames on the bus."""
        assert self._far is not None
        for frame in frames:
            self._far.send(encode(frame)[HEAD_BYTES:])

    def received(self) -> bytes:
        """The next frame that the recorder sent, in the kernel's format."""
        assert self._far is not None
        self._far.settimeout(10)
        return self._far.recv(100)

    def fail(self, error: int, settings: Interface | None) -> None:
        """Take the interface down, or remove it."""
        self.settings = settings
        assert self._near is not None and self._far is not None
        self._near.error = error
        self._far.send(b"", socket.MSG_DONTWAIT)  # wakes the reader, as POLLERR does

    def close(self) -> None:
        if self._far is not None:
            self._far.close()


@contextmanager
def can_bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """Replace the interface can0 by a simulated one."""
    bus = Bus()
    monkeypatch.setattr(socketcan_link, "can_socket", bus.open)
    monkeypatch.setattr(can_interface, "ask", lambda _name: bus.settings)
    monkeypatch.setattr(can_interface, "is_up", lambda _name: bus.settings is not None and bus.settings.is_up)
    try:
        yield bus
    finally:
        bus.close()


def down(settings: Interface = UP) -> Interface:
    """The same interface, down."""
    return replace(settings, is_up=False)
