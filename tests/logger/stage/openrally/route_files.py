"""Hand-written OpenRally files, so that the reader is tested independently of the writer."""

from __future__ import annotations

from io import BytesIO

from logger.stage.openrally.read import Imported, read

V103 = "http://www.openrally.org/xmlschemas/GpxExtensions/v1.0.3"
LAT = 24.5
KM_PER_DEGREE = 101.4
"""East along latitude 24.5, near enough to place points that lie apart as their distances say."""


def wpt(
    km: float | str | None, *elements: str, form: str = "wpt", name: str = "", at: float | None = None
) -> str:
    """One point on one line: its distance as written, other elements as "dss", "wpm open='800'", "dz=65"."""
    place = at if at is not None else float(km or 0)
    lines = [f"<{form} lat='{LAT}' lon='{41 + place / KM_PER_DEGREE:.9f}'>"]
    if name:
        lines.append(f"<name>{name}</name>")
    lines.append("<extensions>")
    if km is not None:
        lines.append(f"<o:distance>{km}</o:distance>")
    for element in elements:
        tag, _, text = (element, "", "") if "'" in element else element.partition("=")
        lines.append(f"<o:{tag}>{text}</o:{tag}>" if text else f"<o:{tag}/>")
    return "".join([*lines, "</extensions>", f"</{form}>", "\n"])


def gpx(
    *points: str, units: str | None = "metric", namespace: str = V103, total: str = "", title: str = ""
) -> bytes:
    facts = f"<o:units>{units}</o:units>" if units else ""
    facts += f"<o:distance>{total}</o:distance>" if total else ""
    name = f"<name>{title}</name>" if title else ""
    metadata = f"<metadata>{name}<extensions>{facts}</extensions></metadata>"
    head = f'<gpx xmlns="http://www.topografix.com/GPX/1/1" xmlns:o="{namespace}" version="1.1">\n'
    return (head + metadata + "\n" + "".join(points) + "</gpx>\n").encode()


def imported(*points: str, **facts: str | None) -> Imported:
    return read(BytesIO(gpx(*points, **facts)), "route.gpx")  # type: ignore[arg-type]


def warned(result: Imported) -> list[str]:
    return [remark.what for remark in result.warnings]
