"""F20: systemd gives up after five quick failures, and the car drives on without a recorder (ebusd, mbusd)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from tests.figures import Figures
from tests.systemd.machine import Machine, booted
from tests.systemd.units import CREW, RECORDER, read, values

SERVICES = (RECORDER, CREW)
"""What has to be there all the time; the other units do one thing and end."""
SHORTEST_PAUSE_S = 1.0
KILLS = 8
"""systemd's own limit is five starts within ten seconds; where it counts, the sixth is refused."""


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_it_is_started_again_for_ever(unit: Path, figures: Figures) -> None:
    assert values(unit, "Service", "Restart") == ["always"]
    assert values(unit, "Unit", "StartLimitIntervalSec") == ["0"]
    assert [line for line in read(unit) if line.key.startswith("StartLimit")] == [
        line for line in read(unit) if (line.section, line.key) == ("Unit", "StartLimitIntervalSec")
    ], "in another section systemd ignores it, and a burst or action would count again"
    (pause,) = values(unit, "Service", "RestartSec")
    assert float(pause) >= SHORTEST_PAUSE_S
    figures.note(f"{unit.stem}: restarted every {pause} s without a limit")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_only_a_wrong_configuration_is_final(unit: Path) -> None:
    """It does not mend itself; a missing device or a card that cannot be written may."""
    (final,) = values(unit, "Service", "RestartPreventExitStatus")
    assert final.split() == [str(ConfigurationError.exit_code)]
    assert str(DeviceError.exit_code) not in final.split()
    assert str(LogError.exit_code) not in final.split()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_nothing_that_can_fail_for_good_holds_it_back(unit: Path) -> None:
    """A unit whose requirement failed, or whose condition did not hold, is not restarted: Restart= is not asked."""
    binding = ("Requires", "Requisite", "BindsTo", "RequiresMountsFor", "StateDirectory", "OnFailure")
    refusing = [
        line for line in read(unit) if line.key in binding or line.key.startswith(("Condition", "Assert"))
    ]
    assert refusing == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_one_that_hangs_is_ended_and_started_again(unit: Path) -> None:
    assert values(unit, "Service", "Type") == ["notify"]
    (period,) = values(unit, "Service", "WatchdogSec")
    (start,) = values(unit, "Service", "TimeoutStartSec")
    (stop,) = values(unit, "Service", "TimeoutStopSec")
    assert 0 < float(period) <= 60
    assert 0 < float(start) < float("inf") and 0 < float(stop) < float("inf")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Stagelog on a machine where systemd runs, restarting at once: a pause would hide systemd's own limit."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("/opt/stagelog/bin/stagelog", "install", "--yes", "--program", "/opt/stagelog/bin/stagelog")
        for unit in SERVICES:
            _drop_in(up, unit.name, "[Service]", "RestartSec=0")
        yield up


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_killed_again_and_again_it_is_there_again(machine: Machine, unit: Path, figures: Figures) -> None:
    machine.run("systemctl", "restart", unit.name)
    assert _kill(machine, unit.name) == KILLS
    machine.wait_active(unit.name)
    figures.tried("kills under a running systemd, each followed by a start", KILLS)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_with_systemds_own_limit_it_would_be_given_up(machine: Machine, unit: Path) -> None:
    """The same kills tell the difference: this is what `StartLimitIntervalSec=0` is for."""
    _drop_in(machine, unit.name, "[Unit]", "StartLimitIntervalSec=60")
    machine.run("systemctl", "restart", unit.name)
    assert _kill(machine, unit.name) < KILLS
    assert machine.property(unit.name, "ActiveState") == "failed"


def _drop_in(machine: Machine, unit: str, section: str, line: str) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    name = line.partition("=")[0]
    machine.shell(f"mkdir -p {folder}; printf '%s\\n%s\\n' '{section}' '{line}' > {folder}/{name}.conf")
    machine.run("systemctl", "daemon-reload")


def _kill(machine: Machine, unit: str) -> int:
    """Kill a unit's process as soon as there is one, again and again; how often it was started again."""
    restarts = 0
    while restarts < KILLS:
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
        killed = restarts
        machine.wait(
            "restarted or given up",
            lambda: (
                int(machine.property(unit, "NRestarts")) > killed  # noqa: B023 - called at once
                or machine.property(unit, "ActiveState") == "failed"
            ),
        )
        if machine.property(unit, "ActiveState") == "failed":
            break
        restarts = int(machine.property(unit, "NRestarts"))
    return restarts
