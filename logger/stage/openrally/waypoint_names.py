"""Parse the kind of a waypoint from its name, in plain GPX from Tulip, RallyBlitz and Rally Navigator.

Without OpenRally elements a route file has the kinds in the texts of its points. Tulip and RallyBlitz put everything
into the name, between colons:

    KIND[NUMBER][:CLEAR][:KM]      WPM3:90:5.00   DSS:90   DSZ:50 (and "SZ50" in the description)

Others write the kind at the front of the name, of the description, the comment, the symbol or the type, also behind
a number, a kilometre or a label: "CP1", "DZ 50 km/h", "ASS - finish", "012 WPM", "km 4.20 CP", "SS1 DSS", "Kind: WPS".
In a name it may be anywhere in capitals, if it is the only one. Kinds may also be spelled out (`waypoint_words.py`).

The result is the equivalent OpenRally elements, so that later steps handle both alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from logger.stage.openrally import waypoint_words
from logger.stage.openrally.xml import Element, Point

KINDS: Mapping[str, str] = {
    **{kind: kind.lower() for kind in ("WPV", "WPE", "WPM", "WPS", "WPC", "WPN", "WPP", "DSS")},
    **dict.fromkeys(["ASS", "FSS"], "ass"),  # Tulip: finish of the selective section
    **dict.fromkeys(["CP", "PC"], "cp"),
    **dict.fromkeys(["TC", "CH"], "tc"),  # French: contrôle horaire
    **dict.fromkeys(["DZ", "DSZ", "SSZ", "BSZ"], "dz"),
    **dict.fromkeys(["FZ", "FSZ", "ESZ", "EZ"], "fz"),
    **dict.fromkeys(["DN", "DNS", "SN"], "dn"),
    "FN": "fn",
    **dict.fromkeys(["DT", "DTS"], "dt"),
    "FT": "ft",
}
"""The short forms in use, and the OpenRally element for each. "SS" alone means a stage or a start: neither."""

UNCLEAR = frozenset({"FT", "CH", "PC", "EZ", "DT", "SN", "TC"})
"""Short forms that are also words or units ("300 ft", "CH" for Switzerland): valid only at the front of a name."""

_FRONT = re.compile(r"([A-Za-z]{2,3})(?:[)\]]?[ _.#/-]?(\d+(?:\.\d+)?))?(?![A-Za-z0-9])")
_INSIDE = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,3})(?:[ _.#/-]?(\d+))?(?![A-Za-z0-9])")
_LEAD = re.compile(
    r"(?:#?\d+(?:[.,]\d+)?(?:\s*km(?![a-z]))?|km\s*\d+(?:[.,]\d+)?|(?:SS|ES)\s?\d+|[A-Za-z ]{1,20}[:=])?"
    r"[\s.:_#()\[\]–-]*",
    re.IGNORECASE,
)
"""Text allowed before a kind: a number, a kilometre, a stage, or a label."""
_SPEED = re.compile(r"(?<!\d)(\d{1,3})\s*(?:km/?h|kmph|kph|(mph))\b", re.IGNORECASE)
_ZONE_SPEED = re.compile(
    r"\b(?:(?:SZ|DSZ)[ _/-]?|(?:DZ|V)[ _/=@<≤(\[-]{0,3}(?=[2-9]\d|1\d\d)|DZ[ _-]?\d{1,2}[ _/-]+(?=[2-9]\d|1\d\d)|"
    r"ZON[EA]\b[^\d|]{0,30}(?=[2-9]\d|1\d\d)|"
    r"(?:SPEED|V?MAX|MAXIMUM|MAXIMA|L[IÍ]MIT[EÉ]?E?|VITESSE|VELOCIDAD)\s*[:=àa]?\s*)(\d{1,3})(?![\d:.,]|\s*k?m\b)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{1,200}>")
"""Of HTML, which some programs write into descriptions."""
LOWEST_LIMIT: Final = 20
"""km/h: a lower number is that of a zone, a note or a version."""
_NUMBER_ALONE = re.compile(r"\d{1,3}")
_PAUSE = re.compile(r"(?<!\d)(\d{1,3})\s*(?:min|mn|')", re.IGNORECASE)


def elements(point: Point) -> list[Element]:
    """Return the OpenRally elements equivalent to a point's texts: none for a point without a kind."""
    point = point._replace(labels=[_TAG.sub(" ", label).strip() for label in point.labels])
    name = point.names[0] if point.names else ""
    if match := _in_name(name):
        return list(_elements(point, KINDS[match[1].upper()], name, match))
    for label in point.labels:
        if match := _in_label(label):
            return list(_elements(point, KINDS[match[1].upper()], label, match))
    for text in (name, *point.labels):
        if kind := waypoint_words.kind(text):
            value = _speed(point, "") if kind == "dz" else _pause_s(point) if kind in ("dn", "dt") else ""
            return [Element(kind, point.line, value, {"name": "" if text == name else name})]
    return []


