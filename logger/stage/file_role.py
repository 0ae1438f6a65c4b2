"""Tell the three kinds of TOML file apart: configuration, itinerary, rules.

A file given in place of another would otherwise be an error for each of its keys.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from firmware_bridge.errors import ConfigurationError
from logger.tomlconfig.schema import TomlError

Role = Literal["configuration", "itinerary", "rules"]
_CONFIGURES = re.compile(r"^\s*(itinerary\s*=|\[+\s*(car|log|gps|can|live|serve)\s*\])", re.MULTILINE)
"""Tables of a configuration that an itinerary does not have; both may have a [stage]."""
_ALARMS = re.compile(r"^\s*\[+\s*alarm\s*\]", re.MULTILINE)
"""In a configuration or in rules, never in an itinerary."""
_RULES = re.compile(r"^\s*\[+\s*(class|speed|penalties|missed|not_finished)\b", re.MULTILINE)
_PLACES: Final[dict[Role, str]] = {
    "configuration": "a configuration is given with -c",
    "itinerary": "an itinerary is given with --itinerary, or under [stage] of the configuration",
    "rules": "rules are given with --rules, or under [stage] of the configuration",
}
_ARTICLES: Final[dict[Role, str]] = {
    "configuration": "a configuration",
    "itinerary": "an itinerary",
    "rules": "a rules file",
}


def role_of(text: str) -> Role | None:
    """The role of a TOML text, valid or not; None if its tables do not show it."""
    if looks_like_itinerary(text):
        return "itinerary"
    if _RULES.search(text):
        return "rules"
    return "configuration" if _CONFIGURES.search(text) else None


def looks_like_itinerary(text: str) -> bool:
    """Return whether a TOML text, valid or not, is an itinerary rather than a configuration."""
    if re.search(r"^\s*\[\[\s*section\b", text, re.MULTILINE):
        return True
    return bool(re.search(r"^\s*\[\s*stage\s*\]", text, re.MULTILINE)) and not (
        _CONFIGURES.search(text) or _ALARMS.search(text)
    )


def require_role(text: str, name: str, role: Role) -> None:
    """Raise TomlError for a text that has another role."""
    other = role_of(text)
    if other not in (None, role):
        what = f"this is {_ARTICLES[other]}, not {_ARTICLES[role]}"
        raise TomlError([ConfigurationError(what, where=name, hint=_PLACES[other])])
