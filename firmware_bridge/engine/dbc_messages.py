"""Prepare parsed DBC messages for decoding; a bad message does not affect the others.

Plain messages are decoded by `plain_signals`, the others by cantools, which checks no sizes: so the work to build a
message is estimated first and bounded. cantools is imported with the first message that needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from operator import attrgetter, or_
from typing import TYPE_CHECKING, Any

from firmware_bridge.engine.dbc_grammar import as_whole
from firmware_bridge.engine.dbc_records import Flaw, MessageText, SignalText

if TYPE_CHECKING:
    from firmware_bridge.engine.light_cantools import Message

MAX_WORK = 400_000
"""Bound of the work for all messages of a file, in signals per eight bytes: four times that of the largest vehicle
databases, about ten seconds on the smallest machine."""
_CODEC_WORK = 8
"""Work for a codec, in signals (measured)."""
_FLOAT_BITS = (16, 32, 64)
_MAX_DEPTH = 8
"""Nested multiplexers above a signal; real files have two."""


class BuiltMessage:
    """A message with its valid signals by their full names, in the order of their first bits."""

    def __init__(self, text: MessageText, valid: Mapping[str, SignalText]) -> None:
        """`valid`: the signals by their names in the file."""
        self.text = text
        self.signals = {s.full_name: s for s in sorted(valid.values(), key=attrgetter("first_bit"))}
        self.is_plain = all(map(_is_plain, valid.values()))
        """Whether every frame carries all signals, as integers: decoding then needs no cantools."""
        self._valid = valid

    @cached_property
    def whole(self) -> Message:
        """The cantools message. Raises whatever cantools raises."""
        from firmware_bridge.engine import dbc_codecs  # noqa: PLC0415 - see the docstring of the module

        return dbc_codecs.message(self.text, self._valid)

    @cached_property
    def parts(self) -> tuple[Message, ...]:
        """The cantools messages to decode one after the other: the whole, or one per signal if signals overlap."""
        if self.overlapping is None:
            return (self.whole,)
        from firmware_bridge.engine import dbc_codecs  # noqa: PLC0415

        return tuple(dbc_codecs.one_per_signal(self.text, self._valid))

    @cached_property
    def overlapping(self) -> tuple[str, str] | None:
        """Two signals that share a bit in the same frame; None if no signals overlap."""
        masks = {name: _mask(signal, self.text.length) for name, signal in self.signals.items()}
        if sum(masks.values()) == reduce(or_, masks.values(), 0):  # no bit is in two masks
            return None
        return _overlapping(masks if self.is_plain else self.whole.signal_tree, masks)

    @property
    def is_multiplexed(self) -> bool:
        """Whether successive frames carry different signals."""
        return not self.is_plain and any(part.is_multiplexed() for part in self.parts)


def build(texts: Sequence[MessageText], flaws: list[Flaw]) -> Iterator[BuiltMessage]:
    """Yield the messages that can be decoded; add a flaw to `flaws` for every other one."""
    work = 0
    for text in texts:
        signals = _valid_signals(text, flaws)
        work += _work(text, signals)
        if work > MAX_WORK:
            flaws.append(
                Flaw(text.line, "the file is too large", f"left out from the message {text.name} on")
            )
            return
        built = BuiltMessage(text, signals)
        try:
            overlapping = built.overlapping
            if not built.is_plain:
                _ = built.parts
        except Exception as error:  # noqa: BLE001 - cantools may raise anything; the other messages are read
            words = " ".join(str(error).split())
            flaws.append(Flaw(text.line, f"the message {text.name}: {words}", "left out with its signals"))
            continue
        if overlapping is not None:
            one, other = overlapping
            what = f"the signals {one} and {other} are overlapping in message {text.name}"
            flaws.append(Flaw(text.line, what, "read anyway"))
        yield built


def _is_plain(signal: SignalText) -> bool:
    """Whether every frame carries this signal, as an integer whose value is a finite double."""
    if signal.is_float or signal.by is not None or signal.marker.endswith("M"):
        return False
    try:
        largest = abs(float(signal.scale)) * 2.0**signal.length + abs(float(signal.offset))
    except OverflowError:
        return False
    return largest < math.inf


def _valid_signals(text: MessageText, flaws: list[Flaw]) -> dict[str, SignalText]:
    """The valid signals of a message: inside its bytes, with a unique name and, if multiplexed, with a multiplexer."""
    multiplexers = [signal.name for signal in text.signals.values() if signal.marker.endswith("M")]
    only = multiplexers[0] if len(multiplexers) == 1 else None
    signals, names = {}, set()
    for signal in text.signals.values():
        if not signal.marker or signal.name == only:
            signal.by, signal.values = None, []
        elif only is not None:
            signal.by = only
            signal.values += [as_whole(signal.marker[1:])] if signal.marker[1:].isdecimal() else []
        what = _position_fault(text, signal)
        name = signal.full_name
        if not what and name in names:
            what = f"has the name {name} of another signal of its message {text.name}"
        if what:
            flaws.append(Flaw(signal.line, f"the signal {signal.name} {what}"))
        else:
            signals[signal.name] = signal
            names.add(name)
    for name in [
        n for n, signal in signals.items() if signal.by is not None and not _has_root(signal, signals)
    ]:
        flaws.append(Flaw(signals[name].line, f"the multiplexer of the signal {name} is not in {text.name}"))
        del signals[name]
    for signal in signals.values():
        if signal.marker.startswith("m") and signal.by is None and not signal.marker.endswith("M"):
            what = f"nothing in {text.name} multiplexes the signal {signal.name}"
            flaws.append(Flaw(signal.line, what, "read from every frame"))
    return signals


def _position_fault(text: MessageText, signal: SignalText) -> str:
    """The fault of a signal's position or size, as text that follows its name; "" if there is none."""
    if signal.start < 0:
        return f"begins before its message {text.name}"
    if signal.length < 1:
        return "has no bits"
    if signal.first_bit + signal.length > 8 * text.length:
        return f"does not fit in message {text.name}"
    if signal.is_float and signal.length not in _FLOAT_BITS:
        return f"is a floating-point number of {signal.length} bits"
    return ""


