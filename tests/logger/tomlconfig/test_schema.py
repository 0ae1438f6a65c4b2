"""TOML to dataclasses: every mistake at once, each with its line, key and hint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.tomlconfig.schema import Flaw, TomlError, TomlFile, dumps, named, one_of, within

_CALENDAR = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-12-31"))
"""The dates that a file may contain."""


@dataclass(frozen=True, slots=True)
class Wheel:
    name: str
    size_mm: float = field(metadata=within(above=0, maximum=1000))
    driven: bool = True

    def flaws(self) -> Iterable[Flaw]:
        if self.name == "spare" and self.driven:
            yield Flaw(("driven",), "a spare wheel drives nothing", "set driven = false")


@dataclass(frozen=True, slots=True)
class Engine:
    rpm: int = field(default=800, metadata=within(0, 9000))
    fuel: Literal["petrol", "diesel"] = "petrol"
    maker: str = field(default="own", metadata=one_of(["own", "bought"]))


@dataclass(frozen=True, slots=True)
class Vehicle:
    number: int
    class_name: str = field(default="", metadata=named("class"))
    built: date | None = None
    seen: datetime | None = None
    baud: int | Literal["auto"] = "auto"
    papers: tuple[Path, ...] = ()
    engine: Engine = Engine()
    wheels: tuple[Wheel, ...] = field(default=(), metadata=named("wheel"))

    def flaws(self) -> Iterable[Flaw]:
        if len({wheel.size_mm for wheel in self.wheels}) > 1:
            yield Flaw(("wheel", 0, "size_mm"), "wheels of several sizes", "make them one")


def build(text: str) -> Vehicle:
    return TomlFile(text, "v.toml", Path("/garage")).build(Vehicle)


def problems(text: str) -> list[str]:
    with pytest.raises(TomlError) as caught:
        build(text)
    assert all(isinstance(problem, ConfigurationError) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_builds() -> None:
    vehicle = build(
        """
        number = 500
        class = "Stock"
        built = 2025-10-01
        seen = 2026-01-15T10:03:00+03:00
        baud = 9600
        papers = ["a.pdf", "/b.pdf"]
        engine = { rpm = 900, fuel = "diesel" }
        [[wheel]]
        name = "left"
        size_mm = 940
        """
    )
    assert vehicle == Vehicle(
        500,
        "Stock",
        date(2025, 10, 1),
        datetime(2026, 1, 15, 7, 3, tzinfo=UTC),
        9600,
        (Path("/garage/a.pdf"), Path("/b.pdf")),
        Engine(900, "diesel"),
        (Wheel("left", 940.0),),
    )
    assert isinstance(vehicle.wheels[0].size_mm, float)


def test_a_missing_key_has_its_default() -> None:
    assert build("number = 1") == Vehicle(1)


def test_a_time_without_an_offset_is_utc() -> None:
    assert build("number = 1\nseen = 2026-01-15T07:03:00").seen == datetime(2026, 1, 15, 7, 3, tzinfo=UTC)


def test_a_byte_order_mark_is_accepted() -> None:
    assert build("\ufeffnumber = 1").number == 1


def test_every_mistake_at_once_in_order_of_line() -> None:
    assert problems(
        """\
