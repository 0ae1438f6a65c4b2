"""DBC file parser: statements to messages and signals; an unreadable statement is skipped alone.

It reads only what decoding needs: BO_ and SG_, the number formats (SIG_VALTYPE_), extended multiplexing
(SG_MUL_VAL_), the named values of multiplexers (VAL_), long names and frame formats (BA_). Comments, nodes and other
attributes do not affect values and are skipped. Every unreadable statement becomes a Flaw with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from firmware_bridge.engine.dbc_grammar import (
    ATTRIBUTE,
    DAMAGED_MESSAGE,
    DEFAULT,
    DEFINITION,
    FACTORS,
    MESSAGE,
    MULTIPLEXED,
    PAIR,
    RANGE,
    SIGNAL,
    VALUE_TYPE,
    VALUES,
    VALUES_OF_A_VARIABLE,
    as_number,
    as_whole,
    excerpt,
    identifier,
    message_number,
)
from firmware_bridge.engine.dbc_records import Flaw, MessageText, SignalText
from firmware_bridge.engine.dbc_statements import Statement, separates_messages, statements

MAX_MESSAGE_BYTES = 1785
"""The longest message that J1939 carries; a CAN FD frame has 64 bytes."""
MAX_MULTIPLEXER_VALUES = 4096
"""Multiplexer values that select one signal: sixteen times the values of a one-byte multiplexer."""

_WITH_SIGNALS = "left out with its signals"
_UNASSIGNED = "VECTOR__INDEPENDENT_SIG_MSG"
"""The pseudo-message in which editors keep signals without a message."""
_FRAME_FORMATS = ("StandardCAN", "ExtendedCAN", "reserved", "J1939PG")


class DbcFile:
    """The messages of a DBC text in file order, and the flaws of the text."""

    def __init__(self, text: str) -> None:
        self.messages: list[MessageText] = []
        self.flaws: list[Flaw] = []
        self.has_statements = False
        self.protocol = ""
        """The attribute ProtocolType, such as "J1939"."""
        self._current: MessageText | None = None
        self._is_skipped = False
        self._has_gaps = separates_messages(text)
        self._by_id: dict[int, list[MessageText]] = {}
        self._frame_formats: tuple[str, ...] = _FRAME_FORMATS
        self._default_format = ""
        self._attributes: set[str] = set()
        self._deferred: list[tuple[Statement, Callable[[Statement], Iterator[Flaw]]]] = []
        readers: dict[str, Callable[[Statement], Iterator[Flaw]]] = {
            "": self._unknown,
            "BO_": self._message,
            "SG_": self._signal,
            "BA_DEF_": self._definition,
            "BA_DEF_DEF_": self._default,
        }
        # These refer to messages and attributes that may be defined further down.
        later = {
            "SIG_VALTYPE_": self._value_type,
            "SG_MUL_VAL_": self._multiplexed,
            "VAL_": self._named_values,
            "BA_": self._attribute,
            "CM_": self._comment,
        }
        for statement in statements(text):
            self.has_statements |= bool(statement.kind)
            if statement.kind in readers:
                self.flaws += readers[statement.kind](statement)
            elif statement.kind in later:
                self._deferred.append((statement, later[statement.kind]))
        for statement, read in self._deferred:
            self.flaws += read(statement)
        for message in self.messages:
            message.frame_format = message.frame_format or self._default_format
        self.flaws.sort()

    def _message(self, statement: Statement) -> Iterator[Flaw]:
        self._current, self._is_skipped = None, True
        match = MESSAGE.match(statement.text)
        if match is None:
            yield Flaw(statement.line, f"not a message: {excerpt(statement.text)}", _WITH_SIGNALS)
            return
        name, length = match["name"], as_whole(match["length"])
        if name == _UNASSIGNED:
            return
        number = message_number(match["id"])
        can_id, flaw = identifier(number)
        if can_id is None or length > MAX_MESSAGE_BYTES:
            flaw = flaw or f"{length} bytes are more than a message can have"
            yield Flaw(statement.line, f"the message {name}: {flaw}", _WITH_SIGNALS)
            return
        if flaw:
            yield Flaw(statement.line, f"the message {name}: {flaw}", "read as an extended one")
        if not match["rest"].strip():
            yield Flaw(statement.line, f"the message {name} names no sender", "read anyway")
        yield from self._trailing_text(statement, match)
        self._current = MessageText(statement.line, can_id, name, length)
        self.messages.append(self._current)
        self._by_id.setdefault(number, []).append(self._current)

    def _signal(self, statement: Statement) -> Iterator[Flaw]:
        if statement.is_apart and self._has_gaps and self._current is not None:
            self._current, self._is_skipped = None, True
            what = "signals after an empty line, which ends a message in this file: their BO_ line is missing"
            yield Flaw(statement.line, what)
        if self._current is None:
            if not self._is_skipped:
                yield Flaw(statement.line, f"a signal outside of any message: {excerpt(statement.text)}")
            return
        match = SIGNAL.match(statement.text)
        if match is None:
            yield Flaw(statement.line, _signal_fault(statement.text))
            return
        name, marker, start, length, order, sign, scale, offset, unit, rest = match.group(
            "name", "marker", "start", "length", "order", "sign", "scale", "offset", "unit", "rest"
        )
        if name in self._current.signals:
            yield Flaw(
                statement.line, f"the signal {name} is defined twice in its message {self._current.name}"
            )
            return
        message = self._current
        if "\n" in rest:
            yield from self._trailing_text(statement, match)
        if marker == "m":
            yield Flaw(statement.line, f"the signal {name} has no multiplexer value", "read as a multiplexer")
        message.signals[name] = SignalText(
            line=statement.line,
            name=name,
            marker="M" if marker == "m" else marker or "",
            start=as_whole(start),
            length=as_whole(length),
            is_little=order == "1",
            is_signed=sign == "-",
            scale=as_number(scale),
            offset=as_number(offset),
            unit=unit or "",
        )

    def _value_type(self, statement: Statement) -> Iterator[Flaw]:
        match = VALUE_TYPE.match(statement.text)
        signals = self._signals(match) if match else []
        if match is None or not signals:
            yield _unusable(statement, match)
        for signal in signals:
            signal.is_float = match is not None and match["type"] in ("1", "2")

    def _multiplexed(self, statement: Statement) -> Iterator[Flaw]:
        match = MULTIPLEXED.match(statement.text)
        signals = self._signals(match) if match else []
        if match is None or not signals:
            yield _unusable(statement, match)
            return
        bounds = [(as_whole(low), as_whole(high)) for low, high in RANGE.findall(match["ranges"])]
        if sum(max(0, high - low + 1) for low, high in bounds) > MAX_MULTIPLEXER_VALUES:
            yield Flaw(
                statement.line, f"{match['name']} has more than {MAX_MULTIPLEXER_VALUES} multiplexer values"
            )
            bounds = []
        values = [value for low, high in bounds for value in range(low, high + 1)]
        for signal in signals:
            signal.by, signal.values = match["by"], values

    def _named_values(self, statement: Statement) -> Iterator[Flaw]:
        if VALUES_OF_A_VARIABLE.match(statement.text):
            return
        match = VALUES.match(statement.text)
        signals = self._signals(match) if match else []
        if match is None or not signals:
            yield _unusable(statement, match)
        for signal in signals:
            if match is not None and signal.marker.endswith("M"):
                pairs = PAIR.findall(match["pairs"])[:MAX_MULTIPLEXER_VALUES]
                signal.named_values = [as_whole(value) for value in pairs]

    def _definition(self, statement: Statement) -> Iterator[Flaw]:
        match = DEFINITION.match(statement.text)
        if match is None:
            yield _unusable(statement, match)
            return
        self._attributes.add(match["attribute"])
        choices = re.findall(r'"([^"]*)"', match["rest"])
        if match["attribute"] == "VFrameFormat" and choices:
            self._frame_formats = tuple(choices)

    def _default(self, statement: Statement) -> Iterator[Flaw]:
        match = DEFAULT.match(statement.text)
        if match is None:
            yield _unusable(statement, match)
            return
        self._attributes.add(match["attribute"])
        if match["attribute"] == "VFrameFormat" and self._frame_format(match) == "J1939PG":
            self._default_format = "J1939PG"  # other defaults come from an editor's template and mean nothing
        elif match["attribute"] == "ProtocolType" and not self.protocol:
            self.protocol = match["string"] or ""

    def _attribute(self, statement: Statement) -> Iterator[Flaw]:
        match = ATTRIBUTE.match(statement.text)
        attribute = match["attribute"] if match else ""
        if match is not None and attribute not in self._attributes:
            yield Flaw(statement.line, f'no BA_DEF_ defines the attribute "{attribute}"')
        if match is None:
            return  # an attribute of a node or a variable, or not in the form of the attributes below
        if attribute == "ProtocolType" and match["of"] is None:
            self.protocol = match["string"] or self.protocol
        elif attribute == "VFrameFormat" and match["of"] == "BO_":
            for message in self._by_id.get(message_number(match["id"]), ()):
                message.frame_format = self._frame_format(match)
        elif attribute == "SystemMessageLongSymbol" and match["of"] == "BO_":
            for message in self._by_id.get(message_number(match["id"]), ()):
                message.long_name = match["string"] or ""
        elif attribute == "SystemSignalLongSymbol" and match["of"] == "SG_":
            for signal in self._signals(match):
                signal.long_name = match["string"] or ""

    def _frame_format(self, match: re.Match[str]) -> str:
        """A frame format by name or by number."""
        if match["string"] is not None:
            return match["string"]
        number = int(as_number(match["number"]))
        return self._frame_formats[number] if 0 <= number < len(self._frame_formats) else ""

    def _comment(self, statement: Statement) -> Iterator[Flaw]:
        if statement.text.count('"') < 2:
            yield Flaw(statement.line, "an unpaired quotation mark in a comment")

    def _unknown(self, statement: Statement) -> Iterator[Flaw]:
        self._end_message(statement.text)
        yield Flaw(statement.line, f"not a DBC statement: {excerpt(statement.text)}")

    def _end_message(self, words: str) -> None:
        """Close the message before an unreadable BO_ line: the signals below it belong to another message."""
        if DAMAGED_MESSAGE.match(words.strip()):
            self._current, self._is_skipped = None, True

    def _trailing_text(self, statement: Statement, match: re.Match[str]) -> Iterator[Flaw]:
        """Flaws for text after a complete BO_ or SG_ that does not continue the list of nodes."""
        first, *others = match["rest"].split("\n")
        for number, words in enumerate(others):
            if words.strip():
                if not first.strip() or first.rstrip().endswith(",") or words.lstrip().startswith(","):
                    first = words
                    continue
                self._end_message(words)
                line = statement.line + statement.text.count("\n", 0, match.start("rest")) + number + 1
                yield Flaw(line, f"not a DBC statement: {excerpt(words)}")
                return

    def _signals(self, match: re.Match[str]) -> list[SignalText]:
        """The signals that a statement refers to, in every message with its identifier."""
        messages = self._by_id.get(message_number(match["id"]), ())
        return [message.signals[match["name"]] for message in messages if match["name"] in message.signals]


def _signal_fault(text: str) -> str:
    factors = FACTORS.search(text)
    if factors is not None and factors[1].count(",") > 1:
        return f"decimal commas in ({excerpt(factors[1])}): write decimal points"
    return f"not a signal: {excerpt(text)}"


def _unusable(statement: Statement, match: re.Match[str] | None) -> Flaw:
    """The flaw of an unreadable statement, or of one that refers to an unknown signal."""
    if match is None:
        return Flaw(statement.line, f"not a {statement.kind}: {excerpt(statement.text)}")
    what = f"{statement.kind} of the signal {match['name']}, which message {match['id']} does not have"
    return Flaw(statement.line, what)