def _has_root(signal: SignalText, signals: Mapping[str, SignalText]) -> bool:
    """Whether a signal's chain of multiplexers ends at one that every frame carries."""
    seen: set[str] = set()
    while signal.by is not None:
        above = signals.get(signal.by)
        if above is None or not above.marker.endswith("M") or above.name in seen or len(seen) == _MAX_DEPTH:
            return False
        seen.add(above.name)
        signal = above
    return True


def _work(text: MessageText, signals: Mapping[str, SignalText]) -> int:
    """Work to build a message: one codec, plus one for each multiplexer value."""
    children: dict[str, list[SignalText]] = {}
    for signal in signals.values():
        if signal.by is not None:
            children.setdefault(signal.by, []).append(signal)

    def placed(signal: SignalText) -> int:
        below = children.get(signal.name, ())
        codecs = len(signal.named_values) + sum(len(each.values) for each in below)
        return 1 + _CODEC_WORK * codecs + sum(len(each.values) * placed(each) for each in below)

    plain = sum(signal.by is None and not signal.marker for signal in signals.values())
    others = sum(placed(signal) for signal in signals.values() if signal.by is None and signal.marker)
    return (_CODEC_WORK + plain + others) * (1 + text.length // 8)


def _overlapping(tree: Iterable[Any], masks: Mapping[str, int]) -> tuple[str, str] | None:
    """Two signals that share a bit in the same frame; None if no signals overlap.

    `tree` is cantools': names, and for a multiplexer its name with the tree of each of its values.
    """

    def walk(tree: Iterable[Any], bits: int) -> tuple[int, tuple[str, str] | None]:
        for node in tree:
            for name, branches in node.items() if isinstance(node, dict) else ((node, {}),):
                if masks[name] & bits:
                    return bits, (
                        name,
                        next(other for other in masks if other != name and masks[other] & masks[name]),
                    )
                bits |= masks[name]
                below = bits
                for branch in branches.values():
                    branch_bits, pair = walk(branch, below)
                    if pair is not None:
                        return bits, pair
                    bits |= branch_bits
        return bits, None

    return walk(tree, 0)[1]


def _mask(signal: SignalText, length: int) -> int:
    """A signal's bits as a mask over the frame read as one little-endian number."""
    bits = (1 << signal.length) - 1
    if signal.is_little:
        return bits << signal.start
    big = bits << (8 * length - signal.first_bit - signal.length)
    return int.from_bytes(big.to_bytes(length, "big"), "little")
