"""Read the kind of a waypoint from its name: plain GPX as Tulip, RallyBlitz and Rally Navigator write it.

Without OpenRally's elements a route file carries its kinds in the texts of its points. Tulip and RallyBlitz put all
of it into the name, between colons:

    KIND[NUMBER][:CLEAR][:KM]      WPM3:90:5.00   DSS:90   DSZ:50 (and "SZ50" in the description)

Others write the kind at the front of the name, of the description, the comment, the symbol or the type, also behind
a number, a kilometre or a label: "CP1", "DZ 50 km/h", "ASS - finish", "012 WPM", "km 4.20 CP", "SS1 DSS", "Kind: WPS".
In a name it may stand anywhere in capitals, where it is the only one; and kinds are written out (`waypoint_words.py`).

What is found becomes the OpenRally elements that say the same, so that everything behind this module treats both
alike.
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
"""Short forms that are also words or units ("300 ft", "CH" for Switzerland): believed at the front of a name only."""

_FRONT = re.compile(r"([A-Za-z]{2,3})(?:[)\]]?[ _.#/-]?(\d+(?:\.\d+)?))?(?![A-Za-z0-9])")
_INSIDE = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,3})(?:[ _.#/-]?(\d+))?(?![A-Za-z0-9])")
_LEAD = re.compile(
    r"(?:#?\d+(?:[.,]\d+)?(?:\s*km(?![a-z]))?|km\s*\d+(?:[.,]\d+)?|(?:SS|ES)\s?\d+|[A-Za-z ]{1,20}[:=])?"
    r"[\s.:_#()\[\]–-]*",
    re.IGNORECASE,
)
"""What may stand before a kind: its number, its kilometre, its stage, or a label."""
_SPEED = re.compile(r"(?<!\d)(\d{1,3})\s*(?:km/?h|kmph|kph|(mph))\b", re.IGNORECASE)
_ZONE_SPEED = re.compile(
    r"\b(?:(?:SZ|DSZ)[ _/-]?|(?:DZ|V)[ _/-]?(?=[2-9]\d|1\d\d)|"
    r"(?:SPEED|V?MAX|MAXIMUM|MAXIMA|LIMIT[EÉ]?E?|VITESSE|VELOCIDAD)\s*[:=àa]?\s*)(\d{1,3})(?![\d:])",
    re.IGNORECASE,
)
LOWEST_LIMIT: Final = 20
"""km/h: a lower number counts zones, notes or versions."""
_NUMBER_ALONE = re.compile(r"\d{1,3}")
_PAUSE = re.compile(r"(?<!\d)(\d{1,3})\s*(?:min|mn|')", re.IGNORECASE)


def elements(point: Point) -> list[Element]:
    """The OpenRally elements that a point's texts amount to: none for a point without a kind."""
    name = point.names[0] if point.names else ""
    if found := _in_name(name):
        return list(_elements(point, KINDS[found[1].upper()], name, found))
    for label in point.labels:
        if found := _in_label(label):
            return list(_elements(point, KINDS[found[1].upper()], label, found))
    for text in (name, *point.labels):
        if kind := waypoint_words.kind(text):
            value = _speed(point, "") if kind == "dz" else _pause_s(point) if kind in ("dn", "dt") else ""
            return [Element(kind, point.line, value, {"name": "" if text == name else name})]
    return []


def _in_name(name: str) -> re.Match[str] | None:
    """The kind in a name: at its front, or the only one in capitals that cannot be anything else."""
    for start in (0, _lead(name)):
        found = _FRONT.match(name, start)
        if found and found[1].upper() in KINDS:
            return found
    inside = [found for found in _INSIDE.finditer(name) if _is_clear(found[1])]
    return inside[0] if len({KINDS[found[1]] for found in inside}) == 1 else None


def _in_label(label: str) -> re.Match[str] | None:
    """The kind at the front of a text beside the name: capitals that cannot be anything else, or all of the text."""
    for start in (0, _lead(label)):
        found = _FRONT.match(label, start)
        if found is None or not _is_clear(found[1].upper()):
            continue
        if found[1].isupper() or not label[found.end() :].strip():
            return found
    return None


def _lead(text: str) -> int:
    lead = _LEAD.match(text)
    return lead.end() if lead else 0


def _is_clear(word: str) -> bool:
    return word in KINDS and word not in UNCLEAR


def _elements(point: Point, kind: str, text: str, found: re.Match[str]) -> Iterator[Element]:
    number, rest = found[2] or "", text[found.end() :]
    attributes: dict[str, str] = {}
    fields = _colon_fields(rest)
    if fields and "." in fields[-1]:
        yield Element("distance", point.line, fields.pop(), {})
    speed = _speed(point, number) if kind == "dz" else ""
    # Tulip has one number for a zone: the description repeats it as the speed, so it is no radius.
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
    """The numbers behind a kind, as in ":90:5.00"; none where the text goes on in another way."""
    if not re.fullmatch(r"(?::\d+(?:\.\d+)?){1,3}", rest.strip()):
        return []
    return rest.strip()[1:].split(":")


def _speed(point: Point, number: str) -> str:
    """The limit of a zone in the file's units of speed; "" where no text states one."""
    texts = [*point.names[:1], *point.labels]
    for pattern in (_SPEED, _ZONE_SPEED):
        for text in texts:
            if found := pattern.search(text):
                return " ".join(filter(None, found.groups()))
    alone = (text.strip() for text in point.labels if _NUMBER_ALONE.fullmatch(text.strip()))
    return next((text for text in (number, *alone) if text and float(text) >= LOWEST_LIMIT), "")


def _pause_s(point: Point) -> str:
    """The length of a neutralisation or transfer in seconds, where a text states minutes."""
    for text in (*point.names[:1], *point.labels):
        if found := _PAUSE.search(text):
            return str(60 * int(found[1]))
    return ""


def _label(point: Point, kind: str, text: str, number: str, rest: str) -> str:
    """What the crew calls the waypoint: its number, else what stands behind its kind, else its own name."""
    if number and kind != "dz":
        return number
    words = rest.strip(" -–:,;()[]#")
    if words and kind not in ("dz", "dn", "dt"):
        return words
    name = point.names[0] if point.names else ""
    return name if name != text else ""
