"""Build cantools messages from parsed DBC messages; a bad message does not affect the others.

cantools does the arithmetic but checks no sizes, so the work to build a message is estimated first and bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from firmware_bridge.engine.dbc_grammar import as_whole
from firmware_bridge.engine.dbc_records import Flaw, MessageText, SignalText
from firmware_bridge.engine.light_cantools import BaseConversion, Message, NamedSignalValue, Signal, start_bit
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK

MAX_WORK = 400_000
"""Bound of the work for all messages of a file, in signals per eight bytes: four times that of the largest vehicle
databases, about ten seconds on the smallest machine."""
_CODEC_WORK = 8
"""Work for a codec, in signals (measured)."""
_FLOAT_BITS = (16, 32, 64)
_MAX_DEPTH = 8
"""Nested multiplexers above a signal; real files have two."""


class BuiltMessage(NamedTuple):
    """A message and the parts to decode it with: the message itself, or one part per signal if signals overlap."""

    text: MessageText
    message: Message
    parts: tuple[Message, ...]


def build(texts: Sequence[MessageText], flaws: list[Flaw]) -> Iterator[BuiltMessage]:
    """Yield the messages that can be built; add a flaw to `flaws` for every other one."""
    work = 0
    for text in texts:
        signals = _valid_signals(text, flaws)
        work += _work(text, signals)
        if work > MAX_WORK:
            flaws.append(
                Flaw(text.line, "the file is too large", f"left out from the message {text.name} on")
            )
            return
        try:
            message = _message(text, signals)
            overlapping = _overlapping(message)
            parts = (message,) if overlapping is None else tuple(_one_per_signal(text, signals))
        except Exception as error:  # noqa: BLE001 - cantools may raise anything; the other messages are read
            words = " ".join(str(error).split())
            flaws.append(Flaw(text.line, f"the message {text.name}: {words}", "left out with its signals"))
            continue
        if overlapping is not None:
            one, other = overlapping
            what = f"the signals {one} and {other} are overlapping in message {text.name}"
            flaws.append(Flaw(text.line, what, "read anyway"))
        yield BuiltMessage(text, message, parts)


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
        name = signal.long_name or signal.name
        if not what and name in names:
            what = f"has the name {name} of another signal of its message {text.name}"
        if what:
            flaws.append(Flaw(signal.line, f"the signal {signal.name} {what}"))
        else:
            signals[signal.name] = signal
            names.add(name)
    for name in [name for name, signal in signals.items() if not _has_root(signal, signals)]:
        flaws.append(Flaw(signals[name].line, f"the multiplexer of the signal {name} is not in {text.name}"))
        del signals[name]
    for signal in signals.values():
        if signal.by is None and signal.marker.startswith("m") and not signal.marker.endswith("M"):
            what = f"nothing in {text.name} multiplexes the signal {signal.name}"
            flaws.append(Flaw(signal.line, what, "read from every frame"))
    return signals


def _position_fault(text: MessageText, signal: SignalText) -> str:
    """The fault of a signal's position or size, as text that follows its name; "" if there is none."""
    first = signal.start if signal.is_little else 8 * (signal.start // 8) + 7 - signal.start % 8
    if signal.start < 0:
        return f"begins before its message {text.name}"
    if signal.length < 1:
        return "has no bits"
    if first + signal.length > 8 * text.length:
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
    children: dict[str | None, list[SignalText]] = {}
    for signal in signals.values():
        children.setdefault(signal.by, []).append(signal)

    def placed(signal: SignalText) -> int:
        below = children.get(signal.name, ())
        codecs = len(signal.named_values) + sum(len(each.values) for each in below)
        return 1 + _CODEC_WORK * codecs + sum(len(each.values) * placed(each) for each in below)

    return (_CODEC_WORK + sum(map(placed, children.get(None, ())))) * (1 + text.length // 8)


def _message(text: MessageText, signals: Mapping[str, SignalText]) -> Message:
    """The cantools message with these signals."""
    return Message(
        text.can_id & EXTENDED_MASK,
        text.long_name or text.name,
        text.length,
        [_signal(signal, signals) for signal in signals.values()],
        is_extended_frame=bool(text.can_id & EFF_FLAG),
        strict=False,
    )


def _signal(text: SignalText, signals: Mapping[str, SignalText]) -> Signal:
    named: OrderedDict[int, str | NamedSignalValue] = OrderedDict(
        (each, str(each)) for each in text.named_values
    )
    above = signals.get(text.by) if text.by is not None else None
    return Signal(
        text.long_name or text.name,
        text.start,
        text.length,
        "little_endian" if text.is_little else "big_endian",
        text.is_signed,
        conversion=BaseConversion.factory(text.scale, text.offset, named or None, text.is_float),
        unit=text.unit or None,
        is_multiplexer=text.marker.endswith("M"),
        multiplexer_ids=sorted({*text.values}) if above is not None else None,
        multiplexer_signal=(above.long_name or above.name) if above is not None else None,
    )


def _one_per_signal(text: MessageText, signals: Mapping[str, SignalText]) -> Iterator[Message]:
    """One message per signal, with its multiplexers: cantools does not decode overlapping signals together."""
    for signal in signals.values():
        chain = [signal]
        while chain[-1].by is not None:
            chain.append(signals[chain[-1].by])
        yield _message(text, {each.name: each for each in chain})


def _overlapping(message: Message) -> tuple[str, str] | None:
    """Two signals of a message that share a bit in the same frame; None if no signals overlap."""
    masks = {signal.name: _mask(signal, message.length) for signal in message.signals}

    def walk(tree: Any, bits: int) -> tuple[int, tuple[str, str] | None]:
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

    return walk(message.signal_tree, 0)[1]


def _mask(signal: Signal, length: int) -> int:
    """A signal's bits as a mask over the frame read as one little-endian number."""
    bits = (1 << signal.length) - 1
    if signal.byte_order == "little_endian":
        return bits << signal.start
    big = bits << (8 * length - start_bit(signal) - signal.length)
    return int.from_bytes(big.to_bytes(length, "big"), "little")
