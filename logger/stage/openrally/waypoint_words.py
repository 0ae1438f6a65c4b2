"""Parse the kind of a waypoint spelled out in English, French, Spanish and some of their neighbours.

Examples: "Début de zone 50", "Llegada especial". Only the first words count, because texts also describe the road
("dune after the end of the zone"). Either two words name the kind, or one is a begin or an end and another is the
thing that begins or ends. A zone with its limit and neither of the two is the begin of the zone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

_BEGINS = frozenset(
    {
        "start",
        "begin",
        "beginning",
        "entry",
        "enter",
        "depart",
        "debut",
        "entree",
        "inicio",
        "comienzo",
        "entrada",
    }
    | {"partida", "partenza", "inizio", "beginn", "anfang"}
)
_ENDS = frozenset(
    {"finish", "end", "exit", "fin", "arrivee", "sortie", "llegada", "final", "meta"}
    | {"chegada", "fim", "arrivo", "fine", "ende", "ziel"}
)
_LEAVES = "salida"
"""Spanish for the start of a stage, and for the exit of a zone."""
_STAGE = ("dss", "ass")
_NEUTRAL = ("dn", "fn")
_THINGS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(["selective", "selectif", "selectiva", "selectivo", "ss"], _STAGE),
    **dict.fromkeys(["special", "speciale", "especial", "tramo", "sonderprufung", "dss", "ass"], _STAGE),
    **dict.fromkeys(["zone", "zona", "sz", "dz", "fz"], ("dz", "fz")),
    **dict.fromkeys(["neutralisation", "neutralization", "neutralizacion", "neutralisee"], _NEUTRAL),
    **dict.fromkeys(["transfer", "transfert", "transferencia"], ("dt", "ft")),
}
"""Words for things that begin and end, with the kinds of their begin and end."""
_NAMED: Mapping[tuple[str, str], str] = {
    **{
        (noun, kind): "wpm"
        for noun in ("waypoint", "wp")
        for kind in ("masked", "masque", "oculto", "enmascarado")
    },
    **{
        (noun, kind): "wps"
        for noun in ("waypoint", "wp")
        for kind in ("safety", "security", "securite", "seguridad")
    },
    **{(noun, "eclipse"): "wpe" for noun in ("waypoint", "wp")},
    **{(noun, "visible"): "wpv" for noun in ("waypoint", "wp")},
    **{(noun, kind): "wpn" for noun in ("waypoint", "wp") for kind in ("navigation", "navegacion")},
    **{(noun, kind): "wpc" for noun in ("waypoint", "wp") for kind in ("control", "controle")},
    **{(noun, kind): "cp" for noun in ("control", "controle") for kind in ("passage", "paso")},
    **{(noun, kind): "tc" for noun in ("control", "controle") for kind in ("time", "horaire", "horario")},
    ("check", "point"): "cp",
}
_FILLERS = frozenset(
    {"of", "the", "a", "an", "de", "du", "des", "d", "la", "le", "les", "l", "el", "los", "las", "del", "en"}
    | {
        "speed",
        "vitesse",
        "velocidad",
        "limitee",
        "limited",
        "control",
        "controlled",
        "section",
        "secteur",
        "sector",
    }
)
_ZONE = re.compile(r"\b(?:speed|vitesse|velocidad) (?:control|limit)\b")
_ZONE_LIMIT = re.compile(r"\b(?:speed|vitesse|velocidad)\b[a-z ]{0,12}(?:[2-9]\d|1\d\d)\b")
_LIMIT = re.compile(r"\d+ ?(?:km ?/? ?h|kph|kmph|mph)\b|\bsz ?\d+\b")
_FRONT_WORDS: Final = 3
"""Number of words at the front that count, without fillers."""


def kind(text: str) -> str:
    """Return the kind named at the begin of a text; "" for none."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("checkpoint", "check point"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    has_limit = bool(_LIMIT.search(plain) or _ZONE_LIMIT.search(plain))
    words = re.findall(r"[a-z]+", _ZONE.sub("zone", _LIMIT.sub(_without_limit, plain)))
    for pair in pairwise(words[:3]):
        if found := _NAMED.get(pair) or _NAMED.get(pair[::-1]):
            return found
    if len(words) > 2 and words[1] in _FILLERS and (found := _NAMED.get((words[0], words[2]))):
        return found
    front = [word for word in words if word not in _FILLERS][:_FRONT_WORDS]
    return _end_of_thing(front, has_limit=has_limit)


def _end_of_thing(front: list[str], *, has_limit: bool) -> str:
    """Return the kind of the begin or the end that the words name."""
    begin, end = next((_THINGS[word] for word in front if word in _THINGS), ("", ""))
    if _LEAVES in front:
        return end if begin == "dz" else begin
    if any(word in _BEGINS for word in front):
        return begin
    if any(word in _ENDS for word in front):
        return end
    return begin if begin == "dz" and has_limit else ""


def _without_limit(limit: re.Match[str]) -> str:
    return "sz" if limit[0].startswith("sz") else ""
