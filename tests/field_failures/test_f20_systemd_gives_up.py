"""F20: systemd gives up after five quick failures, and the car drives on without a recorder (ebusd, mbusd)."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from tests.systemd.units import UNITS, read, values

SHORTEST_PAUSE_S = 1.0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_f20_it_is_started_again_for_ever(unit: Path) -> None:
    assert values(unit, "Service", "Restart") == ["always"]
    assert values(unit, "Unit", "StartLimitIntervalSec") == ["0"]
    assert [line for line in read(unit) if line.key.startswith("StartLimit")] == [
        line for line in read(unit) if (line.section, line.key) == ("Unit", "StartLimitIntervalSec")
    ], "in another section systemd ignores it, and a burst or action would count again"
    (pause,) = values(unit, "Service", "RestartSec")
    assert float(pause) >= SHORTEST_PAUSE_S
    print(f"{unit.stem}: restarted every {pause} s without a limit")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_f20_only_a_wrong_configuration_is_final(unit: Path) -> None:
    """It does not mend itself; a missing device or a card that cannot be written may."""
    (final,) = values(unit, "Service", "RestartPreventExitStatus")
    assert final.split() == [str(ConfigurationError.exit_code)]
    assert str(DeviceError.exit_code) not in final.split()
    assert str(LogError.exit_code) not in final.split()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_f20_nothing_that_can_fail_for_good_holds_it_back(unit: Path) -> None:
    """A unit whose requirement failed, or whose condition did not hold, is not restarted: Restart= is not asked."""
    binding = ("Requires", "Requisite", "BindsTo", "RequiresMountsFor", "StateDirectory", "OnFailure")
    refusing = [
        line for line in read(unit) if line.key in binding or line.key.startswith(("Condition", "Assert"))
    ]
    assert refusing == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_f20_one_that_hangs_is_ended_and_started_again(unit: Path) -> None:
    assert values(unit, "Service", "Type") == ["notify"]
    (period,) = values(unit, "Service", "WatchdogSec")
    (start,) = values(unit, "Service", "TimeoutStartSec")
    (stop,) = values(unit, "Service", "TimeoutStopSec")
    assert 0 < float(period) <= 60
    assert 0 < float(start) < float("inf") and 0 < float(stop) < float("inf")
