"""Host names, origins, and the values removed from a snapshot, as tables."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from logger.crew.compliance import Compliance
from logger.crew.guard import is_ours, is_same_origin

NAMES = {"localhost", "car500", "car500.local"}


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8040", True),
        ("192.168.4.1:8040", True),
        ("[fd00::2]:8040", True),
        ("[::1]", True),
        ("localhost:8040", True),
        ("Car500.local:8040", True),
        ("car500.local.", True),
        ("", False),
        ("evil.example", False),
        ("evil.example:8040", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("car500.local@evil.example", False),
        ("evil.example@127.0.0.1", False),
        ("127.0.0.1/evil", False),
        ("[::1", False),
        ("2130706433", False),
    ],
)
def test_only_host_names_that_a_stranger_cannot_register_are_accepted(host: str, ours: bool) -> None:
    assert is_ours(host, NAMES) is ours


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:8040"}, True),
        ({"origin": "http://127.0.0.1:8040", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://127.0.0.1"}, False),
        ({"origin": "http://127.0.0.1:9000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://127.0.0.1:8040", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_only_own_pages_and_programs_may_post(headers: dict[str, str], same: bool) -> None:
    assert is_same_origin(Headers(headers), "127.0.0.1:8040") is same


GPS = {"age_s": 0.1, "quality": 1, "lat": 21.9, "lon": 40.9, "course_deg": 45.0}


@pytest.mark.parametrize(
    ("section", "hidden"),
    [
        ({"kind": "selective", "state": "running"}, True),
        ({"kind": "selective"}, True),
        ({"kind": "selective", "state": "waiting"}, False),
        ({"kind": "liaison", "state": "running"}, False),
        ({"kind": "transfer", "state": "running"}, False),
        ({"kind": None, "state": None}, False),
        (None, True),
        ({}, True),
        ("selective", True),
    ],
)
def test_position_and_heading_are_hidden_in_a_timed_section(section: Any, hidden: bool) -> None:
    snapshot = {
        "gps": GPS,
        "section": section,
        "speed_kmh": 120.0,
        "next": {"kind": "cp", "distance_km": 1.2},
    }
    shown = Compliance(applies=True).shown(snapshot)
    assert shown["compliance"] is hidden
    for key in ("lat", "lon", "course_deg"):
        assert (shown["gps"][key] is None) is hidden
    assert (shown["gps"]["quality"], shown["gps"]["age_s"]) == (1, 0.1)
    assert shown["speed_kmh"] == 120.0
    assert shown["next"]["distance_km"] == 1.2
    assert snapshot["gps"]["lat"] == 21.9, "the recorder's snapshot is unchanged"
    assert Compliance(applies=False).shown(snapshot)["gps"] == GPS