def _in_name(name: str) -> re.Match[str] | None:
    """Match the kind in a name: at its front, or the only unambiguous one in capitals."""
    for start in (0, _lead(name)):
        match = _FRONT.match(name, start)
        if match and match[1].upper() in KINDS:
            return match
    inside = [match for match in _INSIDE.finditer(name) if _is_clear(match[1])]
    return inside[0] if len({KINDS[match[1]] for match in inside}) == 1 else None


def _in_label(label: str) -> re.Match[str] | None:
    """Match the kind at the front of another text: unambiguous and in capitals, or the whole text."""
    for start in (0, _lead(label)):
        match = _FRONT.match(label, start)
        if match is None or not _is_clear(match[1].upper()):
            continue
        if match[1].isupper() or not label[match.end() :].strip():
            return match
    return None


def _lead(text: str) -> int:
    lead = _LEAD.match(text)
    return lead.end() if lead else 0


def _is_clear(word: str) -> bool:
    return word in KINDS and word not in UNCLEAR


def _elements(point: Point, kind: str, text: str, match: re.Match[str]) -> Iterator[Element]:
    number, rest = match[2] or "", text[match.end() :]
    attributes: dict[str, str] = {}
    fields = _colon_fields(rest)
    if fields and "." in fields[-1]:
        yield Element("distance", point.line, fields.pop(), {})
    speed = _speed(point, number) if kind == "dz" else ""
    # Tulip writes one number for a zone; if the description repeats it as the speed, it is not a radius.
    if fields and not (kind == "dz" and fields[-1] == speed):
        attributes["clear"] = fields[-1]
        if len(fields) > 1:
            attributes["open"] = fields[-2]
    attributes["name"] = (
        "" if rest.startswith(":") and not number else _label(point, kind, text, number, rest)
    )
    value = speed if kind == "dz" else _pause_s(point) if kind in ("dn", "dt") else ""
    yield Element(kind, point.line, value, attributes)


def _colon_fields(rest: str) -> list[str]:
    """Return the numbers after a kind, as in ":90:5.00"; none if other text follows."""
    if not re.fullmatch(r"(?::\d+(?:\.\d+)?){1,3}", rest.strip()):
        return []
    return rest.strip()[1:].split(":")


def _speed(point: Point, number: str) -> str:
    """Return the limit of a zone in the file's units of speed; "" if no text states one."""
    texts = [*point.names[:1], *point.labels]
    for pattern in (_SPEED, _ZONE_SPEED):
        for text in texts:
            if match := pattern.search(text):
                return " ".join(filter(None, match.groups()))
    alone = (text.strip() for text in point.labels if _NUMBER_ALONE.fullmatch(text.strip()))
    return next((text for text in (number, *alone) if text and float(text) >= LOWEST_LIMIT), "")


def _pause_s(point: Point) -> str:
    """Return the duration of a neutralisation or transfer in seconds, if a text states minutes; else ""."""
    for text in (*point.names[:1], *point.labels):
        if match := _PAUSE.search(text):
            return str(60 * int(match[1]))
    return ""


def _label(point: Point, kind: str, text: str, number: str, rest: str) -> str:
    """Return the waypoint's name: its number, else the text after its kind, else the point's name."""
    if number and kind != "dz":
        return number
    words = rest.strip(" -–:,;()[]#")
    if words and kind not in ("dz", "dn", "dt"):
        return words
    name = point.names[0] if point.names else ""
    return name if name != text else ""
