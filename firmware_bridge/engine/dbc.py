"""Engine readings from a DBC file; cantools does the arithmetic.

cantools is not trusted with the bus: a frame that is too short, a multiplexer value that the file does not know, a
number that is none give no reading and are counted. Values stay numbers: a choice's name says nothing to an alarm.
Importing cantools takes a tenth of a second, so only a configuration with a DBC imports this module.

A J1939 message whose source the file leaves open has channels for each node that sends it. Those of the node that was
heard first in the log have the plain names, the others end in @ and the node's address (`EngineSpeed@0x31`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import NamedTuple, cast

from firmware_bridge.engine.dbc_file import DbcFile
from firmware_bridge.engine.dbc_messages import BuiltMessage, build
from firmware_bridge.engine.dbc_records import LEFT_OUT, Flaw
from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, text_of
from firmware_bridge.engine.j1939 import ANY_SOURCE, Groups, j1939_messages
from firmware_bridge.engine.light_cantools import Message
from firmware_bridge.engine.plain_signals import PlainSignals, plain_signals
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import BRS_FLAG, ESI_FLAG, FD_FLAG, Channel, Notice, Reading

__all__ = ["DbcDecoder", "KnownMessage", "load", "text_of"]

MAX_NOTICES = 50
"""Lines left out that are reported one by one; the rest of a file that is wrong throughout is counted."""

# A DBC says nothing of how a frame travelled: as a classic frame, or as an FD frame of any colour.
_TRAVELLED = (0, *(FD_FLAG | rate | error for rate, error in product((0, BRS_FLAG), (0, ESI_FLAG))))
_MAX_MET_IDS = 4096
"""Identifiers whose group has been looked up; beyond as many, which no sound bus has, it is looked up again."""
_NODE = re.compile(r"(?P<message>.*)@0x(?P<node>[0-9A-F]{2})", re.DOTALL)
_MEND = "export it again from the program that made it, or take it out of the configuration"


class KnownMessage(NamedTuple):
    """A message as it is decoded: how many bytes it has, and each signal's channel by the signal's name.

    `parts` are what cantools decodes one by one: the message itself, or its signals alone where they overlap.
    """

    length: int
    parts: tuple[Message, ...]
    channels: dict[str, Channel]
    plain: PlainSignals | None


class MessageName(NamedTuple):
    """A message of the file: its identifier with EFF_FLAG, its name and its length in bytes."""

    can_id: int
    name: str
    length: int


def load(text: str, name: str) -> DbcDecoder:
    """The decoder for the text of a DBC file; `name` is the file's, for sources and errors.

    What of the file cannot be read is left out; `notices` say where and why. Raises ConfigurationError for a text that
    is no DBC file at all.
    """
    if len(text) > MAX_DBC_BYTES:
        raise _unreadable(f"{len(text)} characters are more than {MAX_DBC_BYTES}", name)
    file = DbcFile(text)
    if not file.has_statements:
        raise _unreadable("not one DBC statement in it" if text.strip() else "the file is empty", name)
    flaws = list(file.flaws)
    by_group = {id(file.messages[index]) for index in j1939_messages(file.messages, file.protocol)}
    built = list(build(file.messages, flaws))
    if flaws and not any(known.message.signals for known in built):
        worst = min(flaws)
        raise _unreadable(worst.what, name, worst.line)
    decoder = DbcDecoder(built, name, {known.text.can_id for known in built if id(known.text) in by_group})
    decoder.notices = tuple(_notices(sorted((*flaws, *decoder.flaws)), name))
    return decoder


class DbcDecoder:
    """Frames of one DBC file's messages to readings. `bad` counts those that could not be read whole."""

    def __init__(self, built: Sequence[BuiltMessage], name: str, by_group: Iterable[int] = ()) -> None:
        """`by_group` are the identifiers that stand for a parameter group of J1939."""
        self.bad = 0
        self.notices: tuple[Notice, ...] = ()
        self.flaws: list[Flaw] = []
        self.names = tuple(MessageName(b.text.can_id, b.message.name, b.message.length) for b in built)
        self._groups = Groups(by_group)
        self._file = name
        self._messages: dict[int, tuple[KnownMessage, ...]] = {}
        self._met: dict[int, tuple[KnownMessage, ...]] = {}
        self._first: dict[int, int] = {}
        self._any_source: dict[str, int] = {}
        for known, channels in self._named(built):
            can_id = known.text.can_id
            self._messages[can_id] = (*self._messages.get(can_id, ()), _known(known.parts, channels))
            if can_id & 0xFF == ANY_SOURCE:
                self._any_source[f"{name}:{known.message.name}"] = can_id
        turns = {can_id for can_id, several in self._messages.items() if any(map(_takes_turns, several))}
        self.ids = frozenset(can_id | flags for can_id in self._messages for flags in _TRAVELLED)
        self.turns = frozenset(can_id | flags for can_id in turns for flags in _TRAVELLED)
        self.channels = tuple(
            channel
            for several in self._messages.values()
            for known_message in several
            for channel in known_message.channels.values()
        )

    def _named(self, built: Sequence[BuiltMessage]) -> Iterator[tuple[BuiltMessage, dict[str, Channel]]]:
        """The messages and the channels of their signals: the signal's name, with the message's if several have it."""
        uses = Counter(signal.name for known in built for signal in known.message.signals)
        taken: set[str] = set()
        for known in built:
            message, signals = known.message.name, known.message.signals
            several = {s.name: s.name if uses[s.name] == 1 else f"{message}.{s.name}" for s in signals}
            if not taken.isdisjoint(several.values()) and known.text.can_id not in self._messages:
                # Two messages of one name.
                several = {signal: f"{message}@0x{known.message.frame_id:X}.{signal}" for signal in several}
            if not taken.isdisjoint(several.values()):
                what = f"the message {message} stands twice with this identifier and the same signals"
                self.flaws.append(Flaw(known.text.line, what))
                continue
            taken.update(several.values())
            source = f"{self._file}:{message}"
            yield known, {s.name: Channel(several[s.name], s.unit or "", source) for s in signals}

    @property
    def messages(self) -> Mapping[int, KnownMessage]:
        """The messages by identifier, with EFF_FLAG where it is extended; the first of each identifier."""
        return MappingProxyType({can_id: several[0] for can_id, several in self._messages.items()})

    def of(self, can_id: int) -> tuple[KnownMessage, ...]:
        """The messages that a frame of an identifier (with EFF_FLAG) is, by the identifier or by its J1939 group."""
        known = self._messages.get(can_id & 0xFFFF_FFFF)
        if known is None and self._groups:
            known = self._met.get(can_id)
            if known is None:
                if len(self._met) >= _MAX_MET_IDS:
                    self._met.clear()
                known = self._met[can_id] = tuple(self._of_groups(can_id))
        return known or ()

    def _of_groups(self, can_id: int) -> Iterator[KnownMessage]:
        for known_id in self._groups.match(can_id):
            known, source = self._messages[known_id], can_id & 0xFF
            if known_id & 0xFF == ANY_SOURCE:
                is_first = self._first.setdefault(known_id, source) == source
                yield from (_sent_by(source, each, is_first=is_first) for each in known)
            else:
                yield from known

    @property
    def has_groups(self) -> bool:
        """Whether some of its messages are known by their J1939 group, beyond `ids`."""
        return bool(self._groups)

    def names_of(self, can_id: int) -> list[int]:
        """The identifiers under which the file has the messages of a frame."""
        if can_id & 0xFFFF_FFFF in self._messages:
            return [can_id & 0xFFFF_FFFF]
        return self._groups.match(can_id)

    def takes_turns(self, can_id: int) -> bool:
        """Whether the frames of an identifier carry different channels in turn."""
        return any(map(_takes_turns, self.of(can_id)))

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """A log begins, or is continued: the nodes heard first are those to which `channels`, the log's own, say so."""
        self._first.clear()
        self._met.clear()
        for channel in channels:
            found = _NODE.fullmatch(str(channel.source))
            can_id = self._any_source.get(found["message"]) if found else None
            if found and can_id is not None and not _NODE.fullmatch(str(channel.name)):
                self._first[can_id] = int(found["node"], 16)

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        """The readings in one frame: of a short one, those of the signals that are whole."""
        readings: list[Reading] = []
        for known in self._messages.get(can_id & 0xFFFF_FFFF) or self.of(can_id):
            readings += self._decode(known, t_us, data)
        return readings

    def _decode(self, known: KnownMessage, t_us: int, data: bytes) -> list[Reading]:
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