clas = "Stock"
built = "yesterday"
baud = "fast"
[engine]
rpm = 10_000
fuel = "disel"
maker = "bough"
[[wheel]]
size_mm = "940"
[[wheel]]
name = "spare"
size_mm = 0
colour = "black"
"""
    ) == [
        'v.toml:1: clas: unknown key; did you mean "class"?',
        "v.toml:1: number: missing; add number = a whole number",
        'v.toml:2: built: expected a date such as 2026-01-15, found "yesterday"; '
        "write built = a date such as 2026-01-15",
        'v.toml:3: baud: expected a whole number or "auto", found "fast"; '
        'write baud = a whole number or "auto"',
        "v.toml:5: engine.rpm: 10000 is too large; the maximum is 9000",
        'v.toml:6: engine.fuel: "disel" is not known; did you mean "diesel"?',
        'v.toml:7: engine.maker: "bough" is not known; did you mean "bought"?',
        "v.toml:8: wheel[0].name: missing; add name = text in quotes",
        'v.toml:9: wheel[0].size_mm: expected a number, found "940"; write size_mm = 940, without quotes',
        "v.toml:10: wheel[1].driven: a spare wheel drives nothing; set driven = false",
        "v.toml:12: wheel[1].size_mm: 0 is too small; write more than 0",
        "v.toml:13: wheel[1].colour: unknown key; known are driven, name, size_mm",
    ]


def test_no_complaint_about_a_replacement_value() -> None:
    wheels = '[[wheel]]\nname = "a"\nsize_mm = "940"\n[[wheel]]\nname = "b"\nsize_mm = 940\n'
    assert len(problems("number = 1\n" + wheels)) == 1


def test_the_error_itself_is_one_line_that_counts_the_rest() -> None:
    with pytest.raises(TomlError) as caught:
        build('number = "5"\nclas = 1\nenginee = 2')
    assert str(caught.value) == (
        'v.toml:1: number: expected a whole number, found "5"; write number = 5, without quotes'
        " (and 2 more: `stagelog check` lists them)"
    )
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("number = true", "number: expected a whole number, found true; write number = a whole number"),
        ("number = 5.0", "number: expected a whole number, found 5.0; write number = a whole number"),
        ("number = []", "number: expected a whole number, found a list; write number = a whole number"),
        ("number = 1\nclass = 7", 'class: expected text in quotes, found 7; write class = "7"'),
        ("number = 1\nbuilt = 2026-01-15T00:00:00", "built: expected a date"),
        ("number = 1\nseen = 2026-01-15", "seen: expected a date and time"),
        ("number = 1\nseen = 07:03:00", "seen: expected a date and time"),
        ('number = 1\npapers = "a.pdf"', "papers: expected a list, found"),
        ("number = 1\npapers = ['']", 'papers[0]: expected a path in quotes, found ""'),
        ("number = 1\nengine = 3", "engine: expected a table, found 3; write one [engine] table"),
        ("number = 1\n[[engine]]", "engine: expected a table, found a list; write one [engine] table"),
        (
            "number = 1\n[wheel]",
            "wheel: expected tables, found a table; write each as a [[wheel]] table, in double brackets",
        ),
        ("number = 1\nwheel = [3]", "wheel[0]: expected a table, found 3"),
        ("number = 1\n[engine]\nrpm = -1", "engine.rpm: -1 is too small; the minimum is 0"),
        (f'number = 1\n[engine]\nrpm = "{"9" * 99}x"', f'found "{"9" * 39}...; write rpm'),
    ],
)
def test_a_value_that_does_not_fit(text: str, expected: str) -> None:
    [problem] = problems(text)
    assert problem.startswith(f"v.toml:{text.count(chr(10)) + 1}: ")
    assert expected in problem


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1" + "0" * 400, "false"])
def test_infinity_and_nan_are_refused(number: str) -> None:
    [problem] = problems(f'number = 1\n[[wheel]]\nname = "a"\nsize_mm = {number}')
    assert "wheel[0].size_mm: expected a number, found" in problem


@pytest.mark.parametrize("size_mm", ["0.001", "1000"])
def test_the_limits_themselves_are_within(size_mm: str) -> None:
    assert build(f'number = 1\n[[wheel]]\nname = "a"\nsize_mm = {size_mm}').wheels[0].size_mm == float(
        size_mm
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("number = ", "v.toml:1"),
        ("a = 1\nb = [1, 2\nc = 3", "v.toml:3:1"),
        ("a = 1\na = 2", "v.toml:2"),
        ("[a]\n[a]", "v.toml:2:3"),
        ("a = 2026-13-40", "v.toml:1:9"),
        ('a = """\n\n', "v.toml:3"),
        ("a = \x00", "v.toml:1:5"),
    ],
)
def test_invalid_toml_names_the_position(text: str, where: str) -> None:
    [problem] = problems(text)
    assert problem.startswith(f"{where}: not TOML: ")
    assert "\n" not in problem


@given(st.text(max_size=200))
def test_any_text_builds_or_raises_toml_error(text: str) -> None:
    try:
        build(text)
    except TomlError as error:
        assert error.problems
        assert all(problem.where and problem.what and problem.hint for problem in error.problems)


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_wheels = st.builds(Wheel, _texts, st.just(940.5), st.just(False))
_vehicles = st.builds(
    Vehicle,
    st.integers(-(2**63), 2**63 - 1),
    _texts,
    st.none() | st.dates(*(end.date() for end in _CALENDAR)),
    st.none() | st.datetimes(*_CALENDAR, timezones=st.just(UTC)),
    st.just("auto") | st.integers(0, 10**7),
    st.lists(
        _texts.filter(lambda text: text.strip("/.") and "\0" not in text).map(lambda t: Path("/p") / t)
    ).map(tuple),
    st.builds(Engine, st.integers(0, 9000), st.sampled_from(["petrol", "diesel"])),
    st.lists(_wheels, max_size=3).map(tuple),
)


@given(_vehicles)
def test_written_text_builds_the_same_value(vehicle: Vehicle) -> None:
    assert build(dumps(vehicle)) == vehicle


def test_written_text_is_plain() -> None:
    vehicle = Vehicle(5, built=date(2026, 1, 15), wheels=(Wheel('a "b"', 9.5), Wheel("c\x7f", 1.0, False)))
    assert dumps(vehicle) == (
        'number = 5\nclass = ""\nbuilt = 2026-01-15\nbaud = "auto"\npapers = []\n\n'
        '[engine]\nrpm = 800\nfuel = "petrol"\nmaker = "own"\n\n'
        '[[wheel]]\nname = "a \\"b\\""\nsize_mm = 9.5\ndriven = true\n\n'
        '[[wheel]]\nname = "c\\u007f"\nsize_mm = 1.0\ndriven = false\n'
    )
