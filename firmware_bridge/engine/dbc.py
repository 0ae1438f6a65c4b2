"""Engine readings from a DBC file, read by cantools.

cantools is trusted with the file and its arithmetic, not with the bus: a frame that is too short, a
multiplexer value that the file does not know, a number that is none give no reading and are counted. Values
stay numbers: a choice's name says nothing to an alarm. Importing cantools takes a third of a second, so
only a configuration with a DBC imports this module.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import NamedTuple, cast

import cantools.database
from cantools.database.can import Database, Message, Signal
from cantools.database.errors import Error, UnsupportedDatabaseFormatError

from firmware_bridge.engine.plain_signals import PlainSignals, plain_signals
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ESI_FLAG, FD_FLAG, Channel, Notice, Reading

# A DBC says nothing of how a frame travelled: as a classic frame, or as an FD frame of any colour.
_TRAVELLED = (0, *(FD_FLAG | rate | error for rate, error in product((0, BRS_FLAG), (0, ESI_FLAG))))

_MEND = "export it again from the program that made it, or take it out of the configuration"


def load(text: str, name: str) -> DbcDecoder:
    """The decoder for the text of a DBC file; `name` is the file's, for sources and errors.

    Raises ConfigurationError where cantools cannot read it, with line and column where cantools tells them.
    A file whose signals overlap or overrun their message is read all the same, with a notice.
    """
    flaw = ""
    try:
        database = _read(text, strict=True)
    except UnsupportedDatabaseFormatError as strict_error:
        flaw = _words(strict_error)
        try:
            database = _read(text, strict=False)
        except UnsupportedDatabaseFormatError as error:
            raise _unreadable(error, name) from error
    flaw = flaw or next(_before_their_message(database), "")
    decoder = DbcDecoder(database, name)
    if flaw:
        detail = {
            "file": name,
            "what": flaw,
            "then": "read all the same; a signal outside its message has no value",
        }
        decoder.notices = (Notice(0, "dbc_not_strict", detail),)
    return decoder


class DbcDecoder:
    """Frames of one DBC file's messages to readings. `bad` counts those that could not be read whole."""

    def __init__(self, database: Database, name: str) -> None:
        self.bad = 0
        self.notices: tuple[Notice, ...] = ()
        self._messages: dict[int, KnownMessage] = {}
        turns = set()
        uses = Counter(signal.name for message in database.messages for signal in message.signals)
        for message in database.messages:
            channels = {}
            for signal in message.signals:
                unique = signal.name if uses[signal.name] == 1 else f"{message.name}.{signal.name}"
                channels[signal.name] = Channel(unique, signal.unit or "", f"{name}:{message.name}")
            can_id = message.frame_id | (EFF_FLAG if message.is_extended_frame else 0)
            parts = _sound_parts(message)
            plain = plain_signals(message, channels) if parts == (message,) else None
            self._messages[can_id] = KnownMessage(message.length, parts, channels, plain)
            if message.is_multiplexed():
                turns.add(can_id)
        self.ids = frozenset(can_id | flags for can_id in self._messages for flags in _TRAVELLED)
        self.turns = frozenset(can_id | flags for can_id in turns for flags in _TRAVELLED)
        self.channels = tuple(
            channel for known in self._messages.values() for channel in known.channels.values()
        )

    @property
    def messages(self) -> Mapping[int, KnownMessage]:
        """The messages by identifier, with EFF_FLAG where it is extended."""
        return MappingProxyType(self._messages)

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        """The readings in one frame: of a short one, those of the signals that are whole."""
        known = self._messages.get(can_id & 0xFFFF_FFFF)
        if known is None:
            return []
        is_whole = len(data) >= known.length
        if is_whole and known.plain is not None:
            return known.plain.decode(t_us, data)
        values: dict[str, float] = {}
        for part in known.parts:
            try:
                decoded = part.decode(data, decode_choices=False, allow_truncated=True)
            except Exception:  # noqa: BLE001 - whatever cantools makes of a sloppy file, recording must go on
                is_whole = False
            else:
                values.update(
                    {signal: _number(value) for signal, value in cast(dict[str, float], decoded).items()}
                )
        readings = [
            Reading(t_us, known.channels[signal], number)
            for signal, number in values.items()
            if math.isfinite(number)
        ]
        self.bad += not is_whole or len(readings) < len(values)
        return readings


def _number(value: float) -> float:
    """A signal's value as a double; what is beyond a double's range is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


class KnownMessage(NamedTuple):
    """A message as it is decoded: how many bytes it has, and each signal's channel by the signal's name.

    `parts` are what cantools decodes one by one: the message itself, or its signals alone where they overlap.
    """

    length: int
    parts: tuple[Message, ...]
    channels: dict[str, Channel]
    plain: PlainSignals | None


def _sound_parts(message: Message) -> tuple[Message, ...]:
    """The message; or, where its signals overlap, each of them alone, for cantools decodes none of them then.

    A signal that overruns the message, or begins before it, has no value and is left out.
    """
    try:
        message.refresh(strict=True)
        if not any(_begins_before(signal) for signal in message.signals):
            return (message,)
    except Error:
        pass
    return tuple(part for signal in message.signals if (part := _alone(message, signal)))


def _begins_before(signal: Signal) -> bool:
    """Whether a signal begins at a negative bit, which cantools' own checks let pass."""
    return signal.start < 0


def _before_their_message(database: Database) -> Iterator[str]:
    for message in database.messages:
        for signal in filter(_begins_before, message.signals):
            yield f"the signal {signal.name} begins before its message {message.name}"


def _alone(message: Message, signal: Signal) -> Message | None:
    """The message with this signal only, and the multiplexers above it."""
    signals = [signal]
    while signals[-1].multiplexer_signal is not None:
        signals.append(message.get_signal_by_name(signals[-1].multiplexer_signal))
    if any(map(_begins_before, signals)):
        return None
    is_extended = message.is_extended_frame
    try:
        return Message(message.frame_id, message.name, message.length, signals, is_extended_frame=is_extended)
    except Error:
        return None


def text_of(raw: bytes) -> str:
    """The text of a DBC file: UTF-8 where its bytes are that, else the code page of the usual editors."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _read(text: str, *, strict: bool) -> Database:
    database = cantools.database.load_string(text, database_format="dbc", strict=strict)
    return cast(Database, database)  # its other kind comes from CDD files


def _words(error: UnsupportedDatabaseFormatError) -> str:
    """cantools' reason on one line, without its wrapping and without what upsets a terminal."""
    words = " ".join(str(error.e_dbc or error).split())
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


def _unreadable(error: UnsupportedDatabaseFormatError, name: str) -> ConfigurationError:
    what = _words(error)
    place = re.match(r"(.*?) at line (\d+), column (\d+):(.*)", what)
    if place is None:
        return ConfigurationError(f"no readable DBC: {what}", where=name, mend=_MEND)
    what = f"no readable DBC: {place[1]}{place[4]}"
    return ConfigurationError(what, where=f"{name}:{place[2]}:{place[3]}", mend=_MEND)
