"""What a DBC file says of a message and of its signals, and what is wrong with the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

LEFT_OUT = "left out"


class Flaw(NamedTuple):
    """Something wrong in a file: `line` and what. `then` says what became of it."""

    line: int
    what: str
    then: str = LEFT_OUT


@dataclass(slots=True)
class SignalText:
    """One signal as the file has it. `by` is its multiplexer, and `values` are the multiplexer's when it is there."""

    line: int
    name: str
    marker: str
    start: int
    length: int
    is_little: bool
    is_signed: bool
    scale: float
    offset: float
    unit: str
    is_float: bool = False
    long_name: str = ""
    by: str | None = None
    values: list[int] = field(default_factory=list)
    named_values: list[int] = field(default_factory=list)


@dataclass(slots=True)
class MessageText:
    """One message as the file has it. `can_id` carries EFF_FLAG; `frame_format` is "" where the file does not say."""

    line: int
    can_id: int
    name: str
    length: int
    signals: dict[str, SignalText] = field(default_factory=dict)
    frame_format: str = ""
    long_name: str = ""
