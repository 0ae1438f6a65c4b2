"""The units and udev rules, checked by systemd's own tools: valid, and with no more rights than needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from logger.config.configuration import Live
from logger.install import plan
from logger.install.plan import shipped
from logger.recorder.power import REQUEST
from tests.figures import Figures
from tests.systemd.units import (
    CAN,
    CREW,
    FOLDER,
    POWER_OFF,
    RECORDER,
    SOCKETCAN,
    STICK,
    UNITS,
    read,
    require,
    values,
)

EXPOSURE_LIMIT = {RECORDER: 1.0, CREW: 1.5, STICK: 1.2, POWER_OFF: 0.5, CAN: 1.5}

VERIFIED = (
    *plan.UNITS,
    "stagelog-stick@sda1.service",
    "stagelog-power-off.path",
    "stagelog-power-off.service",
    "stagelog-can@can0.service",
)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The files of a complete installation beside systemd's own units."""
    systemd = Path("/lib/systemd/system")
    if not (systemd / "basic.target").exists():
        pytest.skip("systemd's own units are not here")
    steps = plan.installation(
        shipped(), program="/opt/stagelog/bin/stagelog", configuration=b"", options=plan.OPTIONS
    )
    for step in steps:
        if isinstance(step, plan.Folder):
            (tmp_path / step.path[1:]).mkdir()
        elif isinstance(step, plan.File):
            (tmp_path / step.path[1:]).write_bytes(step.content)
        elif isinstance(step, plan.Link):
            (tmp_path / step.path[1:]).symlink_to(step.target)
    shutil.copytree(systemd, tmp_path / "lib/systemd/system", symlinks=True)
    for program in ("opt/stagelog/bin/stagelog", "bin/kill", "bin/rm", "bin/sh", "sbin/modprobe"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    return tmp_path


def verify(machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            require("systemd-analyze"),
            "verify",
            f"--root={machine}",
            *plan.UNITS,
            "stagelog-stick@sda1.service",
            "stagelog-can@can0.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_units_verify(machine: Path) -> None:
    result = verify(machine)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong"), [("WatchdogSec=20", "WatchdogSecs=20"), ("Type=notify", "Type=notifies")]
)
def test_the_verification_finds_a_mistake(machine: Path, right: str, wrong: str) -> None:
    unit = machine / "etc/systemd/system/stagelog-recorder.service"
    unit.write_text(unit.read_text().replace(right, wrong))
    result = verify(machine)
    assert wrong.partition("=")[0 if right.partition("=")[0] not in wrong.split("=") else 2] in result.stderr


def test_systemctl_enable_gives_the_same_links_as_the_installer(machine: Path) -> None:
    def wants() -> dict[str, Path]:
        folder = machine / "etc/systemd/system/multi-user.target.wants"
        return {path.name: path.readlink() for path in folder.iterdir()}

    ours = wants()
    enabled = (*plan.UNITS, *plan.STARTED.values())
    assert set(ours) == set(enabled)
    systemctl = [require("systemctl"), f"--root={machine}"]
    subprocess.run([*systemctl, "disable", *enabled], check=True, capture_output=True)
    subprocess.run([*systemctl, "enable", *enabled], check=True, capture_output=True)
    assert wants() == ours


def exposure(unit: Path) -> tuple[float, set[str]]:
    """systemd's exposure score of a unit, and the directives that raise it."""
    command = [require("systemd-analyze"), "security", "--offline=yes", "--no-pager"]
    result = subprocess.run(
        [*command, "--threshold=100", str(unit)], capture_output=True, text=True, check=True
    ).stdout
    (figure,) = (
        float(line.split(":")[1].split()[0])
        for line in result.splitlines()
        if "Overall exposure level" in line
    )
    lax = subprocess.run(
        [*command, "--json=short", "--threshold=100", str(unit)], capture_output=True, text=True, check=True
    )
    found = {
        name.partition("=")[0]
        for row in json.loads(lax.stdout)
        if row["set"] is False
        for name in row["name"].split("/")
    }
    return figure, found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_exposure_score_is_low(unit: Path, figures: Figures) -> None:
    figure, _ = exposure(unit)
    figures.note(f"{unit.stem}: exposure {figure:.1f}, at most {EXPOSURE_LIMIT[unit]:.1f}")
    assert figure <= EXPOSURE_LIMIT[unit]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_relaxed_directive_has_a_reason(unit: Path) -> None:
    _, lax = exposure(unit)
    written = [line for line in read(unit) if line.key in lax]
    assert written or unit == POWER_OFF, (
        "systemd reports no relaxed directive, so this test parses its output wrongly"
    )
    assert [line for line in written if not line.reason] == []


def test_the_recorder_has_serial_ports_and_no_network() -> None:
    assert values(RECORDER, "Service", "PrivateNetwork") == ["yes"]
    assert values(RECORDER, "Service", "RestrictAddressFamilies") == ["AF_UNIX"]
    assert values(RECORDER, "Service", "DevicePolicy") == ["closed"]
    assert sorted(values(RECORDER, "Service", "DeviceAllow")) == [
        "char-ttyACM rw",
        "char-ttyAMA rw",
        "char-ttyS rw",
        "char-ttyUSB rw",
    ]


def test_with_socketcan_the_recorder_still_has_no_ip_network(tmp_path: Path, figures: Figures) -> None:
    """Only the drop-in's families are added; systemd merges the address families of both files."""
    added = {(line.key, line.value) for line in read(SOCKETCAN) if line.section == "Service"}
    assert added == {("PrivateNetwork", "no"), ("RestrictAddressFamilies", "AF_CAN AF_NETLINK")}
    assert values(RECORDER, "Service", "IPAddressDeny") == ["any"]
    both = tmp_path / RECORDER.name
    unit = RECORDER.read_text().replace(
        "[Install]", SOCKETCAN.read_text().partition("\n\n")[2] + "\n[Install]"
    )
    both.write_text(unit)
    figure, lax = exposure(both)
    figures.note(f"{RECORDER.stem} with socketcan: exposure {figure:.1f}, at most 1.5")
    assert figure <= 1.5
    assert [line for line in read(SOCKETCAN) if line.key in lax and not line.reason] == []


def test_the_canup_service_has_one_capability() -> None:
    for key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert values(CAN, "Service", key) == ["CAP_NET_ADMIN"]
    assert values(CAN, "Service", "RestrictAddressFamilies") == ["AF_NETLINK"]
    (command,) = values(CAN, "Service", "ExecStart")
    assert command == f"{plan.PROGRAM} canup %i -c {plan.CONFIGURATION}"


def test_with_gpsd_the_recorder_reaches_only_this_machine() -> None:
    """With the drop-in, IPAddressDeny=any of the unit still holds, and address families add up."""
    assert values(RECORDER, "Service", "IPAddressDeny") == ["any"]
    assert [(line.key, line.value) for line in read(FOLDER / "gpsd.conf")] == [
        ("PrivateNetwork", "no"),
        ("IPAddressAllow", "localhost"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6"),
    ]


def test_the_crew_server_has_no_devices_and_cannot_write_logs() -> None:
    assert values(CREW, "Service", "PrivateDevices") == ["yes"]
    assert values(CREW, "Service", "DeviceAllow") == []
    assert values(CREW, "Service", "ProtectSystem") == ["strict"]
    writable = ("ReadWritePaths", "StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory")
    found = [line for line in read(CREW) if line.key in writable or line.key.startswith("Bind")]
    assert [(line.key, line.value) for line in found] == [("ReadWritePaths", f"-{plan.CREW_STATE}")]


def test_the_recorder_may_write_only_logs_and_its_socket() -> None:
    assert values(RECORDER, "Service", "ProtectSystem") == ["strict"]
    assert values(RECORDER, "Service", "ReadWritePaths") == [plan.LOGS]
    assert values(RECORDER, "Service", "RuntimeDirectory") == ["stagelog"]
    assert values(RECORDER, "Service", "StateDirectory") == [], "it would bind the recorder to a mount"


@pytest.mark.parametrize("unit", (RECORDER, CREW), ids=lambda unit: unit.stem)
def test_the_services_wait_for_no_network_no_time_and_not_for_each_other(unit: Path) -> None:
    """The default dependencies (local file systems) are enough; a driver module loads in milliseconds."""
    ordering = (
        "After",
        "Requires",
        "Requisite",
        "BindsTo",
        "PartOf",
        "Wants",
        "Upholds",
        "RequiresMountsFor",
    )
    named = {name for line in read(unit) if line.key in ordering for name in line.value.split()}
    assert {name for name in named if not name.startswith("modprobe@")} == set()


def test_drivers_of_allowed_devices_are_loaded_first() -> None:
    """DeviceAllow= looks drivers up at the start: one loaded by a later plug would be forbidden."""
    for key in ("Wants", "After"):
        assert set(" ".join(values(RECORDER, "Unit", key)).split()) == {
            "modprobe@usbserial.service",
            "modprobe@cdc_acm.service",
        }


def test_the_stick_service_has_one_capability_and_one_kind_of_device() -> None:
    for key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert values(STICK, "Service", key) == ["CAP_SYS_ADMIN"]
    assert values(STICK, "Service", "DeviceAllow") == ["block-sd rw"]
    assert values(STICK, "Service", "ReadWritePaths") == [plan.LOGS]
    assert values(STICK, "Service", "PrivateMounts") == ["yes"]


def test_the_switch_off_service_has_no_capabilities() -> None:
    """systemd acts on its success; the request is the recorder's file in the folder of its socket."""
    assert values(POWER_OFF, "Unit", "SuccessAction") == ["poweroff"]
    assert values(POWER_OFF, "Service", "CapabilityBoundingSet") == [""]
    (waited_for,) = values(POWER_OFF.with_suffix(".path"), "Path", "PathExists")
    assert Path(waited_for) == Live().socket.with_name(REQUEST)
    assert values(POWER_OFF, "Service", "ExecStart") == [f"/bin/rm -f {waited_for}"]


def test_the_units_use_the_installed_users() -> None:
    accounts = {step.name: step.group for step in _steps() if isinstance(step, plan.Account)}
    running = {values(unit, "Service", "User")[0]: values(unit, "Service", "Group")[0] for unit in UNITS}
    assert running == accounts


def _steps() -> tuple[plan.Step, ...]:
    return plan.installation(shipped(), program="/opt/x", configuration=b"")


def test_every_file_in_systemd_is_installed_or_documented() -> None:
    there = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert there == {*plan.SHIPPED, *(name for files in plan.OPTIONS.values() for name in files), "README.md"}
    explained = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in there - {"README.md"}:
        assert name in explained


def test_udev_accepts_the_rules(tmp_path: Path) -> None:
    """udevadm verifies them with the machine's own rules, in a mount namespace, and reports nothing."""
    udevadm, unshare = require("udevadm"), require("unshare")
    device = next(iter(sorted(Path("/sys/class/tty").glob("tty*"))), None)
    if os.geteuid() != 0 or device is None:
        pytest.skip("needs root and a terminal device to try the rules on")
    wrong = tmp_path / "98-wrong.rules"
    wrong.write_text('SUBSYSTEM="tty"\n')
    result = subprocess.run(
        [unshare, "--mount", "sh", "-euc", _TRY_RULES, "sh", str(FOLDER), str(wrong), udevadm, str(device)],
        capture_output=True,
        text=True,
        check=False,
    )
    output = result.stdout + result.stderr
    if "70-stagelog.rules" not in output:
        pytest.skip(f"no mount namespace here: {output.strip()[:200]}")
    complaints = [line for line in output.splitlines() if "/run/udev/rules.d/" in line and ".rules:" in line]
    assert [line for line in complaints if "70-stagelog" in line or "90-stagelog" in line] == []
    assert [line for line in complaints if "98-wrong" in line], "udevadm reports a wrong rule"


_TRY_RULES = """
mkdir -p /run/udev
mount -t tmpfs tmpfs /run/udev
mkdir /run/udev/rules.d
cp "$1"/*.rules "$2" /run/udev/rules.d
"$3" test "$4" 2>&1
"""
