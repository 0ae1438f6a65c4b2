"""Query a kernel CAN interface over netlink, and describe the expected setup. Nothing is changed.

    nlmsghdr  length u32 | type u16 | flags u16 | sequence u32 | port u32          RTM_GETLINK, and RTM_NEWLINK back
    ifinfomsg family u8 | - | type u16 | index i32 | flags u32 | change u32
    attribute length u16 | type u16 | value, padded to 4 bytes, and so on
      IFLA_LINKINFO > IFLA_INFO_KIND, IFLA_INFO_DATA > IFLA_CAN_... (linux/can/netlink.h)

The query needs no privileges. Byte order is the machine's own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

SCHEME = "socketcan"
"""Scheme of a port URL for an interface."""
_MESSAGE, _INFO, _ATTRIBUTE = Struct("=IHHII"), Struct("=BxHiII"), Struct("=HH")
_GET_LINK, _NEW_LINK, _REQUEST = 18, 16, 1
_ARPHRD_CAN = 280
_UP = 0x1
_NAME, _LINK_INFO, _STATISTICS = 3, 18, 23
_KIND, _DATA = 1, 2
_BITTIMING, _STATE, _MODES, _RESTART_MS, _COUNTERS, _DATA_BITTIMING = 1, 4, 5, 6, 8, 9
_LISTEN_ONLY, _FD = 0x02, 0x20
_STATES = ("active", "warning", "passive", "off", "stopped", "sleeping")
_TYPE_BITS = 0x3FFF
"""An attribute's type without its flags for nesting and byte order."""
_RX_DROPPED, _RX_OVERRUNS = 6, 11
"""Indices in struct rtnl_link_stats64, in units of u64."""
_ANSWER_BYTES = 65536
_ANSWER_S = 1.0
MAX_NAME_BYTES = 15
"""IFNAMSIZ without the final NUL."""


@dataclass(frozen=True, slots=True)
class Interface:
    """The properties of an interface. None: not reported by the driver; a virtual interface has no rate and no state.

    `kind` is the driver's class, such as "can" or "vcan"; `bitrate` and `data_bitrate` are in bit/s; `state` is that
    of the controller: active, warning, passive, off, stopped or sleeping. `dropped` and `overruns` count frames lost
    by the driver and by the controller since the interface was created.
    """

    name: str
    is_can: bool
    is_up: bool
    kind: str = ""
    bitrate: int | None = None
    data_bitrate: int | None = None
    is_fd: bool = False
    listen_only: bool | None = None
    state: str | None = None
    restart_ms: int | None = None
    tx_errors: int | None = None
    rx_errors: int | None = None
    dropped: int = 0
    overruns: int = 0


class Expected(NamedTuple):
    """The configured setup of an interface, as in `protocols.BusSettings`. None: any value."""

    name: str
    bitrate: int | None = None
    listen_only: bool | Literal["try"] = True
    data_bitrate: int | None = None

    @property
    def url(self) -> str:
        """The port URL with these settings."""
        options = {key: value for key, value in self._asdict().items() if key != "name" and value is not None}
        return f"{SCHEME}://{self.name}?{urlencode(options)}"

    @classmethod
    def of(cls, url: str) -> Expected:
        """Parse a port URL."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        rates = {key: int(options[key]) for key in ("bitrate", "data_bitrate") if key in options}
        words: dict[str, bool | Literal["try"]] = {"False": False, "try": "try"}
        return cls(parts.netloc, listen_only=words.get(options.get("listen_only", ""), True), **rates)

    @property
    def settings(self) -> tuple[str, ...]:
        """Arguments of `ip link set NAME` for this setup."""
        data = ("dbitrate", str(self.data_bitrate), "fd", "on") if self.data_bitrate else ()
        rate = str(self.bitrate or "BITRATE")
        return ("type", "can", "bitrate", rate, *data, "listen-only", "on" if self.listen_only else "off")

    @property
    def bring_up(self) -> str:
        """The command that sets up the interface and brings it up."""
        return f"sudo ip link set {self.name} up {' '.join(self.settings)}"

    @property
    def set_again(self) -> str:
        """The commands for an interface that is up: the kernel changes no setting until it is down."""
        return f"sudo ip link set {self.name} down && {self.bring_up}"


def ask(name: str) -> Interface | None:
    """Query the interface `name`; None if it does not exist. Raises OSError if netlink is not allowed."""
    name_bytes = name.encode()[:MAX_NAME_BYTES] + b"\0"
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(name_bytes), _NAME) + name_bytes.ljust(
        -(-len(name_bytes) // 4) * 4, b"\0"
    )
    body = _INFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_ANSWER_S)
        kernel.send(_MESSAGE.pack(_MESSAGE.size + len(body), _GET_LINK, _REQUEST, 1, 0) + body)
        return parse(kernel.recv(_ANSWER_BYTES))


def parse(answer: bytes) -> Interface | None:
    """Parse an answer of the kernel; None if the interface does not exist or the answer is truncated."""
    try:
        length, kind, *_ = _MESSAGE.unpack_from(answer)
        if kind != _NEW_LINK or length > len(answer):
            return None
        _, hardware, _, flags, _ = _INFO.unpack_from(answer, _MESSAGE.size)
        attributes = dict(_attributes(answer[_MESSAGE.size + _INFO.size : length]))
        info = dict(_attributes(attributes.get(_LINK_INFO, b"")))
        can = dict(_attributes(info.get(_DATA, b"")))
        statistics = _numbers(attributes.get(_STATISTICS, b""), "Q", _RX_OVERRUNS + 1)
        counters = _numbers(can.get(_COUNTERS, b""), "H", 2)
        modes = _numbers(can.get(_MODES, b""), "I", 2)
        state = _number(can.get(_STATE))
    except error:
        return None
    return Interface(
        _text(attributes.get(_NAME, b"")),
        is_can=hardware == _ARPHRD_CAN,
        is_up=bool(flags & _UP),
        kind=_text(info.get(_KIND, b"")),
        bitrate=_number(can.get(_BITTIMING)) or None,
        data_bitrate=_number(can.get(_DATA_BITTIMING)) or None,
        is_fd=bool(modes and modes[1] & _FD),
        listen_only=bool(modes[1] & _LISTEN_ONLY) if modes else None,
        state=None if state is None or state >= len(_STATES) else _STATES[state],
        restart_ms=_number(can.get(_RESTART_MS)),
        tx_errors=counters[0] if counters else None,
        rx_errors=counters[1] if counters else None,
        dropped=statistics[_RX_DROPPED] if statistics else 0,
        overruns=statistics[_RX_OVERRUNS] if statistics else 0,
    )


def is_up(name: str, sysfs: Path = Path("/sys")) -> bool:
    """Whether an interface of that name exists and is up; reads sysfs, needs no socket."""
    try:
        return bool(int((sysfs / "class/net" / name / "flags").read_text(), 16) & _UP)
    except (OSError, ValueError):
        return False


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_BITS, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _numbers(data: bytes, code: str, count: int) -> tuple[int, ...]:
    """The first `count` numbers in an attribute; none if it is shorter."""
    layout = Struct(f"={count}{code}")
    return layout.unpack_from(data) if len(data) >= layout.size else ()


def _number(data: bytes | None) -> int | None:
    numbers = _numbers(data or b"", "I", 1)
    return numbers[0] if numbers else None


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="replace")
