"""The wire protocols, by name.

What the rest of the recorder needs to know of a protocol: how to decode it, how to ask its adapter to send a
frame, how to open and close its adapter, and which baud rates are usual. An adapter is opened by a dialogue: a
generator that yields commands, is sent the answers, and ends or refuses. Each protocol's module is imported
when it is first asked for, so that a recorder starts with only the protocols it runs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from typing import Protocol as Interface

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import Batch, CanFrame

PROTOCOL_NAMES: tuple[str, ...] = ("slcan", "gvret", "realdash", "canserial", "elm327", "socketcan", "nmea")

ALLOW_NORMAL = 'set listen_only = "try" or false if it may acknowledge frames on the bus'
"""The way out for whoever has an adapter that cannot listen only."""
OPEN_NORMAL = "not listening only: this adapter acknowledges frames on the bus"
"""The warning while an adapter is open normal that was asked to try listening only."""

# 4800 is the standard's, 9600 what most modules start with, 38400 and 115200 what 10 Hz needs, 460800 and 921600 what
# survey receivers and those that send raw observations as well are set to.
NMEA_BAUDS = (9600, 38400, 115200, 4800, 57600, 230400, 19200, 460800, 921600)


class Decoder(Interface):
    """Decode the bytes of one port into records: what a new protocol implements first.

    One decoder serves one port, also after the port was opened again. It is sans-I/O: bytes and their time come in as
    arguments, records go out, and it reads no clock, port or file. Live recording, replay and tests run the same code.

    To add a protocol, write `protocols/NAME.py` and add NAME to `PROTOCOL_NAMES`. The module has

        Decoder(bus)    this interface; `bus` is the log's number of the adapter's first bus (`CanFrame.bus`)
        encode, report  the bytes of a frame: to send it, and as the adapter itself sends it (simulated adapters)
        opening         the dialogue that opens the adapter (`Opening`); `no_opening` where there is none
        CLOSING, BAUDS  the bytes that close it; the baud rates to try, the most usual first
        asker           only where the adapter prompts for each command (`Asker`)

    The rules, which tests/firmware_bridge/protocols checks for each of `CAN_PROTOCOLS` (wire.py beside it; add
    NAME there):

    1. Any chunking of the same bytes gives the same records. An incomplete frame waits for the next `feed`; what is
       kept is bounded by the longest frame.
    2. No bytes raise. What is not a frame is one `Rejected` for each stretch between two good frames, with a bounded
       copy of its bytes. The search goes on one byte after a false start, because a good frame may begin there.
    3. The records of one batch are in order of arrival, and their times never run backwards. A device's own time
       stamps are mapped onto the session's clock by `devicetime.DeviceClock`.
    4. Repeated notices are limited in rate.

    `framing.FrameSearch` does 1, 2 and 4 for a binary protocol: canserial.py is the shortest example. A text protocol
    uses `framing.Account`, as slcan.py does.
    """

    @property
    def good(self) -> int:
        """How many frames or sentences have been decoded."""
        ...

    @property
    def bad(self) -> int:
        """How many stretches of bytes have been rejected."""
        ...

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`, in microseconds since the session began. Never raises."""
        ...


class Asker(Interface):
    """Who puts OBD-II questions to an adapter."""

    def feed(self, data: bytes, frames: Sequence[CanFrame]) -> None:
        """What has come from the adapter, and the frames in it."""
        ...

    def due(self, t_us: int) -> list[bytes]:
        """What to send at `t_us`."""
        ...


@dataclass(frozen=True, slots=True)
class BusSettings:
    """What an adapter is asked for. Rates are in bit/s; None leaves the adapter's own.

    `listen_only`: True forbids every way of opening that acknowledges frames on the bus, "try" allows it where
    the adapter cannot listen only, False asks for it.
    """

    bitrate: int | None = None
    data_bitrate: int | None = None
    listen_only: bool | Literal["try"] = True


@dataclass(frozen=True, slots=True)
class Step:
    """One command to an adapter that is being opened.

    Send `send` and wait at most `wait_s` seconds until the bytes that have come since are an answer.
    """

    send: bytes
    wait_s: float
    is_answer: Callable[[bytes], bool] = bool
    """Whether these bytes are the whole answer; by default any bytes are."""


class Opened(NamedTuple):
    """How an opening ended. `warning` and `doubt` are "" when the adapter confirmed what was asked for."""

    warning: str = ""
    """What differs from the request although the bus is open; one line."""
    doubt: str = ""
    """Why it is not known whether the adapter opened at all; one line with the remedy."""
    attend: Callable[[bytes], bytes | None] | None = None
    """Given each chunk that arrives later: what to send at once, b"" for nothing, None to open the adapter again."""


Opening = Generator[Step, bytes, Opened]
"""The dialogue that opens an adapter, sans-I/O: yields commands, is sent the answers (b"" for none), returns how it
ended. Raises NotOpenedError where the adapter cannot be opened as asked."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything that depends on which protocol a port speaks."""

    name: str
    decoder: Callable[[int], Decoder]
    """Makes a decoder; the argument is the log's number for the adapter's first bus."""
    encode: Callable[[CanFrame], bytes] | None
    """What to send to the adapter for it to transmit a frame, whose `bus` is the adapter's own channel."""
    report: Callable[[CanFrame], bytes] | None
    """What the adapter itself sends when it hears a frame: for simulated adapters."""
    opening: Callable[[BusSettings], Opening]
    closing: bytes
    bauds: tuple[int, ...]
    """What `baud = "auto"` tries, most usual first."""
    is_mixed: bool = False
    """Whether its devices may send other protocols between its frames, as GPS receivers do."""
    asker: Callable[[Any, int | None], Asker] | None = None
    """Paces a poller's questions (bit/s or None) for an adapter that prompts, and does the flow control by itself."""


def protocol(name: str) -> Protocol:
    """The protocol of that name; ConfigurationError names the nearest one when there is none."""
    if name not in PROTOCOL_NAMES:
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
    )


def sequence(*steps: Step) -> Opening:
    """Commands that are sent whatever is answered."""
    for step in steps:  # noqa: UP028 - a tuple cannot be sent the answers
        yield step
    return Opened()


def no_opening(_settings: BusSettings | None = None) -> Opening:
    """For devices that talk by themselves and take no commands."""
    return sequence()
