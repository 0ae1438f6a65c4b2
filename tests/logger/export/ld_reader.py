"""Read MoTeC's .ld and .ldx by the offsets that others have published, independently of the writer.

Every pointer is followed as those readers follow it: head -> event -> venue -> vehicle, and from channel to channel.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

_TYPES = {(7, 4): "<f4", (7, 2): "<f2", (5, 4): "<i4", (3, 4): "<i4", (3, 2): "<i2", (5, 2): "<i2"}


class LdChannel(NamedTuple):
    """A channel: values in its unit, at `rate_hz` from the beginning of the file."""

    name: str
    short: str
    unit: str
    rate_hz: int
    values: NDArray[np.float64]
    kind: tuple[int, int]


class Ld(NamedTuple):
    """A file as read."""

    begun: datetime
    texts: dict[str, str]
    channels: dict[str, LdChannel]

    def at(self, name: str, moment_s: float) -> float:
        """The value of a channel at a moment (UTC seconds), by the nearest sample."""
        channel = self.channels[name]
        return float(channel.values[round((moment_s - self.begun.timestamp()) * channel.rate_hz)])


def read(data: bytes) -> Ld:
    """Read a file; asserts the constants without which i2 refuses it."""

    def number(at: int, dtype: str) -> int:
        return int(np.frombuffer(data, dtype, 1, at)[0])

    def words(at: int, size: int) -> str:
        field = data[at : at + size]
        assert field.endswith(b"\0"), "a text without its zero"
        return field.rstrip(b"\0").decode("ascii")

    assert (number(0, "<u4"), number(64, "<u2"), number(66, "<u2"), number(68, "<u2")) == (
        0x40,
        1,
        0x4240,
        0xF,
    )
    assert (number(70, "<u4"), words(74, 8)) == (0x1F44, "ADL")
    assert (number(82, "<u2"), number(84, "<u2")) == (420, 0xADB0)
    assert number(1502, "<u4") == 0xC81A4
    event = number(36, "<u4")
    venue = number(event + 64 + 64 + 1024, "<u2")
    vehicle = number(venue + 64 + 1034, "<u2")
    texts = {
        "driver": words(158, 64),
        "vehicle": words(222, 64),
        "venue": words(350, 64),
        "short comment": words(1572, 64),
        "event": words(event, 64),
        "session": words(event + 64, 64),
        "comment": words(event + 128, 1024),
        "event's venue": words(venue, 64),
        "vehicle id": words(vehicle, 64),
        "vehicle type": words(vehicle + 196, 32),
    }
    channels: dict[str, LdChannel] = {}
    ends = []
    at, before = number(8, "<u4"), 0
    while at:
        previous, following, pointer, samples = (number(at + 4 * place, "<u4") for place in range(4))
        counter, kind, width, rate_hz = (number(at + 16 + 2 * place, "<u2") for place in range(4))
        shift, multiplier, scale, decimals = (number(at + 24 + 2 * place, "<i2") for place in range(4))
        assert previous == before
        assert counter == 0x2EE1 + len(channels)
        raw = np.frombuffer(data, _TYPES[kind, width], samples, pointer).astype(np.float64)
        name = words(at + 32, 32)
        assert name not in channels
        channels[name] = LdChannel(
            *(name, words(at + 64, 8), words(at + 72, 12), rate_hz),
            (raw / scale * 10.0**-decimals + shift) * multiplier,
            (kind, width),
        )
        ends.append((pointer, pointer + samples * width))
        before, at = at, following
    assert number(86, "<u4") == len(channels)
    edges = [number(12, "<u4"), *(edge for pair in ends for edge in pair), len(data)]
    assert edges[::2] == edges[1::2], "data with gaps, or over each other"
    begun = datetime.strptime(f"{words(94, 16)} {words(126, 16)} +0000", "%d/%m/%Y %H:%M:%S %z")
    return Ld(begun.astimezone(UTC), texts, channels)


def beacons(data: bytes) -> dict[str, float]:
    """The times of the beacons in seconds from the beginning, by name."""
    markers = _group(data).findall("Marker")
    assert all(marker.get("ClassName") == "BCN" for marker in markers)
    names = [marker.attrib["Name"] for marker in markers]
    assert len(set(names)) == len(names)
    return {marker.attrib["Name"]: float(marker.attrib["Time"]) / 1e6 for marker in markers}


def details(data: bytes) -> dict[str, str]:
    """The texts of the .ldx by their ids."""
    root = ElementTree.fromstring(data)  # noqa: S314 - written by ourselves
    return {text.attrib["Id"]: text.attrib["Value"] for text in root.iterfind("Layers/Details/String")}


def _group(data: bytes) -> Any:
    root = ElementTree.fromstring(data)  # noqa: S314
    assert root.tag == "LDXFile"
    group = root.find("Layers/Layer/MarkerBlock/MarkerGroup[@Name='Beacons']")
    assert group is not None
    return group
