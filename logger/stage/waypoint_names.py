"""Read the kind of a waypoint from its name: plain GPX as Tulip, RallyBlitz and Rally Navigator write it.

Without OpenRally's elements a route file carries its kinds in the texts of its points. Tulip and RallyBlitz put all
of it into the name, between colons:

    KIND[NUMBER][:CLEAR][:KM]      WPM3:90:5.00   DSS:90   DSZ:50 (and "SZ50" in the description)

Others write the kind at the front of the name, of the description, the comment, the symbol or the type: "CP1",
"DZ 50 km/h", "ASS - finish". What is found becomes the OpenRally elements that say the same, so that everything
behind this module treats both alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from logger.stage.openrally_xml import Element, Point

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

_FRONT = re.compile(r"([A-Za-z]{2,3})(?:[ _.#-]?(\d+(?:\.\d+)?))?(?![A-Za-z0-9])")
_SPEED = re.compile(r"(?<!\d)(\d{1,3})\s*(?:km/?h|kmph|kph)\b", re.IGNORECASE)
_ZONE_SPEED = re.compile(
    r"\b(?:(?:SZ|DZ|DSZ)\s*|(?:SPEED|VMAX|MAX|LIMIT)\s*[:=]?\s*)(\d{1,3})(?![\d:])", re.IGNORECASE
)
_NUMBER_ALONE = re.compile(r"\d{1,3}")
_PAUSE = re.compile(r"(?<!\d)(\d{1,3})\s*(?:min|mn|')", re.IGNORECASE)


def elements(point: Point) -> list[Element]:
    """The OpenRally elements that a point's texts amount to: none for a point without a kind."""
    name = point.names[0] if point.names else ""
    for text, is_name in ((name, True), *((label, False) for label in point.labels)):
        found = _FRONT.match(text)
        if found is None or not _is_kind(found[1], is_name=is_name):
            continue
        return list(_elements(point, KINDS[found[1].upper()], text, found))
    return []


def _is_kind(word: str, *, is_name: bool) -> bool:
    """Whether a word at the front of a text is a kind. Outside a name only capitals that cannot be anything else."""
    if word.upper() not in KINDS:
        return False
    return is_name or (word.isupper() and word not in UNCLEAR)


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
                return found[1]
    if number:
        return number
    return next((text.strip() for text in point.labels if _NUMBER_ALONE.fullmatch(text.strip())), "")


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
    words = rest.strip(" -–:,;()#")
    if words and kind not in ("dz", "dn", "dt"):
        return words
    name = point.names[0] if point.names else ""
    return name if name != text else ""
