"""Load the input files of the standings: results of stages without a log, and the stewards' penalties.

    [[result]]                            [[penalty]]
    car = 501                             car = 503
    name = "Baciuska"                     stage = 11
    class = "Stock"                       seconds = 1800
    stage = "1-10"                        reason = "differential changed"
    time = "38:12:05"                     document = "..."
    finished = true                       status = "imposed" or "provisional"

    [[maximum]]   stage = "11"   seconds = 36000      the maximum time of a stage, if known

Results may also be CSV, with the same names in the first line. `stage` is a number or any other label.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from firmware_bridge.errors import ConfigurationError
from logger.config.input_files import read_text
from logger.tomlconfig.schema import Flaw, TomlFile, named, within

_TIME = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)
COLUMNS = ("car", "name", "class", "stage", "time", "finished")
NEEDED = ("car", "stage", "time")


@dataclass(frozen=True, slots=True)
class Result:
    """A car's result in a stage, or in several under one label. `time` is h:mm:ss without penalties, "" if none."""

    car: int = field(metadata=within(0, 99_999))
    stage: str | int
    time: str = ""
    name: str = ""
    class_name: str = field(default="", metadata=named("class"))
    finished: bool = True
    computed_penalty_s: float = 0.0

    @property
    def label(self) -> str:
        """The stage as text."""
        return str(self.stage)

    @property
    def seconds(self) -> int | None:
        """The time in whole seconds."""
        parts = _TIME.fullmatch(self.time)
        return None if parts is None else int(parts[1]) * 3600 + int(parts[2]) * 60 + int(parts[3])

    def flaws(self) -> list[Flaw]:
        if self.time and self.seconds is None:
            return [Flaw(("time",), f'"{self.time[:40]}" is not a time', 'write "3:27:36"')]
        if not self.time and self.finished:
            return [Flaw(("time",), "missing", "write the time, or finished = false")]
        return []


@dataclass(frozen=True, slots=True)
class Decision:
    """A penalty for a car in a stage."""

    car: int = field(metadata=within(0, 99_999))
    stage: str | int
    seconds: float = field(metadata=within(0, 8_640_000))
    reason: str = ""
    document: str = ""
    status: Literal["imposed", "provisional"] = "imposed"


@dataclass(frozen=True, slots=True)
class Maximum:
    """The maximum time of a stage."""

    stage: str | int
    seconds: float = field(metadata=within(above=0, maximum=8_640_000))


@dataclass(frozen=True, slots=True)
class Decisions:
    """A penalties file."""

    penalties: tuple[Decision, ...] = field(default=(), metadata=named("penalty"))
    maxima: tuple[Maximum, ...] = field(default=(), metadata=named("maximum"))


@dataclass(frozen=True, slots=True)
class Results:
    """A results file."""

    results: tuple[Result, ...] = field(default=(), metadata=named("result"))


def load_decisions(path: Path) -> Decisions:
    """Load a penalties file. Raises ConfigurationError with line and key."""
    return TomlFile(read_text(path), str(path)).build(Decisions)


def load(results: Iterable[Path], penalties: Path | None) -> tuple[list[Result], Decisions]:
    """Load the results of several files, and the decisions of one if there is one. Raises ConfigurationError."""
    rows = [row for path in results for row in load_results(path)]
    return rows, Decisions() if penalties is None else load_decisions(penalties)


def load_results(path: Path) -> tuple[Result, ...]:
    """Load a results file: CSV if its suffix is .csv, else TOML. Raises ConfigurationError with the line."""
    text = read_text(path)
    if path.suffix.lower() == ".csv":
        return tuple(_csv_rows(text, str(path)))
    return TomlFile(text, str(path)).build(Results).results


def _csv_rows(text: str, name: str) -> list[Result]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = [column for column in NEEDED if column not in (reader.fieldnames or ())]
    if missing:
        hint = f"begin with a line {','.join(COLUMNS)}"
        if any(";" in column for column in reader.fieldnames or ()):
            hint = f"separate the columns with commas, and {hint}"
        raise ConfigurationError(f"no column {', '.join(missing)}", where=f"{name}:1", hint=hint)
    rows = []
    for raw in reader:
        where = f"{name}:{reader.line_num}"
        car = (raw["car"] or "").strip()
        if not car.isascii() or not car.isdigit():
            raise ConfigurationError(f'"{car[:40]}" is not a car number', where=where, hint="write digits")
        finished = (raw.get("finished") or "true").strip().lower() not in ("false", "no", "0")
        cells = {key: (raw.get(key) or "").strip() for key in COLUMNS}
        row = Result(int(car), cells["stage"], cells["time"], cells["name"], cells["class"], finished)
        for flaw in row.flaws():
            raise ConfigurationError(f"time: {flaw.what}", where=where, hint=flaw.hint)
        rows.append(row)
    return rows
