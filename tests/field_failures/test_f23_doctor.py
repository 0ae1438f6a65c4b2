"""F23, doctor: a wrong baud rate, silence and swapped cables are reported, with how to fix them.

A virtual device on a pty sends garbage at the wrong baud rate, as a real wire does. The doctor opens the ports; for
swapped cables it also runs beside a recorder.
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


def port_findings(config: Path) -> dict[str, str]:
    """The doctor's finding and hint for each port with a fault."""
    return {
        finding.where: f"{finding.what}; {finding.hint}"
        for finding in examine(config, SECONDS, threading.Event())
        if finding.verdict == "wrong" and finding.where.startswith("port ")
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
    ("bauds", "fault", "expected"),
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
def test_f23_the_doctor_names_the_fault(
    tmp_path: Path,
    bauds: tuple[int | None, int | None],
    fault: Callable[[Path, VirtualCar], Path],
    expected: dict[str, str],
    figures: Figures,
) -> None:
    with VirtualCar(
        built_in()[2], start_s=START_S, can_rate=300, gps_baud=bauds[0], can_baud=bauds[1]
    ) as car:
        findings = port_findings(fault(tmp_path, car))
    figures.tried(
        "wrong baud rates, silent ports and swapped cables, each reported by the doctor", len(expected)
    )
    assert findings.keys() == expected.keys()
    assert all(text in findings[port] for port, text in expected.items()), findings


def test_f23_beside_a_recorder_the_doctor_names_the_fault_and_few_rejected_rows_are_kept(
    tmp_path: Path, figures: Figures
) -> None:
    with VirtualCar(built_in()[2], start_s=START_S, can_rate=300) as car:
        config = swapped(tmp_path, car)
        with recorder_here(config) as recorder:
            until(lambda: recorder.decoder_loop.links().keys() == {"gps", "engine"})
            until(lambda: recorder.decoder_loop.links()["engine"].state == "no_protocol")
            findings = port_findings(config)
            path = recorder.status().writer.path
    assert "this looks like NMEA" in findings["port engine"]
    assert "may be swapped" in findings["port engine"]
    rows, seconds = query(path, "SELECT count(*), (max(t_us) - min(t_us)) / 1e6 + 1 FROM rejected")[0]
    kept_per_s = float(str(rows)) / float(str(seconds))
    figures.note(f"swapped cables: {kept_per_s:.1f} rejected rows per second kept, the others counted")
    assert kept_per_s <= 21
