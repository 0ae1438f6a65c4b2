"""F20: systemd stops restarting after five quick failures, and the recorder stays off (ebusd, mbusd)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from tests.figures import Figures
from tests.systemd.machine import Machine, booted
from tests.systemd.units import CREW, RECORDER, read, values

SERVICES = (RECORDER, CREW)
"""Units that run all the time; the others do one thing and end."""
SHORTEST_PAUSE_S = 1.0
KILLS = 8
"""More than systemd's default limit of five starts within ten seconds."""


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_a_service_is_restarted_without_a_limit(unit: Path, figures: Figures) -> None:
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
    """Only an edit fixes it; a missing device or an unwritable card may recover."""
    (final,) = values(unit, "Service", "RestartPreventExitStatus")
    assert final.split() == [str(ConfigurationError.exit_code)]
    assert str(DeviceError.exit_code) not in final.split()
    assert str(LogError.exit_code) not in final.split()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_no_failed_dependency_prevents_a_restart(unit: Path) -> None:
    """systemd ignores Restart= for a unit whose requirement failed or whose condition was false."""
    binding = ("Requires", "Requisite", "BindsTo", "RequiresMountsFor", "StateDirectory", "OnFailure")
    refusing = [
        line for line in read(unit) if line.key in binding or line.key.startswith(("Condition", "Assert"))
    ]
    assert refusing == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_a_hanging_service_is_ended_and_restarted(unit: Path) -> None:
    assert values(unit, "Service", "Type") == ["notify"]
    (period,) = values(unit, "Service", "WatchdogSec")
    (start,) = values(unit, "Service", "TimeoutStartSec")
    (stop,) = values(unit, "Service", "TimeoutStopSec")
    assert 0 < float(period) <= 60
    assert 0 < float(start) < float("inf") and 0 < float(stop) < float("inf")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine with stagelog and RestartSec=0, because a pause would hide systemd's own limit."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("/opt/stagelog/bin/stagelog", "install", "--yes", "--program", "/opt/stagelog/bin/stagelog")
        for unit in SERVICES:
            _drop_in(up, unit.name, "[Service]", "RestartSec=0")
        yield up


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_a_service_runs_again_after_each_kill(machine: Machine, unit: Path, figures: Figures) -> None:
    machine.run("systemctl", "restart", unit.name)
    assert _kill(machine, unit.name) >= KILLS
    machine.wait_active(unit.name)
    figures.tried("kills of a service, each followed by a restart", KILLS)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_f20_without_the_setting_systemd_gives_up(machine: Machine, unit: Path) -> None:
    """The same kills with systemd's limit show why the units set `StartLimitIntervalSec=0`."""
    drop_in = _drop_in(machine, unit.name, "[Unit]", "StartLimitIntervalSec=60")
    try:
        machine.run("systemctl", "restart", unit.name)
        assert _kill(machine, unit.name) < KILLS
        assert machine.property(unit.name, "ActiveState") == "failed"
    finally:  # the other tests may come later
        machine.shell(f"rm {drop_in}; systemctl daemon-reload; systemctl reset-failed {unit.name}")


def _drop_in(machine: Machine, unit: str, section: str, line: str) -> str:
    """Add a line to a unit. Returns the file that has it."""
    folder = f"/run/systemd/system/{unit}.d"
    path = f"{folder}/{line.partition('=')[0]}.conf"
    machine.shell(f"mkdir -p {folder}; printf '%s\\n%s\\n' '{section}' '{line}' > {path}")
    machine.run("systemctl", "daemon-reload")
    return path


def _kill(machine: Machine, unit: str) -> int:
    """Kill a unit's process each time it runs. Returns the number of restarts."""

    def has_failed() -> bool:
        return machine.property(unit, "ActiveState") == "failed"

    restarts = 0
    while restarts < KILLS:
        machine.wait("running or failed", lambda: machine.property(unit, "MainPID") != "0" or has_failed())
        if has_failed():
            break
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
        killed = restarts
        machine.wait(
            "restarted or failed",
            lambda: int(machine.property(unit, "NRestarts")) > killed or has_failed(),  # noqa: B023 - called at once
        )
        restarts = int(machine.property(unit, "NRestarts"))
    return restarts