def _known(parts: tuple[Message, ...], channels: dict[str, Channel]) -> KnownMessage:
    """A message with its channels; the parts of one have its length, and one without parts has nothing to say."""
    length = max((part.length for part in parts), default=0)
    plain = plain_signals(parts[0], channels) if len(parts) == 1 else None
    return KnownMessage(length, parts, channels, plain)


def _sent_by(source: int, known: KnownMessage, *, is_first: bool) -> KnownMessage:
    """A J1939 message as one node sends it."""
    node = f"@0x{source:02X}"
    channels = {
        signal: Channel(
            channel.name if is_first else channel.name + node, channel.unit, channel.source + node
        )
        for signal, channel in known.channels.items()
    }
    return _known(known.parts, channels)


def _takes_turns(known: KnownMessage) -> bool:
    return any(part.is_multiplexed() for part in known.parts)


def _number(value: float) -> float:
    """A signal's value as a double; what is beyond a double's range is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _notices(flaws: Sequence[Flaw], name: str) -> Iterator[Notice]:
    """The flaws of a file, the first ones one by one."""
    for line, what, then in flaws[:MAX_NOTICES]:
        kind = "dbc_left_out" if then.startswith(LEFT_OUT) else "dbc_not_strict"
        yield Notice(0, kind, {"file": name, "line": line, "what": what, "then": then})
    if len(flaws) > MAX_NOTICES:
        line, what = flaws[MAX_NOTICES].line, f"{len(flaws) - MAX_NOTICES} more from here on"
        yield Notice(
            0, "dbc_left_out", {"file": name, "line": line, "what": what, "then": f"{LEFT_OUT}, not listed"}
        )


def _unreadable(what: str, name: str, line: int = 1) -> ConfigurationError:
    return ConfigurationError(f"no readable DBC: {what}", where=f"{name}:{line}:1", hint=_MEND)
