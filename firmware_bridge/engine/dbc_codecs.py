"""Build cantools messages, the codecs of what `plain_signals` does not decode, from parsed DBC messages.

Importing cantools takes 0.1 s, so this module is imported only for a message that needs it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from firmware_bridge.engine.dbc_records import MessageText, SignalText
from firmware_bridge.engine.light_cantools import BaseConversion, Message, NamedSignalValue, Signal
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK


def message(text: MessageText, signals: Mapping[str, SignalText]) -> Message:
    """The cantools message with these signals."""
    return Message(
        text.can_id & EXTENDED_MASK,
        text.full_name,
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
        text.full_name,
        text.start,
        text.length,
        "little_endian" if text.is_little else "big_endian",
        text.is_signed,
        conversion=BaseConversion.factory(text.scale, text.offset, named or None, text.is_float),
        unit=text.unit or None,
        is_multiplexer=text.marker.endswith("M"),
        multiplexer_ids=sorted({*text.values}) if above is not None else None,
        multiplexer_signal=above.full_name if above is not None else None,
    )


def one_per_signal(text: MessageText, signals: Mapping[str, SignalText]) -> Iterator[Message]:
    """One message per signal, with its multiplexers: cantools does not decode overlapping signals together."""
    for signal in signals.values():
        chain = [signal]
        while chain[-1].by is not None:
            chain.append(signals[chain[-1].by])
        yield message(text, {each.name: each for each in chain})
