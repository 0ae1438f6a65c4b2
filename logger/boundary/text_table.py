"""Lay out a table in columns of a terminal: text is shortened in its middle, numbers never.

Rule 1: without a width, as into a pipe, every cell is whole.
Rule 2: a table that is too wide loses characters of its widest texts, down to `MIN_TEXT_CELLS` each.
Rule 3: columns that would not fit even so continue on an indented line below each row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

GAP: Final = "  "
"""Between two columns, and before a continued row."""
MIN_TEXT_CELLS: Final = 12
"""A shorter text is not shortened: five characters at each end tell a file from its neighbours."""
_CUT: Final = "…"
_FIGURE = re.compile(r"[-+±\d.,:/ %TZ]*(?:[dhms]|[kMG]?B|k?m|km/h)?")
"""Cells that are not shortened: numbers, times, with their units."""


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The lines of a table: its head, then its rows. `width` is that of the terminal in cells, None for no limit."""
    table = [list(columns), *map(list, rows)]
    widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
    if width is None:
        return [_line(row, widths) for row in table]
    minimum = _minimum(columns, rows, widths)
    groups = _groups(minimum, width)
    for number, group in enumerate(groups):
        _shrink(widths, minimum, group, width - len(GAP) * bool(number))
    return [line for row in table for line in _row_lines(row, widths, groups)]


def _row_lines(row: Sequence[str], widths: Sequence[int], groups: Sequence[range]) -> Iterable[str]:
    for number, group in enumerate(groups):
        shown = [shortened(row[at], widths[at]) for at in group]
        line = _line(shown, [widths[at] for at in group])
        if number == 0 or line:
            yield (GAP if number else "") + line


def _minimum(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[int]:
    """The width below which each column is not shortened: that of a column of numbers is all it needs."""
    return [
        each
        if all(_FIGURE.fullmatch(row[at]) for row in rows)
        else min(each, max(MIN_TEXT_CELLS, cells(columns[at])))
        for at, each in enumerate(widths)
    ]


def _shrink(widths: list[int], minimum: Sequence[int], group: range, width: int) -> None:
    """Take characters of the widest texts of a group of columns until it fits."""
    excess = sum(widths[at] for at in group) + len(GAP) * (len(group) - 1) - width
    while excess > 0 and (able := [at for at in group if widths[at] > minimum[at]]):
        widths[max(able, key=lambda at: widths[at])] -= 1
        excess -= 1


def _groups(widths: Sequence[int], width: int) -> list[range]:
    """The columns of each line of a row, as many as fit; at least one."""
    groups, begin, used = [], 0, 0
    for at, each in enumerate(widths):
        if at > begin and used + len(GAP) + each > width:
            groups.append(range(begin, at))
            begin, used = at, len(GAP)
        used += each + (len(GAP) if at > begin else 0)
    return [*groups, range(begin, len(widths))]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(
        cell + " " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)
    ).rstrip()


def shortened(text: str, width: int) -> str:
    """A text of at most `width` cells, with an ellipsis in place of its middle."""
    if cells(text) <= width:
        return text
    head, tail = list(text[: len(text) // 2]), list(text[len(text) // 2 :])
    while head or tail:
        if cells("".join(head)) > cells("".join(tail)):
            head.pop()
        else:
            tail.pop(0)
        if cells("".join((*head, _CUT, *tail))) <= width:
            break
    return "".join((*head, _CUT, *tail))


def beginning(text: str, width: int) -> str:
    """The beginning of a text that fits into `width` cells."""
    if cells(text) <= width:
        return text
    text = text[: max(0, width)]  # no character but a combining mark takes less than one
    while cells(text) > width:
        text = text[:-1]
    return text.rstrip()


def cells(text: str) -> int:
    """The width of a text on a terminal: Chinese characters take two cells, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
