"""Parse unit files as systemd does, and find its tools."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
RECORDER = FOLDER / "stagelog-recorder.service"
CREW = FOLDER / "stagelog-crew.service"
STICK = FOLDER / "stagelog-stick@.service"
POWER_OFF = FOLDER / "stagelog-power-off.service"
CAN = FOLDER / "stagelog-can@.service"
UNITS = (RECORDER, CREW, STICK, POWER_OFF, CAN)
SOCKETCAN = FOLDER / "socketcan.conf"
"""What CAN interfaces of the kernel add to the recorder's unit."""


class Line(NamedTuple):
    """One directive; `reason` is the comment directly above it."""

    section: str
    key: str
    value: str
    reason: str


def read(unit: Path) -> list[Line]:
    """All directives of a unit, in order."""
    lines: list[Line] = []
    section = reason = ""
    in_comment = False
    for text in unit.read_text(encoding="utf-8").splitlines():
        if text.startswith("#"):
            reason = f"{reason} {text[1:].strip()}" if in_comment else text[1:].strip()
        elif text.startswith("["):
            section, reason = text.strip("[]"), ""
        elif not text:
            reason = ""
        else:
            key, equals, value = text.partition("=")
            assert equals and not value.endswith("\\"), f"{unit.name}: {text}"
            lines.append(Line(section, key, value, reason))
        in_comment = text.startswith("#")
    return lines


def values(unit: Path, section: str, key: str) -> list[str]:
    """All values of one directive."""
    return [line.value for line in read(unit) if (line.section, line.key) == (section, key)]


def require(tool: str) -> str:
    """The path of a tool. Skips without it, but fails in CI, which must install it."""
    found = shutil.which(tool)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{tool} is missing in CI: install systemd and udev")
    if found is None:
        pytest.skip(f"{tool} is not here")
    return found
