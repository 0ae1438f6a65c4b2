"""Registry of wire protocols by name, and the interfaces that each protocol module implements.

A protocol has a decoder, the command that makes its adapter transmit a frame, the dialogue that opens its adapter,
the bytes that close it, and its usual baud rates. An opening dialogue is a generator that yields commands, is sent
the answers, and returns or raises. A protocol's module is imported on first use, so that a recorder loads only the
protocols it runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from typing import Protocol as Interface

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.record_columns import Batch
from firmware_bridge.records import CanFrame

PROTOCOL_NAMES: tuple[str, ...] = ("slcan", "gvret", "realdash", "canserial", "elm327", "socketcan", "nmea")

ALLOW_NORMAL = 'set listen_only = "try" or false if it may acknowledge frames on the bus'
"""Hint for an adapter that cannot listen only."""
OPEN_NORMAL = "not listening only: this adapter acknowledges frames on the bus"
"""Warning while an adapter with `listen_only = "try"` is open in normal mode."""

# 4800 is the standard's rate, 9600 the default of most modules, 38400 and 115200 suffice for 10 Hz; survey receivers
# and those that also send raw observations use 460800 and 921600.
NMEA_BAUDS = (9600, 38400, 115200, 4800, 57600, 230400, 19200, 460800, 921600)


class Decoder(Interface):
    """Decode the bytes of one port into records. A new protocol implements this first.

    One decoder serves one port, also after the port is reopened. It is sans-I/O: bytes and their time come in as
    arguments, records go out, and it reads no clock, port or file. Live recording, replay and tests run the same code.

    To add a protocol, write `protocols/NAME.py` and add NAME to `PROTOCOL_NAMES`. The module has

        Decoder(bus)    this interface; `bus` is the log's number of the adapter's first bus (`CanFrame.bus`)
        encode, report  the bytes of a frame: as the host sends it, and as the adapter reports it (simulated adapters)
        opening         the dialogue that opens the adapter (`Opening`); `no_opening` if there is none
        CLOSING, BAUDS  the bytes that close it; the baud rates to try, the most usual first
        asker           only where the adapter prompts for each command (`Asker`)

    The rules, which tests/firmware_bridge/protocols checks for each of `CAN_PROTOCOLS` (wire.py beside it; add
    NAME there):

    1. Any chunking of the same bytes gives the same records. An incomplete frame waits for the next `feed`; what is
       kept is bounded by the longest frame.
    2. No bytes raise. Each stretch without a frame between two good frames is one `Rejected`, with a bounded copy of
       its bytes. The search continues one byte after a false start, because a good frame may begin there.
    3. The records of one batch are in order of arrival, and their times never run backwards. A device's own time
       stamps are mapped to the session's clock by `devicetime.DeviceClock`.
    4. Repeated notices are limited in rate.

    `framing.FrameSearch` does 1, 2 and 4 for a binary protocol: canserial.py is the shortest example. A text protocol
    uses `framing.FrameDecoder`, as slcan.py does.
    """

    @property
    def good(self) -> int:
        """Number of decoded frames or sentences."""
        ...

    @property
    def bad(self) -> int:
        """Number of rejected stretches of bytes."""
        ...

    @property
    def is_stamped(self) -> bool:
        """Whether the newest frames have times by their device's clock, which do not depend on when they are read."""
        ...

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`, in microseconds since the session began. Never raises.

        No bytes mean that the port was empty at `t_us`.
        """
        ...


class Asker(Interface):
    """Sends OBD-II requests to an adapter."""

    def feed(self, data: bytes, frames: Sequence[CanFrame]) -> None:
        """Process bytes received from the adapter, and the frames decoded from them."""
        ...

    def due(self, t_us: int) -> list[bytes]:
        """The commands to send at `t_us`."""
        ...


@dataclass(frozen=True, slots=True)
class BusSettings:
    """The configured settings of an adapter's bus. Rates are in bit/s; None keeps the adapter's own rate.

    `listen_only`: True forbids normal mode, which acknowledges frames on the bus; "try" allows it if the adapter
    cannot listen only; False requests it.
    """

    bitrate: int | None = None
    data_bitrate: int | None = None
    listen_only: bool | Literal["try"] = True


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an opening dialogue.

    Send `send`, then wait at most `wait_s` seconds for bytes that make a complete answer.
    """

    send: bytes
    wait_s: float
    is_answer: Callable[[bytes], bool] = bool
    """Whether these bytes are the complete answer; by default any bytes are."""


class Opened(NamedTuple):
    """The result of an opening dialogue. `warning` and `doubt` are "" if the adapter confirmed all settings."""

    warning: str = ""
    """How the open bus differs from the configuration; one line."""
    doubt: str = ""
    """Why the adapter may not be open at all, and how to fix it; one line."""
    attend: Callable[[bytes], bytes | None] | None = None
    """Called with each later chunk; returns what to send at once, b"" for nothing, None to reopen the adapter."""


Opening = Generator[Step, bytes, Opened]
"""The dialogue that opens an adapter, sans-I/O: yields commands, is sent the answers (b"" for none), returns the
result. Raises NotOpenedError if the adapter cannot be opened as configured."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """The functions and constants of one wire protocol."""

    name: str
    decoder: Callable[[int], Decoder]
    """Makes a decoder; the argument is the log's number of the adapter's first bus."""
    encode: Callable[[CanFrame], bytes] | None
    """The command that makes the adapter transmit a frame; the frame's `bus` is the adapter's channel."""
    report: Callable[[CanFrame], bytes] | None
    """The bytes that the adapter sends when it receives a frame: for simulated adapters."""
    opening: Callable[[BusSettings], Opening]
    closing: bytes
    bauds: tuple[int, ...]
    """The rates that `baud = "auto"` tries, most usual first."""
    is_mixed: bool = False
    """Whether its devices may send other protocols between its frames, as GPS receivers do."""
    asker: Callable[[Any, int | None], Asker] | None = None
    """Makes an asker from a poller and a bit rate (bit/s or None), for an adapter with prompt and flow control."""
    line_end: bytes = b""
    """The byte that ends each frame; b"" in a binary protocol."""

    def whole_lines(self, sample: bytes) -> bytes:
        """The whole lines in a piece of a stream, which begins and ends anywhere; all of it if it has none."""
        if not self.line_end:
            return sample
        return sample[sample.find(self.line_end) + 1 : sample.rfind(self.line_end) + 1] or sample


def protocol(name: str) -> Protocol:
    """The protocol `name`. Raises ConfigurationError for an unknown name, with the nearest known one."""
    if name not in PROTOCOL_NAMES:
        import difflib  # noqa: PLC0415 - only for this error

        near = difflib.get_close_matches(name, PROTOCOL_NAMES, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"it is one of {', '.join(PROTOCOL_NAMES)}"
        raise ConfigurationError(f'there is no protocol "{name}"', hint=hint)
    module = importlib.import_module(f"{__name__}.{name}")
    if name == "nmea":
        return Protocol(name, module.Decoder, None, None, no_opening, b"", NMEA_BAUDS, is_mixed=True)
    return Protocol(
        name,
        module.Decoder,
        module.encode,
        module.report,
        module.opening,
        module.CLOSING,
        module.BAUDS,
        asker=getattr(module, "asker", None),
        line_end=getattr(module, "LINE_END", b""),
    )


def sequence(*steps: Step) -> Opening:
    """A dialogue that sends `steps` and ignores the answers."""
    for step in steps:  # noqa: UP028 - a tuple cannot be sent the answers
        yield step
    return Opened()


def no_opening(_settings: BusSettings | None = None) -> Opening:
    """The empty dialogue, for devices that need no commands."""
    return sequence()
