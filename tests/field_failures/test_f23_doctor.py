"""F23, the doctor's part: a wrong baud rate, silence, and a wrong cable are told in words, with the mend.

A virtual device on a pty says garbage to a host of the wrong rate, as a wire does; each trouble is tried with the
doctor at the ports, and the swapped cables with a recorder that runs as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.doctor.examination import examine
from tests.field_failures.recorder_process import query, until
from tests.figures import Figures
from tests.logger.recorder.driving import START_S, built_in, recorder_here, set_up, set_up_at

SECONDS = 3.0


def told(config: Path) -> dict[str, str]:
    """What is wrong with each port, by the doctor."""
    found = examine(config, SECONDS, threading.Event())
    return {
        each.where: f"{each.what}; {each.hint}"
        for each in found
        if each.verdict == "wrong" and each.where.startswith("port ")
    }


def straight(folder: Path, car: VirtualCar) -> Path:
    return set_up(folder, car)


def swapped(folder: Path, car: VirtualCar) -> Path:
    return set_up_at(folder, car.can_port, car.gps_port)


def silent(folder: Path, car: VirtualCar) -> Path:
    car.silence("gps")
    car.silence("can")
    return set_up(folder, car)


@pytest.mark.parametrize(
    ("bauds", "trouble", "words"),
    [
        ((38400, None), straight, {"port gps": "it speaks NMEA at 38400 baud"}),
        ((None, 115200), straight, {"port engine": "it speaks slcan at 115200 baud"}),
        ((None, None), silent, {"port gps": "silent", "port engine": "silent"}),
        (
            (None, None),
            swapped,
            {"port engine": "the cables of engine and gps are swapped", "port gps": "silent"},
        ),
    ],
    ids=["wrong rate, gps", "wrong rate, can", "silence", "swapped"],
)
def test_f23_the_doctor_says_which(
    tmp_path: Path,
    bauds: tuple[int | None, int | None],
    trouble: Callable[[Path, VirtualCar], Path],
    words: dict[str, str],
    figures: Figures,
) -> None:
    with VirtualCar(
        built_in()[2], start_s=START_S, can_rate=300, gps_baud=bauds[0], can_baud=bauds[1]
    ) as car:
        found = told(trouble(tmp_path, car))
    figures.tried("wrong rates, silences and swapped cables, each told by the doctor in words", len(words))
    assert found.keys() == words.keys()
    assert all(said in found[port] for port, said in words.items()), found


def test_f23_with_a_recorder_running_the_doctor_says_the_same_and_the_disk_does_not_fill(
    tmp_path: Path, figures: Figures
) -> None:
    with VirtualCar(built_in()[2], start_s=START_S, can_rate=300) as car:
        config = swapped(tmp_path, car)
        with recorder_here(config) as recorder:
            until(lambda: recorder.decoding.links().keys() == {"gps", "engine"})
            until(lambda: recorder.decoding.links()["engine"].state == "no_protocol", 20.0)
            found = told(config)
            path = recorder.status().writer.path
    assert "this looks like NMEA" in found["port engine"]
    assert "may be swapped" in found["port engine"]
    rows, seconds = query(path, "SELECT count(*), (max(t_us) - min(t_us)) / 1e6 + 1 FROM rejected")[0]
    kept_a_s = float(str(rows)) / float(str(seconds))
    figures.note(f"swapped cables: {kept_a_s:.1f} rejected rows a second kept, the rest counted")
    assert kept_a_s <= 21
