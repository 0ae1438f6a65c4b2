"""Collect figures from tests and print them at the end of the run, for the table "How it fails".

A test takes the fixture `figures` and records how many faults it tried, a measurement, or a sentence. Figures with the
same text are merged over all tests: counts are summed, measurements are shown as maximum and median.
Figures travel with the test reports, so a run on several processes prints the same. Failed tests do not contribute.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

_PROPERTY = "figure"
_ROW = re.compile(r"field_failures/test_f(\d\d)_")
Figure = tuple[str, str, float, str]
"""Kind (tried, measured or note), text, value, unit."""


class Figures:
    """The figures of one test. A repeated text adds to the same figure."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def tried(self, what: str, count: int = 1) -> None:
        """Add `count` faults of a kind: "kills", "damaged streams"."""
        self._add("tried", what, count)

    def measured(self, what: str, value: float, unit: str) -> None:
        """Add a measurement, of which the maximum matters: "loss per kill", 0.3, "s"."""
        self._add("measured", what, value, unit)

    def note(self, line: str) -> None:
        """Add a sentence that is printed as it is."""
        self._add("note", line, 0)

    def _add(self, kind: str, what: str, value: float, unit: str = "") -> None:
        self._properties.append((_PROPERTY, [kind, what, value, unit]))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Collects the figures of this test."""
    return Figures(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures per row of the table "How it fails", then those of other tests."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for report in terminalreporter.getreports("passed"):
        row_number = _ROW.search(report.nodeid)
        if report.when == "call" and (row_number or _figures([report])):
            rows[f"F{int(row_number[1])}" if row_number else "other"].append(report)
    if not rows:
        return
    terminalreporter.section("figures")
    for row in sorted(rows, key=lambda name: (len(name), name)):
        terminalreporter.write_line(f"{row:5}{len(rows[row])} tests passed")
        for line in _lines(_figures(rows[row])):
            terminalreporter.write_line(f"     {line}")


def _figures(reports: list[Any]) -> list[Figure]:
    return [tuple(value) for report in reports for name, value in report.user_properties if name == _PROPERTY]


def _lines(figures: list[Figure]) -> Iterator[str]:
    """One line per text, in the order in which the texts first occur."""
    merged: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for kind, what, value, unit in figures:
        merged[kind, what, unit].append(value)
    for (kind, what, unit), values in merged.items():
        match kind:
            case "tried":
                yield f"{sum(values):,.0f} {what}"
            case "measured":
                median = f", median {_short(statistics.median(values))} of {len(values)}"
                yield f"{what}: max {_short(max(values))} {unit}{median if len(values) > 1 else ''}"
            case _:
                yield what


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"
