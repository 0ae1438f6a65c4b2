"""Itineraries as TOML: valid and invalid files, and the round trip."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.stage.file_role import looks_like_itinerary, role_of
from logger.stage.itinerary import (
    PAIRS,
    WAYPOINT_KINDS,
    Itinerary,
    Section,
    Stage,
    Waypoint,
    dumps,
    load,
)
from logger.tomlconfig.schema import TomlError

STAGE_11 = """\
[stage]
event = "Dakar 2026"
number = 11
name = "Bisha - Al Henakiyah"
date = 2026-01-15
max_speed_kmh = 170
[[section]]
kind = "liaison"
length_km = 320.0
target_min = 300
[[section]]
kind = "selective"
name = "SS11"
length_km = 346.0
start_utc = 2026-01-15T07:03:00Z
  [[section.waypoint]]
  km = 0
  kind = "dss"
  [[section.waypoint]]
  km = 43.0
  kind = "cp"
  name = "CP1"
  lat = 20.5
  lon = 42.75
  open_m = 800
  clear_m = 50
  [[section.waypoint]]
  km = 120.4
  kind = "dz"
  speed_kmh = 50
  [[section.waypoint]]
  km = 121.9
  kind = "fz"
  [[section.waypoint]]
  km = 200
  kind = "dn"
  time_s = 900
  [[section.waypoint]]
  km = 200
  kind = "fn"
  [[section.waypoint]]
  km = 346.0
  kind = "ass"
