"""Read a VBO file by Racelogic's description of the format, independently of the writer.

Sections in brackets; the columns of [data] by [column names]; units of [channel units] for all but Racelogic's own
channels; latitude and longitude in minutes, longitude positive to the west; time of day as HHMMSS.sss.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

OWN = ("sats", "time", "lat", "long", "velocity", "heading", "height", "vertvel")


class Gate(NamedTuple):
    """A timing gate: both ends in degrees (latitude, longitude east)."""

    word: str
    ends: tuple[tuple[float, float], tuple[float, float]]
    name: str


class Vbo(NamedTuple):
    """A file as read. `columns` by short name, latitude and longitude in degrees, time in seconds of the day."""

    created: datetime
    header: list[str]
    units: dict[str, str]
    comments: list[str]
    gates: list[Gate]
    columns: dict[str, list[float]]


def read(data: bytes) -> Vbo:
    """Read a file; asserts what every reader expects of it."""
    text = data.decode("utf-8")
    assert text.count("\n") == text.count("\r\n") == text.count("\r")
    lines = text.split("\r\n")
    created = re.fullmatch(r"File created on (\d\d/\d\d/\d{4}) at (\d\d:\d\d:\d\d)", lines[0])
    assert created, lines[0]
    sections: dict[str, list[str]] = {}
    for line in lines[1:]:
        heading = re.fullmatch(r"\[([a-z ]+)\]", line)
        if heading:
            assert heading[1] not in sections
            sections[heading[1]] = []
        elif sections:
            sections[list(sections)[-1]].append(line)
    for body in sections.values():  # a blank line separates sections
        assert body.pop() == ""
    assert list(sections)[-1] == "data"
    names = sections["column names"][0].split(" ")
    assert tuple(names[: len(OWN)]) == OWN
    assert len(set(names)) == len(names) == len(sections["header"])
    others = names[len(OWN) :]
    rows = [line.split(" ") for line in sections["data"]]
    assert {len(row) for row in rows} <= {len(names)}
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    numbers = {name: [float(cell) for cell in cells] for name, cells in columns.items()}
    numbers["time"] = [
        3600 * int(cell[:2]) + 60 * int(cell[2:4]) + float(cell[4:]) for cell in columns["time"]
    ]
    numbers["lat"] = [minutes / 60 for minutes in numbers["lat"]]
    numbers["long"] = [-minutes / 60 for minutes in numbers["long"]]
    return Vbo(
        datetime.strptime(f"{created[1]} {created[2]} +0000", "%d/%m/%Y %H:%M:%S %z"),
        sections["header"],
        dict(zip(others, sections["channel units"], strict=True)),
        sections["comments"],
        [_gate(line) for line in sections.get("laptiming", [])],
        numbers,
    )


def _gate(line: str) -> Gate:
    places, _, name = line.partition(" ¬ ")
    word, *minutes = places.split(" ")
    lon_0, lat_0, lon_1, lat_1 = (float(cell) / 60 for cell in minutes)
    return Gate(word, ((lat_0, -lon_0), (lat_1, -lon_1)), name)


def crossings(vbo: Vbo, gate: Gate) -> list[float]:
    """The times of day at which the driven line crosses a gate, interpolated between rows."""
    (lat_a, lon_a), (lat_b, lon_b) = gate.ends
    places = list(zip(vbo.columns["lat"], vbo.columns["long"], vbo.columns["time"], strict=True))
    found = []
    for (lat_0, lon_0, t_0), (lat_1, lon_1, t_1) in pairwise(places):
        d_lat, d_lon, g_lat, g_lon = lat_1 - lat_0, lon_1 - lon_0, lat_b - lat_a, lon_b - lon_a
        turn = d_lat * g_lon - d_lon * g_lat
        if turn == 0:
            continue
        along = ((lat_a - lat_0) * g_lon - (lon_a - lon_0) * g_lat) / turn
        across = ((lat_a - lat_0) * d_lon - (lon_a - lon_0) * d_lat) / turn
        if 0 <= along < 1 and 0 <= across <= 1:
            found.append(t_0 + along * (t_1 - t_0))
    return found
