"""The live socket of a recorder: every key of the live state, and recording whatever its clients do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.virtual.car import VirtualCar
from tests.field_failures.recorder_process import query, until
from tests.logger.recorder.driving import START_S, Crew, built_in, recorder_here, set_up

KEYS: dict[str, str] = {
    "": "utc session recording gps speed_kmh speed_source limit stage section next splits trip engine alarms links",
    "recording": "path rows frames lag_s dropped free_mb ok",
    "gps": "age_s quality satellites hdop lat lon course_deg",
    "limit": "kmh reason over_kmh zone approaching_m age_s",
    "stage": "event number name",
    "section": "index kind name distance_km length_km remaining_km progress elapsed_s average_kmh moving_average_kmh"
    " required_kmh eta_utc estimated age_s",
    "next": "kind name km distance_km age_s",
}
"""The design's live state."""
JUST_BEFORE_CP_S = 9.0
"""From the short stage's start: the checkpoint comes soon, and with it a split."""


def missing(snapshot: dict[str, Any]) -> set[str]:
    """The keys of the design that a snapshot lacks."""
    return {
        f"{group}.{key}"
        for group, keys in KEYS.items()
        for key in keys.split()
        if key not in (snapshot[group] if group else snapshot)
    }


@pytest.fixture
def car() -> Iterator[VirtualCar]:
    with VirtualCar(built_in()[2], start_s=START_S + JUST_BEFORE_CP_S, gps_hz=5, can_rate=300) as car:
        yield car


def test_the_snapshot_has_every_key_from_the_first_on(tmp_path: Path) -> None:
    parked = VirtualCar(
        built_in()[2], start_s=START_S + JUST_BEFORE_CP_S, gps_hz=5, can_rate=300, directory=tmp_path
    )
    config = set_up(tmp_path, parked)
    with ExitStack() as stack, recorder_here(config), Crew(tmp_path / "live.sock") as crew:
        assert missing(crew.snapshot()) == set()
        assert crew.command("start_section") is None
        stack.enter_context(parked)  # it drives once the section has begun, however long the start took
        until(lambda: bool((shot := crew.snapshot())["engine"] and shot["splits"]))
        shot = crew.snapshot()
        assert missing(shot) == set()
        assert len(shot["trip"]) == 2
        assert {*shot["links"]} == {"gps", "engine"}
        assert all({"state", "age_s", "good", "bad"} <= link.keys() for link in shot["links"].values())
        assert all({"value", "unit", "age_s"} == value.keys() for value in shot["engine"].values())
        assert all({"name", "km", "elapsed_s", "average_kmh"} <= split.keys() for split in shot["splits"])
        assert crew.command("nonsense") is not None
        assert crew.command("mark", colour="red") is not None


@pytest.mark.load_sensitive  # the car of this process sends late on a loaded machine
def test_listeners_of_every_kind_do_not_change_what_is_recorded(car: VirtualCar, tmp_path: Path) -> None:
    config = set_up(tmp_path, car)
    path = tmp_path / "live.sock"
    with recorder_here(config) as recorder, ExitStack() as stack:
        crew = stack.enter_context(Crew(path))
        for _ in range(10):
            stack.enter_context(Crew(path))  # these never read
        flood = stack.enter_context(Crew(path))
        began = time.monotonic()
        while time.monotonic() < began + 5.0:
            crew.snapshot()
            flood.send(b"\x00garbage\n" * 20)
            while "answer" in flood.next():
                pass
        status = recorder.status()
        log = status.writer.path
        assert status.writer.dropped == 0
        assert status.writer.ok
    (first, last, frames), (fixes,) = (
        query(log, "SELECT min(t_us), max(t_us), count(*) FROM frame")[0],
        query(log, "SELECT count(*) FROM fix")[0],
    )
    seconds = (int(str(last)) - int(str(first))) / 1e6
    assert int(str(frames)) == pytest.approx(300 * seconds, rel=0.05)
    assert int(str(fixes)) == pytest.approx(5 * seconds, abs=3)
    assert car.lost_bytes("gps") == car.lost_bytes("can") == 0


@pytest.mark.parametrize("trouble", ["a file", "no folder"])
def test_recording_continues_without_a_socket(
    car: VirtualCar, tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = set_up(tmp_path, car)
    place = tmp_path / "place"
    place.write_text("not to be touched")
    where = place if trouble == "a file" else place / "live.sock"
    config.write_text(config.read_text().replace('"live.sock"', f'"{where}"'))
    with recorder_here(config) as recorder:
        until(lambda: recorder.status().writer.fixes > 3)
    assert any("no live socket" in record.message for record in caplog.records)
    assert place.read_text() == "not to be touched"