"""

_CALENDAR = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-12-31"))
"""The dates that a file may have."""


def problems(text: str) -> list[str]:
    with pytest.raises(TomlError) as caught:
        load(text, "stage.toml")
    return [str(problem) for problem in caught.value.problems]


def section(*waypoints: str, length_km: float = 100) -> str:
    """A stage of one section, each waypoint given as `key = value; ...` and written on a line of its own."""
    tables = [f"[[section.waypoint]]\n{waypoint.replace('; ', chr(10))}\n" for waypoint in waypoints]
    head = f'[stage]\nname = "x"\n[[section]]\nkind = "selective"\nlength_km = {length_km}\n'
    return head + "".join(tables)


def test_a_whole_stage() -> None:
    itinerary = load(STAGE_11, "stage.toml")
    assert itinerary.stage == Stage("Bisha - Al Henakiyah", "Dakar 2026", 11, date(2026, 1, 15), 170.0)
    liaison, selective = itinerary.sections
    assert liaison == Section("liaison", 320.0, target_min=300.0)
    assert (selective.name, selective.start_utc) == ("SS11", datetime(2026, 1, 15, 7, 3, tzinfo=UTC))
    assert [point.kind for point in selective.waypoints] == ["dss", "cp", "dz", "fz", "dn", "fn", "ass"]
    assert selective.waypoints[1] == Waypoint(43.0, "cp", "CP1", 20.5, 42.75, open_m=800.0, clear_m=50.0)
    assert selective.waypoints[1].position == (20.5, 42.75)
    assert selective.waypoints[2].position is None
    assert selective.waypoints[4].time_s == 900.0


def test_kilometres_alone_are_enough() -> None:
    itinerary = load(section("km = 5; kind = 'wpm'"), "stage.toml")
    assert itinerary.sections[0].waypoints == (Waypoint(5.0, "wpm"),)


def test_every_kind_of_the_design_has_its_defaults() -> None:
    assert set(WAYPOINT_KINDS) == (
        {*("dss", "ass", "cp", "tc", "dz", "fz", "dn", "fn", "dt", "ft")}
        | {*("wpv", "wpe", "wpm", "wps", "wpc", "wpn", "wpp")}
    )
    assert {*PAIRS, *PAIRS.values()} <= set(WAYPOINT_KINDS)
    for kind, facts in WAYPOINT_KINDS.items():
        point = Waypoint(1.0, kind)
        assert point.clearing_m == facts.clear_m > 0
        assert point.opening_m == facts.open_m
        assert (facts.open_m is None) == (facts.opening in ("always", "never"))


@pytest.mark.parametrize(
    ("kind", "opens_m", "clears_m"),
    [
        ("wpv", None, 200),
        ("wpe", 1000, 90),
        ("wpm", 800, 90),
        ("wpc", None, 300),
        ("wpn", 800, 200),
        ("cp", None, 90),
    ],
)
def test_radii_of_the_rally_texts(kind: str, opens_m: float | None, clears_m: float) -> None:
    assert (Waypoint(1, kind).opening_m, Waypoint(1, kind).clearing_m) == (opens_m, clears_m)


def test_values_of_a_waypoint_override_the_defaults() -> None:
    point = Waypoint(1, "wpm", open_m=1200, clear_m=30)
    assert (point.opening_m, point.clearing_m) == (1200, 30)


@pytest.mark.parametrize(
    ("waypoints", "line", "expected"),
    [
        (["km = 5; kind = 'cpp'"], 8, 'waypoint[0].kind: "cpp" is not known; did you mean "cp"?'),
        (["kind = 'cp'"], 6, "waypoint[0].km: missing"),
        (["km = 5"], 6, "waypoint[0].kind: missing"),
        (["km = -1; kind = 'cp'"], 7, "waypoint[0].km: -1 is too small"),
        (["km = 100.1; kind = 'cp'"], 7, "waypoint[0].km: 100.1 is beyond the section's length_km = 100"),
        (["km = 5; kind = 'cp'", "km = 4.9; kind = 'cp'"], 10, "waypoint[1].km: 4.9 comes after 5.0"),
        (["km = 5; kind = 'cp'; lat = 20.0"], 9, "waypoint[0].lat: lat without lon; add lon"),
        (["km = 5; kind = 'cp'; lon = 20.0"], 9, "waypoint[0].lon: lon without lat; add lat"),
        (
            ["km = 5; kind = 'cp'; lat = 90.5; lon = 0"],
            9,
            "waypoint[0].lat: 90.5 is too large; the maximum is 90",
        ),
        (["km = 5; kind = 'cp'; lat = 0; lon = -181"], 10, "waypoint[0].lon: -181 is too small"),
        (["km = 5; kind = 'cp'; clear_m = 0"], 9, "waypoint[0].clear_m: 0 is too small"),
        (["km = 5; kind = 'cp'; speed_kmh = 50"], 9, "waypoint[0].speed_kmh: a cp has no speed"),
        (["km = 5; kind = 'cp'; time_s = 50"], 9, "waypoint[0].time_s: a cp has no time"),
        (["km = 5; kind = 'wpm'; to_beat_s = 50"], 9, "waypoint[0].to_beat_s: no time is taken at a wpm"),
        (["km = 5; kind = 'cp'; to_beat_s = 0"], 9, "waypoint[0].to_beat_s: 0 is too small"),
        (["km = 5; kind = 'cp'; to_beat_s = '0:24:20'"], 9, "waypoint[0].to_beat_s: "),
        (["km = 5; kind = 'cp'; to_beat = 'P'"], 9, "waypoint[0].to_beat: a name without a time"),
        (
            ["km = 5; kind = 'cp'; to_beat_s = 200", "km = 6; kind = 'ass'; to_beat_s = 200"],
            13,
            "waypoint[1].to_beat_s: 200 s, but 200 s at the split before",
        ),
        (["km = 5; kind = 'dz'", "km = 6; kind = 'fz'"], 6, "waypoint[0].speed_kmh: missing"),
        (["km = 5; kind = 'dz'; speed_kmh = 50"], 6, "waypoint[0]: this dz has no fz of its own"),
        (["km = 5; kind = 'fz'"], 6, "waypoint[0]: this fz has no dz before it; add the dz"),
        (["km = 5; kind = 'fn'"], 6, "waypoint[0]: this fn has no dn before it; add the dn"),
        (["km = 5; kind = 'dt'"], 6, "waypoint[0]: this dt has no ft of its own"),
        (
            [
                "km = 1; kind = 'dz'; speed_kmh = 90",
                "km = 2; kind = 'dz'; speed_kmh = 50",
                "km = 3; kind = 'fz'",
            ],
            6,
            "waypoint[0]: this dz has no fz of its own; add the fz after it",
        ),
    ],
)
def test_invalid_waypoints(waypoints: list[str], line: int, expected: str) -> None:
    [problem] = problems(section(*waypoints))
    assert problem.startswith(f"stage.toml:{line}: section[0].{expected}")


def test_limits_themselves_are_allowed() -> None:
    text = section(
        "km = 0; kind = 'dss'; lat = 90; lon = 180",
        "km = 50; kind = 'dz'; speed_kmh = 90",
        "km = 60; kind = 'fz'; lat = -90; lon = -180",
        "km = 60; kind = 'dz'; speed_kmh = 50",
        "km = 100; kind = 'fz'",
    )
    assert len(load(text, "stage.toml").sections[0].waypoints) == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["stage.toml:1: stage: missing; add a [stage] table"]),
        ('[stage]\nname = "x"', ["stage.toml:1: section: missing; add a [[section]] table"]),
        (section(length_km=0), ["stage.toml:5: section[0].length_km: 0 is too small; write more than 0"]),
        (section().replace("selective", "special"), ["stage.toml:4: section[0].kind: "]),
        ('[stage]\nname = "x"\n[section]\nkind = "liaison"', ["stage.toml:3: section: expected tables"]),
    ],
)
def test_invalid_stages(text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(expected)
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=True))


def test_every_mistake_at_once() -> None:
    text = (
        STAGE_11.replace("number = 11", 'number = "11"')
        .replace("km = 43.0", "km = 430")
        .replace("lon = 42.75", "lng = 42.75")
    )
    text = text.replace('kind = "fz"', 'kind = "zf"').replace("speed_kmh = 50\n", "")
    assert [problem.split("; ")[0] for problem in problems(text)] == [
        'stage.toml:3: stage.number: expected a whole number, found "11"',
        "stage.toml:20: section[1].waypoint[1].km: 430.0 is beyond the section's length_km = 346.0",
        "stage.toml:23: section[1].waypoint[1].lat: lat without lon",
        "stage.toml:24: section[1].waypoint[1].lng: unknown key",
        "stage.toml:27: section[1].waypoint[2].speed_kmh: missing: a dz begins a speed zone",
        "stage.toml:28: section[1].waypoint[2].km: 120.4 comes after 430.0",
        'stage.toml:32: section[1].waypoint[3].kind: "zf" is not known',
    ]


_km = st.floats(0, 500).map(lambda km: round(km, 3))
_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_places = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
_radii = st.none() | st.floats(1, 20_000)


@st.composite
def _sections(draw: st.DrawFn) -> Section:
    steps = draw(st.lists(st.sampled_from(["cp", "wpm", "tc", "dz", "dn", "dt"]), max_size=4))
    kinds = [kind for step in steps for kind in ([step, PAIRS[step]] if step in PAIRS else [step])]
    waypoints: list[Waypoint] = []
    for km, kind in zip(
        sorted(draw(st.lists(_km, min_size=len(kinds), max_size=len(kinds)))), kinds, strict=True
    ):
        lat, lon = draw(_places) or (None, None)
        beaten = kind == "cp" and draw(st.booleans())
        waypoints.append(
            Waypoint(
                km,
                kind,
                draw(_names),
                lat,
                lon,
                speed_kmh=draw(st.floats(1, 200)) if kind == "dz" else None,
                open_m=draw(_radii),
                clear_m=draw(_radii),
                time_s=draw(st.none() | st.floats(0, 3600)) if kind in ("dn", "dt") else None,
                to_beat_s=1000.5 + len(waypoints) if beaten else None,
                to_beat=draw(_names) if beaten else "",
            )
        )
    return Section(
        draw(st.sampled_from(["liaison", "selective", "neutralisation", "transfer"])),
        draw(st.floats(500, 1000)),
        draw(_names),
        draw(st.none() | st.floats(1, 600)),
        draw(st.none() | st.floats(1, 200)),
        draw(st.none() | st.datetimes(*_CALENDAR, timezones=st.just(UTC))),
        tuple(waypoints),
    )


_stages = st.builds(
    Stage,
    _names,
    _names,
    st.none() | st.integers(0, 999),
    st.none() | st.dates(*(end.date() for end in _CALENDAR)),
    st.none() | st.floats(1, 200),
)


@given(_stages, st.lists(_sections(), min_size=1, max_size=3).map(tuple))
def test_round_trip(stage: Stage, sections: tuple[Section, ...]) -> None:
    itinerary = Itinerary(stage, sections)
    text = dumps(itinerary)
    assert load(text, "written") == itinerary
    assert looks_like_itinerary(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STAGE_11, True),
        ('[stage]\nname = "x"\nlength = ', True),
        (" [[ section ]]\nbroken", True),
        ('[gps]\nport = "/dev/gps"\n[stage]\nitinerary = "stage.toml"', False),
        ('[stage]\nitinerary = "stage.toml"', False),
        ("[[can]]\n[stage]\n", False),
        ("", False),
    ],
)
def test_an_itinerary_is_distinguished_from_a_configuration(text: str, expected: bool) -> None:
    assert looks_like_itinerary(text) is expected


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ('[gps]\nport = "x"\n[stage]\nrules = "rules.toml"', "configuration"),
        ("[[alarm]]\nname = 'x'", None),
        ('[stage]\nname = "x"', "itinerary"),
        ("[[class]]\nname = 'T1'", "rules"),
        ('[[alarm]]\nname = "x"\n[penalties]\nmodel = "bands"', "rules"),
        ("[speed]\napproach_m = ", "rules"),
        ("", None),
        ("x = 1", None),
    ],
)
def test_the_role_of_a_file(text: str, role: str | None) -> None:
    assert role_of(text) == role


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[gps]\nport = "x"', "this is a configuration, not an itinerary"),
        ("[missed]\ndefault_s = 1", "this is a rules file, not an itinerary"),
    ],
)
def test_another_file_in_its_place_is_one_error(text: str, words: str) -> None:
    with pytest.raises(TomlError, match=words) as caught:
        load(text, "x.toml")
    assert len(caught.value.problems) == 1
    assert caught.value.hint
