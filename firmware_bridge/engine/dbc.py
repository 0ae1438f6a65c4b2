"""Decode CAN frames into engine readings by a DBC file.

Bus errors never reach cantools' caller: a frame that is too short, an unknown multiplexer value and a value that is
not finite give no reading and are counted. Values stay numbers, because alarms cannot use the name of a choice.
Only a configuration with a DBC file imports this module, and only one with a message that is not plain cantools.

A J1939 message without a source address in the file has one set of channels for each node that sends it. The node
heard first in the log has the plain names; the names of the others end in @ and the address (`EngineSpeed@0x31`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from firmware_bridge.engine.dbc_file import DbcFile
from firmware_bridge.engine.dbc_messages import BuiltMessage, build
from firmware_bridge.engine.dbc_records import LEFT_OUT, Flaw
from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, text_of
from firmware_bridge.engine.j1939 import ANY_SOURCE, Groups, j1939_messages
from firmware_bridge.engine.plain_signals import PlainSignals
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import BRS_FLAG, ESI_FLAG, EXTENDED_MASK, FD_FLAG, Channel, Notice, Reading

if TYPE_CHECKING:
    from firmware_bridge.engine.light_cantools import Message

__all__ = ["DbcDecoder", "KnownMessage", "load", "text_of"]

MAX_NOTICES = 50
"""Flaws reported one by one; further flaws of a file are only counted."""

# A DBC file does not say how a message is sent: as a classic frame, or as an FD frame with any flags.
_FRAME_FLAGS = (0, *(FD_FLAG | rate | error for rate, error in product((0, BRS_FLAG), (0, ESI_FLAG))))
_MAX_CACHED_IDS = 4096
"""Bound of the cache of group look-ups, in identifiers; no undamaged bus has as many."""
_NODE = re.compile(r"(?P<message>.*)@0x(?P<node>[0-9A-F]{2})", re.DOTALL)
_EXPORT_AGAIN = "export it again from the program that made it, or leave it out"


class KnownMessage(NamedTuple):
    """A message ready to decode: its length in bytes, and its channels by signal name. `plain` decodes a plain one."""

    length: int
    channels: dict[str, Channel]
    plain: PlainSignals | None
    built: BuiltMessage

    @property
    def parts(self) -> tuple[Message, ...]:
        """The cantools messages to decode one after the other; makes them for a plain message."""
        return self.built.parts


class MessageName(NamedTuple):
    """A message of the file: identifier with EFF_FLAG, name, length in bytes."""

    can_id: int
    name: str
    length: int


def load(text: str, name: str) -> DbcDecoder:
    """Build the decoder from the text of a DBC file; `name` is the file name for channel sources and errors.

    Unreadable parts of the file are left out, and `notices` say where and why. Raises ConfigurationError if the text
    is not a DBC file.
    """
    if len(text) > MAX_DBC_BYTES:
        raise _unreadable(f"{len(text)} characters are more than {MAX_DBC_BYTES}", name)
    file = DbcFile(text)
    if not file.has_statements:
        raise _unreadable("it has no DBC statement" if text.strip() else "the file is empty", name)
    flaws = list(file.flaws)
    by_group = {id(file.messages[index]) for index in j1939_messages(file.messages, file.protocol)}
    built = list(build(file.messages, flaws))
    if flaws and not any(known.signals for known in built):
        worst = min(flaws)
        raise _unreadable(worst.what, name, worst.line)
    decoder = DbcDecoder(built, name, {known.text.can_id for known in built if id(known.text) in by_group})
    decoder.notices = tuple(_notices(sorted((*flaws, *decoder.flaws)), name))
    return decoder


class DbcDecoder:
    """Decode the frames of one DBC file's messages. `bad` counts frames that could not be decoded completely."""

    def __init__(self, built: Sequence[BuiltMessage], name: str, by_group: Iterable[int] = ()) -> None:
        """`by_group`: the identifiers that are matched by their J1939 parameter group."""
        self.bad = 0
        self.notices: tuple[Notice, ...] = ()
        self.flaws: list[Flaw] = []
        self.names = tuple(MessageName(b.text.can_id, b.text.full_name, b.text.length) for b in built)
        self._groups = Groups(by_group)
        self._file = name
        self._messages: dict[int, tuple[KnownMessage, ...]] = {}
        self._of_group: dict[int, tuple[KnownMessage, ...]] = {}
        self._first_source: dict[int, int] = {}
        self._any_source: dict[str, int] = {}
        for known, channels in self._named(built):
            can_id = known.text.can_id
            self._messages[can_id] = (*self._messages.get(can_id, ()), _known(known, channels))
            if can_id & 0xFF == ANY_SOURCE:
                self._any_source[f"{name}:{known.text.full_name}"] = can_id
        multiplexed = {
            can_id
            for can_id, same_id in self._messages.items()
            if any(k.built.is_multiplexed for k in same_id)
        }
        self.ids = frozenset(can_id | flags for can_id in self._messages for flags in _FRAME_FLAGS)
        self.multiplexed = frozenset(can_id | flags for can_id in multiplexed for flags in _FRAME_FLAGS)
        self.channels = tuple(
            channel
            for same_id in self._messages.values()
            for known_message in same_id
            for channel in known_message.channels.values()
        )

    def _named(self, built: Sequence[BuiltMessage]) -> Iterator[tuple[BuiltMessage, dict[str, Channel]]]:
        """Each message with its channels. A signal name that several messages use gets the message name as prefix."""
        uses = Counter(name for known in built for name in known.signals)
        taken: set[str] = set()
        for known in built:
            message = known.text.full_name
            names = {name: name if uses[name] == 1 else f"{message}.{name}" for name in known.signals}
            if not taken.isdisjoint(names.values()) and known.text.can_id not in self._messages:
                # Two messages with the same name.
                names = {
                    signal: f"{message}@0x{known.text.can_id & EXTENDED_MASK:X}.{signal}" for signal in names
                }
            if not taken.isdisjoint(names.values()):
                what = f"the message {message} is defined twice with this identifier and the same signals"
                self.flaws.append(Flaw(known.text.line, what))
                continue
            taken.update(names.values())
            source = f"{self._file}:{message}"
            yield known, {name: Channel(names[name], s.unit, source) for name, s in known.signals.items()}

    @property
    def messages(self) -> Mapping[int, KnownMessage]:
        """The first message of each identifier. Extended identifiers have EFF_FLAG."""
        return MappingProxyType({can_id: same_id[0] for can_id, same_id in self._messages.items()})

    def of(self, can_id: int) -> tuple[KnownMessage, ...]:
        """The messages of an identifier (with EFF_FLAG), matched by the identifier or by its J1939 group."""
        known = self._messages.get(can_id & 0xFFFF_FFFF)
        if known is None and self._groups:
            known = self._of_group.get(can_id)
            if known is None:
                if len(self._of_group) >= _MAX_CACHED_IDS:
                    self._of_group.clear()
                known = self._of_group[can_id] = tuple(self._match_groups(can_id))
        return known or ()

    def _match_groups(self, can_id: int) -> Iterator[KnownMessage]:
        for known_id in self._groups.match(can_id):
            known, source = self._messages[known_id], can_id & 0xFF
            if known_id & 0xFF == ANY_SOURCE:
                is_first = self._first_source.setdefault(known_id, source) == source
                yield from (_sent_by(source, each, is_first=is_first) for each in known)
            else:
                yield from known

    @property
    def has_groups(self) -> bool:
        """Whether some messages are matched by their J1939 group, in addition to `ids`."""
        return bool(self._groups)

    def ids_in_file(self, can_id: int) -> list[int]:
        """The identifiers that the file gives the messages of a frame's identifier."""
        if can_id & 0xFFFF_FFFF in self._messages:
            return [can_id & 0xFFFF_FFFF]
        return self._groups.match(can_id)

    def is_multiplexed(self, can_id: int) -> bool:
        """Whether successive frames of an identifier carry different channels."""
        return any(known.built.is_multiplexed for known in self.of(can_id))

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Start or resume a log. `channels` are those already in it; they name the node heard first per message."""
        self._first_source.clear()
        self._of_group.clear()
        for channel in channels:
            match = _NODE.fullmatch(str(channel.source))
            can_id = self._any_source.get(match["message"]) if match else None
            if match and can_id is not None and not _NODE.fullmatch(str(channel.name)):
                self._first_source[can_id] = int(match["node"], 16)

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> Sequence[Reading]:
        """The readings in one frame; in a short frame, those of the complete signals."""
        messages = self._messages.get(can_id & 0xFFFF_FFFF) or self.of(can_id)
        if len(messages) == 1:
            return self._decode(messages[0], t_us, data)
        return [reading for known in messages for reading in self._decode(known, t_us, data)]

    def _decode(self, known: KnownMessage, t_us: int, data: bytes) -> Sequence[Reading]:
        is_whole = len(data) >= known.length
        if known.plain is not None:
            self.bad += not is_whole
            return known.plain.decode(t_us, data)
        values: dict[str, float] = {}
        for part in known.parts:
            try:
                decoded = part.decode(data, decode_choices=False, allow_truncated=True)
            except Exception:  # noqa: BLE001 - cantools may raise anything; recording must go on
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


def _known(built: BuiltMessage, channels: dict[str, Channel]) -> KnownMessage:
    """A message with its channels."""
    length = built.text.length
    plain = PlainSignals(length, built.signals, channels) if built.is_plain else None
    return KnownMessage(length, channels, plain, built)


def _sent_by(source: int, known: KnownMessage, *, is_first: bool) -> KnownMessage:
    """A J1939 message with the channels of one source address."""
    node = f"@0x{source:02X}"
    channels = {
        signal: Channel(
            channel.name if is_first else channel.name + node, channel.unit, channel.source + node
        )
        for signal, channel in known.channels.items()
    }
    return _known(known.built, channels)


def _number(value: float) -> float:
    """A signal's value as a double; infinity if it is out of range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _notices(flaws: Sequence[Flaw], name: str) -> Iterator[Notice]:
    """One notice per flaw up to MAX_NOTICES, then one with the count of the rest."""
    for line, what, outcome in flaws[:MAX_NOTICES]:
        kind = "dbc_left_out" if outcome.startswith(LEFT_OUT) else "dbc_not_strict"
        yield Notice(0, kind, {"file": name, "line": line, "what": what, "then": outcome})
    if len(flaws) > MAX_NOTICES:
        line, what = flaws[MAX_NOTICES].line, f"{len(flaws) - MAX_NOTICES} more from here on"
        yield Notice(
            0, "dbc_left_out", {"file": name, "line": line, "what": what, "then": f"{LEFT_OUT}, not listed"}
        )


def _unreadable(what: str, name: str, line: int = 1) -> ConfigurationError:
    return ConfigurationError(f"no readable DBC: {what}", where=f"{name}:{line}:1", hint=_EXPORT_AGAIN)
