"""Records of a parsed DBC file: messages, signals, flaws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

LEFT_OUT = "left out"


class Flaw(NamedTuple):
    """A fault in a file: its line, what is wrong, and how the parser handled it."""

    line: int
    what: str
    outcome: str = LEFT_OUT


@dataclass(slots=True)
class SignalText:
    """One signal as written in the file. `by` is its multiplexer; `values` are the values that select it."""

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

    @property
    def full_name(self) -> str:
        """The long name if the file gives one, else the name."""
        return self.long_name or self.name

    @property
    def first_bit(self) -> int:
        """The signal's first bit in the order of transmission of its bytes, which counts up in both byte orders."""
        return self.start if self.is_little else 8 * (self.start // 8) + 7 - self.start % 8


@dataclass(slots=True)
class MessageText:
    """One message as written in the file. `can_id` has EFF_FLAG if extended; `frame_format` is "" if not given."""

    line: int
    can_id: int
    name: str
    length: int
    signals: dict[str, SignalText] = field(default_factory=dict)
    frame_format: str = ""
    long_name: str = ""

    @property
    def full_name(self) -> str:
        """The long name if the file gives one, else the name."""
        return self.long_name or self.name
