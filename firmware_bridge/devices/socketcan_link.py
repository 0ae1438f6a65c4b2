"""SocketCAN link: read and write frames of a CAN interface as records (protocols/socketcan.py).

Compares the interface with the configuration but changes nothing: only root may set bit rate and listen-only mode. An
interface that is up acknowledges the car's frames, or does not, whether the recorder reads it or not. So an interface
that is set up differently is still recorded, and the difference is reported.

A CAN socket returns one frame per system call. The link pauses like every other link, then empties the socket. An
interface that goes down or disappears causes one error before the frames that still wait in the socket; those are
read first.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time

from firmware_bridge.devices import can_interface
from firmware_bridge.devices.can_interface import Expected, Interface
from firmware_bridge.devices.kernel_stamps import StampMapping
from firmware_bridge.devices.link import CHUNK_BYTES, Link, PolledLink
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.port_errors import lost
from firmware_bridge.errors import PortError
from firmware_bridge.protocols import OPEN_NORMAL
from firmware_bridge.protocols.socketcan import CLASSIC_BYTES, FD_BYTES, HEAD_BYTES, MARK, pack_head

BUFFER_BYTES = 8 * 1024 * 1024
"""Requested receive buffer. The kernel doubles it and counts some 800 bytes per frame: two seconds of the fastest bus.
It grants at most net.core.rmem_max, whose default is a fifteenth of a second."""
_MAX_FRAMES = CHUNK_BYTES // (HEAD_BYTES + CLASSIC_BYTES)
"""Most frames in one read."""
_STAMPS, _DROPPED = 64, 40
"""SO_TIMESTAMPNS_NEW, whose stamp has 64 bits also on 32-bit machines, and SO_RXQ_OVFL (asm-generic/socket.h)."""
_STAMP, _COUNT = struct.Struct("=qq"), struct.Struct("=I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_STAMP.size) + socket.CMSG_SPACE(_COUNT.size)
_ERROR_FILTER, _ALL_ERRORS = 2, 0x1FFF_FFFF
"""CAN_RAW_ERR_FILTER, which not every CPython defines, and CAN_ERR_MASK."""

_INTERFACE_GONE = (errno.ENETDOWN, errno.ENODEV, errno.ENXIO)
"""Errors of a socket whose interface is down or gone."""


class SocketCanLink(PolledLink):
    """A socket with the frames of an interface, stamped by the kernel.

    `connection` is any datagram socket with frames in the kernel's format; `settings` are those of the interface, None
    if unknown.
    """

    # The socket may hold 66 ms of a full bus: no need to empty it during a short pause.
    longest_pause_s = Link.longest_pause_s
    _collect = Link._collect

    def __init__(
        self, expected: Expected, connection: socket.socket, outbox: Outbox, settings: Interface | None = None
    ) -> None:
        connection.setblocking(False)
        for option in (_STAMPS, _DROPPED):
            connection.setsockopt(socket.SOL_SOCKET, option, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        super().__init__(expected.name, connection, outbox)
        self._expected, self._settings = expected, settings
        self._socket = connection
        self._stamps = StampMapping(time.monotonic_ns())
        self._dropped = 0
        self._failure: OSError | None = None
        self.setting, self.warning = setting(expected, settings)

    def _wait(self, until_s: float) -> bool:
        return self._failure is not None or super()._wait(until_s)

    def _take(self) -> bytes:
        """The records of all waiting frames."""
        if self._failure is not None:
            raise self._failure
        stamps: list[int] = []
        frames: list[bytes] = []
        counts: list[int] = []
        while len(frames) < _MAX_FRAMES:
            try:
                frame, ancillary, _, _ = self._socket.recvmsg(FD_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if self._failure is not None:
                    break
                self._failure = error
                continue
            if not frame:
                self._failure = self._failure or OSError(errno.ENODEV, "hung up")
                break
            stamp = 0
            for _, kind, value in ancillary:
                if kind == _STAMPS:
                    seconds, nanoseconds = _STAMP.unpack(value)
                    stamp = seconds * 1_000_000_000 + nanoseconds
                elif kind == _DROPPED:
                    (self._dropped,) = _COUNT.unpack(value)
            stamps.append(stamp)
            frames.append(frame)
            counts.append(self._dropped)
        if not frames and self._failure is not None:
            raise self._failure
        self.is_behind = len(frames) == _MAX_FRAMES
        times_ns = self._stamps.monotonic_ns(stamps, time.time_ns(), time.monotonic_ns())
        return b"".join(
            [
                pack_head(MARK, len(frame), count, time_ns // 1000) + frame
                for frame, count, time_ns in zip(frames, counts, times_ns, strict=True)
            ]
        )

    def _send(self) -> None:
        """Send whole frames. A frame that the interface rejects, or has no room for, is dropped and counted."""
        if not self._outbox:
            return
        while unsent := self._outbox.unsent():
            stop = HEAD_BYTES + unsent[len(MARK)]
            try:
                os.write(self._fd, unsent[HEAD_BYTES:stop])
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _INTERFACE_GONE:
                    raise
                self._outbox.drop(unsent[:stop])
            self._outbox.sent(stop)
        self._poll.modify(self._fd, select.POLLIN | (select.POLLOUT if self._outbox else 0))

    def _lost(self, error: OSError | None = None) -> PortError:
        if error is not None and error.errno == errno.ENETDOWN:
            return _down(self._expected, self._settings)
        return lost(self.url, error)


def open_interface(url: str, outbox: Outbox) -> SocketCanLink:
    """Open the interface of a URL. Raises PortError with how to bring it up."""
    expected = Expected.of(url)
    try:
        settings = can_interface.ask(expected.name)
    except OSError:  # the recorder's unit may forbid netlink; an error of the socket gives the hint
        settings = None
    else:
        if settings is None:
            raise _missing(expected)
        if not settings.is_can:
            raise PortError("unusable", "is no CAN interface", where=expected.name, hint="correct `port`")
        if not settings.is_up:
            raise _down(expected, settings)
    try:
        connection = can_socket(expected.name)
    except OSError as error:
        raise _cannot_open(expected, error) from error
    return SocketCanLink(expected, connection, outbox, settings)


def can_socket(name: str) -> socket.socket:
    """A socket that receives all frames of an interface: classic, FD and error frames. Raises OSError."""
    connection = socket.socket(socket.AF_CAN, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.CAN_RAW)
    try:
        connection.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
        connection.setsockopt(socket.SOL_CAN_RAW, _ERROR_FILTER, _ALL_ERRORS)
        connection.bind((name,))
    except OSError:
        connection.close()
        raise
    return connection


def setting(expected: Expected, actual: Interface | None) -> tuple[str, str]:
    """The setup of an open interface as text, and a warning ("" for none) if it differs from the expected one."""
    if actual is None:
        return "its settings are not known", ""
    if actual.bitrate is None:
        return actual.kind, ""
    text = f"{actual.bitrate} bit/s{', listen-only' if actual.listen_only else ''}"
    if expected.bitrate not in (None, actual.bitrate):
        return text, f"not {expected.bitrate} bit/s: {expected.set_again}, or correct `bitrate`"
    if expected.listen_only and not actual.listen_only:
        return text, f"{OPEN_NORMAL}: {expected.set_again}"
    return text, ""


def _missing(expected: Expected) -> PortError:
    return PortError(
        "missing", "no such interface", where=expected.name, hint="plug it in, or correct `port`"
    )


def _down(expected: Expected, actual: Interface | None = None) -> PortError:
    is_virtual = actual is not None and actual.kind != "can"
    command = f"sudo ip link set {expected.name} up" if is_virtual else expected.bring_up
    return PortError("down", "is down", where=expected.name, hint=f"bring it up with `{command}`")


def _cannot_open(expected: Expected, error: OSError) -> PortError:
    if error.errno == errno.EAFNOSUPPORT:
        hint = "`sudo stagelog install --with socketcan`, and a kernel with CAN (`sudo modprobe can_raw`)"
        return PortError("denied", "SocketCAN is not allowed or not there", where=expected.name, hint=hint)
    if error.errno in _INTERFACE_GONE:
        return _missing(expected)
    return PortError("unusable", error.strerror or str(error), where=expected.name, hint="correct `port`")
