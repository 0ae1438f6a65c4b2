"""What a DBC file says of messages, statement by statement; one that cannot be read costs only itself.

Only what decoding needs is read: BO_ and SG_, the number formats (SIG_VALTYPE_), extended multiplexing
(SG_MUL_VAL_), the named values of multiplexers (VAL_), long names and frame formats (BA_). Comments, nodes and the
other attributes say nothing about values and are passed over. Every statement left out becomes a Flaw with its line.
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
from firmware_bridge.engine.dbc_statements import Statement, statements

MAX_MESSAGE_BYTES = 1785
"""The longest message that J1939 carries; a CAN FD frame has 64 bytes."""
MAX_MULTIPLEXER_VALUES = 4096
"""Values of a multiplexer for which one signal is there: sixteen times what a multiplexer of one byte has."""

_WITH_SIGNALS = "left out with its signals"
_UNASSIGNED = "VECTOR__INDEPENDENT_SIG_MSG"
"""The name under which editors keep the signals that are in no message."""
_FRAME_FORMATS = ("StandardCAN", "ExtendedCAN", "reserved", "J1939PG")


class DbcFile:
    """The messages of a DBC text in the file's order, and all that is wrong with the text."""

    def __init__(self, text: str) -> None:
        self.messages: list[MessageText] = []
        self.flaws: list[Flaw] = []
        self.has_statements = False
        self.protocol = ""
        """The attribute ProtocolType, such as "J1939"."""
        self._present: MessageText | None = None
        self._is_passed_over = False
        self._by_id: dict[int, list[MessageText]] = {}
        self._frame_formats: tuple[str, ...] = _FRAME_FORMATS
        self._default_format = ""
        self._attributes: set[str] = set()
        self._later: list[tuple[Statement, Callable[[Statement], Iterator[Flaw]]]] = []
        readers: dict[str, Callable[[Statement], Iterator[Flaw]]] = {
            "": self._outside,
            "BO_": self._message,
            "SG_": self._signal,
            "BA_DEF_": self._definition,
            "BA_DEF_DEF_": self._default,
        }
        # What refers to messages and attributes may stand before them.
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
                self._later.append((statement, later[statement.kind]))
        for statement, read in self._later:
            self.flaws += read(statement)
        for message in self.messages:
            message.frame_format = message.frame_format or self._default_format
        self.flaws.sort()

    def _message(self, statement: Statement) -> Iterator[Flaw]:
        self._present, self._is_passed_over = None, True
        found = MESSAGE.match(statement.text)
        if found is None:
            yield Flaw(statement.line, f"not a message: {excerpt(statement.text)}", _WITH_SIGNALS)
            return
        name, length = found["name"], as_whole(found["length"])
        if name == _UNASSIGNED:
            return
        number = message_number(found["id"])
        can_id, flaw = identifier(number)
        if can_id is None or length > MAX_MESSAGE_BYTES:
            flaw = flaw or f"{length} bytes are more than a message can have"
            yield Flaw(statement.line, f"the message {name}: {flaw}", _WITH_SIGNALS)
            return
        if flaw:
            yield Flaw(statement.line, f"the message {name}: {flaw}", "read as an extended one")
        if not found["rest"].strip():
            yield Flaw(statement.line, f"the message {name} names no sender", "read all the same")
        yield from self._surplus(statement, found)
        self._present = MessageText(statement.line, can_id, name, length)
        self.messages.append(self._present)
        self._by_id.setdefault(number, []).append(self._present)

    def _signal(self, statement: Statement) -> Iterator[Flaw]:
        if self._present is None:
            if not self._is_passed_over:
                yield Flaw(statement.line, f"a signal outside of any message: {excerpt(statement.text)}")
            return
        found = SIGNAL.match(statement.text)
        if found is None:
            yield Flaw(statement.line, _why_no_signal(statement.text))
            return
        name = found["name"]
        if name in self._present.signals:
            yield Flaw(statement.line, f"the signal {name} stands twice in its message {self._present.name}")
            return
        message = self._present
        yield from self._surplus(statement, found)
        if found["marker"] == "m":
            yield Flaw(
                statement.line, f"the signal {name} is multiplexed by no value", "read as a multiplexer"
            )
        message.signals[name] = SignalText(
            line=statement.line,
            name=name,
            marker="M" if found["marker"] == "m" else found["marker"] or "",
            start=as_whole(found["start"]),
            length=as_whole(found["length"]),
            is_little=found["order"] == "1",
            is_signed=found["sign"] == "-",
            scale=as_number(found["scale"]),
            offset=as_number(found["offset"]),
            unit=found["unit"] or "",
        )

    def _value_type(self, statement: Statement) -> Iterator[Flaw]:
        found = VALUE_TYPE.match(statement.text)
        signals = self._signals(found) if found else []
        if found is None or not signals:
            yield _no_use(statement, found)
        for signal in signals:
            signal.is_float = found is not None and found["type"] in ("1", "2")

    def _multiplexed(self, statement: Statement) -> Iterator[Flaw]:
        found = MULTIPLEXED.match(statement.text)
        signals = self._signals(found) if found else []
        if found is None or not signals:
            yield _no_use(statement, found)
            return
        bounds = [(as_whole(low), as_whole(high)) for low, high in RANGE.findall(found["ranges"])]
        if sum(max(0, high - low + 1) for low, high in bounds) > MAX_MULTIPLEXER_VALUES:
            yield Flaw(
                statement.line, f"{found['name']} is there for more than {MAX_MULTIPLEXER_VALUES} values"
            )
            bounds = []
        values = [value for low, high in bounds for value in range(low, high + 1)]
        for signal in signals:
            signal.by, signal.values = found["by"], values

    def _named_values(self, statement: Statement) -> Iterator[Flaw]:
        if VALUES_OF_A_VARIABLE.match(statement.text):
            return
        found = VALUES.match(statement.text)
        signals = self._signals(found) if found else []
        if found is None or not signals:
            yield _no_use(statement, found)
        for signal in signals:
            if found is not None and signal.marker.endswith("M"):
                pairs = PAIR.findall(found["pairs"])[:MAX_MULTIPLEXER_VALUES]
                signal.named_values = [as_whole(value) for value in pairs]

    def _definition(self, statement: Statement) -> Iterator[Flaw]:
        found = DEFINITION.match(statement.text)
        if found is None:
            yield _no_use(statement, found)
            return
        self._attributes.add(found["attribute"])
        choices = re.findall(r'"([^"]*)"', found["rest"])
        if found["attribute"] == "VFrameFormat" and choices:
            self._frame_formats = tuple(choices)

    def _default(self, statement: Statement) -> Iterator[Flaw]:
        found = DEFAULT.match(statement.text)
        if found is None:
            yield _no_use(statement, found)
            return
        self._attributes.add(found["attribute"])
        if found["attribute"] == "VFrameFormat" and self._frame_format(found) == "J1939PG":
            self._default_format = (
                "J1939PG"  # the other defaults come with an editor's template and say nothing
            )
        elif found["attribute"] == "ProtocolType" and not self.protocol:
            self.protocol = found["string"] or ""

    def _attribute(self, statement: Statement) -> Iterator[Flaw]:
        found = ATTRIBUTE.match(statement.text)
        attribute = found["attribute"] if found else ""
        if found is not None and attribute not in self._attributes:
            yield Flaw(statement.line, f'no BA_DEF_ defines the attribute "{attribute}"')
        if found is None:
            return  # of a node, a variable or in a form that no attribute read here has
        if attribute == "ProtocolType" and found["of"] is None:
            self.protocol = found["string"] or self.protocol
        elif attribute == "VFrameFormat" and found["of"] == "BO_":
            for message in self._by_id.get(message_number(found["id"]), ()):
                message.frame_format = self._frame_format(found)
        elif attribute == "SystemMessageLongSymbol" and found["of"] == "BO_":
            for message in self._by_id.get(message_number(found["id"]), ()):
                message.long_name = found["string"] or ""
        elif attribute == "SystemSignalLongSymbol" and found["of"] == "SG_":
            for signal in self._signals(found):
                signal.long_name = found["string"] or ""

    def _frame_format(self, found: re.Match[str]) -> str:
        """A frame format by name or by number."""
        if found["string"] is not None:
            return found["string"]
        number = int(as_number(found["number"]))
        return self._frame_formats[number] if 0 <= number < len(self._frame_formats) else ""

    def _comment(self, statement: Statement) -> Iterator[Flaw]:
        if statement.text.count('"') < 2:
            yield Flaw(statement.line, "a quotation mark without its pair in a comment")

    def _outside(self, statement: Statement) -> Iterator[Flaw]:
        self._end_message(statement.text)
        yield Flaw(statement.line, f"not a DBC statement: {excerpt(statement.text)}")

    def _end_message(self, words: str) -> None:
        """Signals below a BO_ line that cannot be read are not those of the message before it."""
        if DAMAGED_MESSAGE.match(words.strip()):
            self._present, self._is_passed_over = None, True

    def _surplus(self, statement: Statement, found: re.Match[str]) -> Iterator[Flaw]:
        """What stands below a BO_ or SG_ that is complete, and is no list of nodes continued."""
        first, *others = found["rest"].split("\n")
        for number, words in enumerate(others):
            if words.strip():
                if not first.strip() or first.rstrip().endswith(",") or words.lstrip().startswith(","):
                    first = words
                    continue
                self._end_message(words)
                line = statement.line + statement.text.count("\n", 0, found.start("rest")) + number + 1
                yield Flaw(line, f"not a DBC statement: {excerpt(words)}")
                return

    def _signals(self, found: re.Match[str]) -> list[SignalText]:
        """The signals that a statement is about: of every message that has the identifier."""
        messages = self._by_id.get(message_number(found["id"]), ())
        return [message.signals[found["name"]] for message in messages if found["name"] in message.signals]


def _why_no_signal(text: str) -> str:
    factors = FACTORS.search(text)
    if factors is not None and factors[1].count(",") > 1:
        return f"decimal commas in ({excerpt(factors[1])}): write decimal points"
    return f"not a signal: {excerpt(text)}"


def _no_use(statement: Statement, found: re.Match[str] | None) -> Flaw:
    """The flaw of a statement that cannot be read, or is about a signal that the file does not have."""
    if found is None:
        return Flaw(statement.line, f"not a {statement.kind}: {excerpt(statement.text)}")
    what = f"{statement.kind} of the signal {found['name']}, which message {found['id']} does not have"
    return Flaw(statement.line, what)
