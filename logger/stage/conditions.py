"""Parser and evaluator of alarm conditions such as `battery_v < 13.0 and rpm > 1000`.

    any    = all { "or" all }                 a condition is True, False, or None: unknown
    all    = one { "and" one }
    one    = "(" any ")" | NAME op NUMBER
    op     = "<" | "<=" | ">" | ">=" | "==" | "!="
    NAME   = a letter or _, then letters, digits, _ . : @ -
    NUMBER = 13, -4.5, 1e3

A channel without a current value is unknown. A condition that uses it is unknown too, unless the other parts
decide it (a false part of an `and`, a true part of an `or`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.errors import ConfigurationError
from logger.tomlconfig.messages import nearest

Values = Mapping[str, float | None]

_TOKEN = re.compile(
    r"\s*(?:(?P<op><=|>=|==|!=|<|>)|(?P<paren>[()])|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])"
    r"|(?P<name>[^\W\d][\w.:@-]*)|(?P<other>\S))"
)
MAX_DEPTH = 20
"""Nested parentheses; a hand-written condition rarely needs three."""
MAX_CHARS = 1000


class Condition(Protocol):
    """A condition that is true, false or unknown."""

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that it uses, in the order of the text."""

    def holds(self, values: Values, slack: float | None = 0.0) -> bool | None:
        """Return whether it holds; None if unknown.

        `slack` relaxes each threshold, in the channel's unit, or by `SLACK_SHARE` of the threshold if None: a
        condition that is on turns off only beyond the slack."""


SLACK_SHARE = 0.02
"""Default hysteresis: 13 V re-arms at 13.26 V, 110 degrees at 107.8."""

# Each takes value, limit and slack (never negative); the slack favours True.
_OPERATORS: dict[str, Callable[[float, float, float], bool]] = {
    "<": lambda value, limit, slack: value < limit + slack,
    "<=": lambda value, limit, slack: value <= limit + slack,
    ">": lambda value, limit, slack: value > limit - slack,
    ">=": lambda value, limit, slack: value >= limit - slack,
    "==": lambda value, limit, slack: value == limit,
    "!=": lambda value, limit, slack: value != limit,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of one channel with one number."""

    name: str
    operator: str
    limit: float

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def holds(self, values: Values, slack: float | None = 0.0) -> bool | None:
        value = values.get(self.name)
        if value is None or value != value:  # noqa: PLR0124 - not a number
            return None
        lean = abs(self.limit) * SLACK_SHARE if slack is None else slack
        return _OPERATORS[self.operator](value, self.limit, lean)


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions joined by `and` or `or`. `decisive`: the value of one part that decides the whole (False for
    `and`, True for `or`)."""

    parts: tuple[Condition, ...]
    decisive: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def holds(self, values: Values, slack: float | None = 0.0) -> bool | None:
        answers = [part.holds(values, slack) for part in self.parts]
        if self.decisive in answers:
            return self.decisive
        return None if None in answers else not self.decisive


def parse(text: str, known: Collection[str] | None = None) -> Condition:
    """Parse a condition. With `known`, every name must be in it.

    Raises ConfigurationError with the character at which the text is wrong.
    """
    condition = _Parser(text).condition()
    if known is not None:
        for name in sorted(set(condition.names).difference(known)):
            raise ConfigurationError(f'"{text}": "{name}" is not a channel', hint=nearest(name, known))
    return condition


class _Parser:
    """Recursive-descent parser, one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text[:MAX_CHARS]
        self._depth = 0
        self._end = 0
        self._take()

    def condition(self) -> Condition:
        whole = self._any()
        if self._kind:
            self._refuse("expected and, or, or the end")
        return whole

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._word == "or":
            self._take()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), decisive=True)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._word == "and":
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), decisive=False)

    def _one(self) -> Condition:
        if self._word == "(" and self._depth < MAX_DEPTH:
            self._take()
            self._depth += 1
            inner = self._any()
            self._depth -= 1
            if self._word != ")":
                self._refuse('expected ")"')
            self._take()
            return inner
        if self._kind != "name" or self._word in ("and", "or"):
            self._refuse("expected the name of a channel")
        name = self._take()
        if self._kind != "op":
            self._refuse("expected < <= > >= == or !=")
        operator = self._take()
        if self._kind != "number" or math.isinf(float(self._word)):
            self._refuse("expected a number")
        return Comparison(name, operator, float(self._take()))

    def _take(self) -> str:
        taken = getattr(self, "_word", "")
        match = _TOKEN.match(self._text, self._end)
        self._kind = match.lastgroup if match else None
        self._word = match[self._kind] if match and self._kind else ""
        self._start = match.start(self._kind) if match and self._kind else len(self._text)
        self._end = match.end() if match else len(self._text)
        return taken

    def _refuse(self, what: str) -> None:
        found = f'found "{self._word}"' if self._word else "the text ends"
        raise ConfigurationError(
            f'"{self._text}": {what} at character {self._start + 1}, {found}',
            hint="write it as: battery_v < 13.0 and rpm > 1000",
        )
