"""What tests have measured, gathered over all of them and told at the end of the run: the table behind "How it fails".

A test asks for the fixture `figures` and says what it tried, what that cost at worst, or a plain line. The same words
from several tests become one figure: tries are added up, of measurements the middle and the worst stand.
Figures travel with the test reports, so a run on several processes tells the same. Only tests that passed are heard.
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
"""Kind (tried, measured or said), what, value, unit."""


class Figures:
    """A test's own. `count` and `value` may be the sum over its parts, or be said again and again."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def tried(self, what: str, count: int = 1) -> None:
        """So many more of what is to be survived: "kills", "damaged streams"."""
        self._add("tried", what, count)

    def measured(self, what: str, value: float, unit: str) -> None:
        """One more measurement, of which the largest is the one that counts: "lost by a kill", 0.3, "s"."""
        self._add("measured", what, value, unit)

    def said(self, line: str) -> None:
        """What is neither: a sentence."""
        self._add("said", line, 0)

    def _add(self, kind: str, what: str, value: float, unit: str = "") -> None:
        self._properties.append((_PROPERTY, [kind, what, value, unit]))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where this test says what it measured."""
    return Figures(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A paragraph for each row of the reliability table, then what other tests said."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for report in terminalreporter.getreports("passed"):
        found = _ROW.search(report.nodeid)
        if report.when == "call" and (found or _figures([report])):
            rows[f"F{int(found[1])}" if found else "else"].append(report)
    if not rows:
        return
    terminalreporter.section("figures")
    for row in sorted(rows, key=lambda name: (len(name), name)):
        terminalreporter.write_line(f"{row:5}{len(rows[row])} tests passed")
        for line in _lines(_figures(rows[row])):
            terminalreporter.write_line(f"     {line}")


def _figures(reports: list[Any]) -> list[Figure]:
    return [tuple(told) for report in reports for name, told in report.user_properties if name == _PROPERTY]


def _lines(told: list[Figure]) -> Iterator[str]:
    """Figures of the same words together, in the order of the first."""
    same: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for kind, what, value, unit in told:
        same[kind, what, unit].append(value)
    for (kind, what, unit), values in same.items():
        match kind:
            case "tried":
                yield f"{sum(values):,.0f} {what}"
            case "measured":
                middle = f", {_short(statistics.median(values))} in the middle of {len(values)}"
                yield f"{what}: {_short(max(values))} {unit} at most{middle if len(values) > 1 else ''}"
            case _:
                yield what


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"
