"""Self-contained HTML page with tables and an interactive drawing.

Style, script and data are inline, and the content security policy forbids loading anything. All text is escaped: a log
is untrusted input. Knows nothing of reviews.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
STYLES = ("lanes.css", "cars.css", "judgement.css", "print.css")
"""The styles of a page with a drawing, besides style.css."""
SCRIPTS = (
    "document.js",
    "columns.js",
    "canvas.js",
    "view.js",
    "texts.js",
    "axes.js",
    "lane_list.js",
    "bands.js",
    "cursors.js",
    "cars.js",
    "lanes.js",
    "heads.js",
    "channel_list.js",
    "gestures.js",
    "keys.js",
    "link.js",
    "samples.js",
    "scale.js",
    "ground.js",
    "marks.js",
    "map.js",
    "moves.js",
    "values.js",
    "readout.js",
    "bar.js",
    "rows.js",
    "zoom_plot.js",
    "judgement.js",
    "distributions.js",
    "histogram.js",
    "scatter.js",
    "shares.js",
    "start.js",
)
"""The page's script, in order; `page/view.js` explains how its files work together."""
LONG_ROWS = 20
"""A table with more rows may be split between the page's two columns."""


class Row(NamedTuple):
    """A table row. `span` is the stretch of road, in km of the day, to which a click zooms."""

    cells: Sequence[str]
    span: tuple[float, float] | None = None
    kind: str = ""


def document(
    title: str,
    head: str,
    remarks: str,
    drawing: dict[str, Any],
    legend: Iterable[tuple[str, str]],
    tables: Iterable[str],
    *,
    first: Iterable[str] = (),
    printed: str = "",
    lines: Iterable[tuple[str, str, str]] = (),
) -> str:
    """Render a page around a drawing.

    The texts of `first`, each a column, are before the panels of the script, `tables` after them. `printed` is what is
    printed in the page's place, if it is not empty. `legend` are colours and their meaning, `lines` those of lines,
    with their class.
    """
    parts = (_source(name) for name in SCRIPTS)
    script = "\n".join(['"use strict";', "(() => {", *parts, "})();"])
    data = json.dumps(drawing, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    keys = "".join(
        f'<span><i class="{kind}" style="border-color:var(--{colour})"></i>{escape(text)}</span>'
        for colour, text, kind in lines
    )
    keys += "".join(
        f'<span><i style="background:var(--{colour})"></i>{escape(text)}</span>' for colour, text in legend
    )
    columns = "".join(f"<div>{column}</div>" for column in first)
    main = (
        f'<header>{head}</header>{remarks}<div class="bar" id="bar"><output id="readout"></output></div>'
        '<div class="plot"><div><canvas id="lanes"></canvas></div><div><canvas id="map"></canvas></div></div>'
        f'<p class="legend">{keys}</p><div class="tables side">{columns}</div>'
        f'<div id="panels"></div><div class="tables">{"".join(tables)}</div>'
    )
    scripts = f'<script type="application/json" id="drawing">{data}</script><script>{script}</script>'
    return shell(title, main, "".join(_source(name) for name in STYLES), scripts, printed)


def shell(title: str, main: str, more_style: str = "", scripts: str = "", printed: str = "") -> str:
    """Render a page from the markup of its body, in the style of the review."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_source('style.css')}{more_style}</style></head>"
        f"<body>{printed}<main>{main}</main>{scripts}</body></html>\n"
    )


def _source(name: str) -> str:
    """A file of the page's style or script."""
    return files("logger.review").joinpath("page", name).read_text(encoding="utf-8")


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    name: str = "",
    more: str = "",
    folded: bool = False,
    wide: bool = False,
) -> str:
    """Render a table with its title. A column whose name starts with a blank holds numbers.

    Without rows "", unless it has a `name`, by which the script finds it. `more` is a line under it; `folded`: it
    shows its title only, which opens it. A `wide` table has the width of the page, and its first column stays when it
    is scrolled sideways.
    """
    if not rows and not name:
        return ""
    numbers = [column.startswith(" ") for column in columns]

    def cell(tag: str, text: str, number: bool) -> str:
        return f"<{tag}{' class=n' if number else ''}>{escape(text)}</{tag}>"

    head = "".join(
        cell("th", column.strip(), number) for column, number in zip(columns, numbers, strict=True)
    )
    body = "".join(
        f"<tr{_span(row)}{_attribute('class', row.kind)}>"
        + "".join(cell("td", text, number) for text, number in zip(row.cells, numbers, strict=True))
        + "</tr>"
        for row in rows
    )
    kind = " class=wide" if wide else " class=long" if len(rows) > LONG_ROWS else ""
    grid = (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="more">{escape(more)}</p>'
    )
    if folded:
        grid = f"<details><summary>{escape(title)}</summary>{grid}</details>"
    else:
        grid = f"<h2>{escape(title)}</h2>{grid}"
    return f"<section{kind}{_attribute('data-table', name)}>{grid}</section>"


def _attribute(name: str, value: str) -> str:
    """An attribute of a tag; none without a value."""
    return f' {name}="{escape(value)}"' if value else ""


def _span(row: Row) -> str:
    return "" if row.span is None else f' data-from="{row.span[0]:.4f}" data-to="{row.span[1]:.4f}"'
