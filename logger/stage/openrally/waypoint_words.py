"""Parse the kind of a waypoint spelled out in English, French or Spanish.

Examples: "Début de zone 50", "Llegada especial". Only the first words count, because texts also describe the road
("dune after the end of the zone"). Either two words name the kind, or one is a begin or an end and another is the
thing that begins or ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

_BEGINS = frozenset({"start", "begin", "beginning", "depart", "debut", "inicio", "salida", "comienzo"})
_ENDS = frozenset({"finish", "end", "fin", "arrivee", "llegada", "final"})
_STAGE = ("dss", "ass")
_NEUTRAL = ("dn", "fn")
_THINGS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(["selective", "selectif", "selectiva", "selectivo", "ss"], _STAGE),
    **dict.fromkeys(["special", "speciale", "especial", "dss", "ass"], _STAGE),
    **dict.fromkeys(["zone", "zona", "dz", "fz"], ("dz", "fz")),
    **dict.fromkeys(["neutralisation", "neutralization", "neutralizacion", "neutralisee"], _NEUTRAL),
    **dict.fromkeys(["transfer", "transfert", "transferencia"], ("dt", "ft")),
}
"""Words for things that begin and end, with the kinds of their begin and end."""
_NAMED: Mapping[tuple[str, str], str] = {
    **{(noun, kind): "wpm" for noun in ("waypoint", "wp") for kind in ("masked", "masque", "oculto")},
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
_FRONT_WORDS: Final = 3
"""Number of words at the front that count, without fillers."""


def kind(text: str) -> str:
    """Return the kind named at the begin of a text; "" for none."""
    plain = unicodedata.normalize(
        "NFKD", text.replace("checkpoint", "check point").replace("Checkpoint", "check point")
    )
    words = re.findall(r"[a-z]+", "".join(c for c in plain if not unicodedata.combining(c)).lower())
    for pair in pairwise(words[:3]):
        if found := _NAMED.get(pair) or _NAMED.get(pair[::-1]):
            return found
    if len(words) > 2 and words[1] in _FILLERS and (found := _NAMED.get((words[0], words[2]))):
        return found
    front = [word for word in words if word not in _FILLERS][:_FRONT_WORDS]
    thing = next((_THINGS[word] for word in front if word in _THINGS), None)
    if thing is None:
        return ""
    if any(word in _BEGINS for word in front):
        return thing[0]
    return thing[1] if any(word in _ENDS for word in front) else ""
