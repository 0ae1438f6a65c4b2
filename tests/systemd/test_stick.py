"""A stick under a real systemd: mounted only for the service, filled, unmounted; other sticks are left alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.logger.stick.conftest import STICK_MB, image
from tests.systemd.machine import Machine, booted

pytestmark = pytest.mark.load_sensitive

RECORDER = "stagelog-recorder.service"
DROP_INS = "/run/systemd/system/stagelog-stick@.service.d"
CGROUP = "/sys/fs/cgroup/system.slice/system-stagelog\\\\x2dstick.slice"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A recording machine; its sticks are loop devices, which its unit is allowed."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.shell(
            "/opt/stagelog/bin/stagelog install --program /opt/stagelog/bin/stagelog --yes;"
            f" mkdir -p {DROP_INS} /dev/disk/by-label;"
            f" printf '[Service]\\nDeviceAllow=block-loop rw\\n' > {DROP_INS}/loop.conf;"
            " systemctl daemon-reload"
        )
        up.wait_active(RECORDER)
        yield up


@contextmanager
def in_hand(machine: Machine, place: Path, *, label: str = "", marked: bool = False) -> Iterator[str]:
    """Plug in a stick; return its device name."""
    uid, gid = machine.run("id", "-u", "stagelog").strip(), machine.run("id", "-g", "stagelog").strip()
    options = ["-E", f"root_owner={uid}:{gid}", *(["-L", label] if label else [])]
    if marked:
        (place.parent / "on-it").mkdir()
        (place.parent / "on-it/stagelog-sync").touch()
        options += ["-d", str(place.parent / "on-it")]
    with image(place, "ext4", *options) as device:
        name = Path(device).name
        machine.run("mknod", device, "b", "7", name.removeprefix("loop"))
        if label:
            machine.run("ln", "-s", device, f"/dev/disk/by-label/{label}")
        try:
            yield name
        finally:
            machine.run("rm", "-f", device, f"/dev/disk/by-label/{label or 'none'}")


def looked_into(machine: Machine, name: str) -> dict[str, str]:
    """The files on a pulled stick, with their digests."""
    found = machine.shell(
        f"mkdir -p /mnt/look; mount -o ro /dev/{name} /mnt/look; cd /mnt/look;"
        " find . -type f -exec sha256sum {} +; cd /; umount /mnt/look"
    )
    return {line[66:].removeprefix("./"): line[:64] for line in found.splitlines()}


def live(machine: Machine) -> dict[str, str | None]:
    """The state of the stick that the page shows."""
    line = machine.shell(
        "python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/stagelog/live.sock');"
        ' print(s.makefile().readline())"'
    )
    state: dict[str, str | None] = json.loads(line)["stick"]
    return state


@pytest.mark.parametrize("how", ["label", "marker"])
def test_a_plugged_stick_gets_the_logs(machine: Machine, tmp_path: Path, how: str) -> None:
    label, marked = ("STAGELOG", False) if how == "label" else ("", True)
    with in_hand(machine, tmp_path / "stick.img", label=label, marked=marked) as name:
        before = machine.run("cat", "/proc/self/mounts")
        machine.run("systemctl", "start", f"stagelog-stick@{name}.service")
        assert machine.run("cat", "/proc/self/mounts") == before
        journal = machine.journal(f"--unit=stagelog-stick@{name}.service")
        on_it = looked_into(machine, name)
    (log,) = (path for path in on_it if path.endswith(".db"))
    assert re.search(r"1 logs? copied", journal), journal
    noted = [
        json.loads(line)
        for line in machine.run("cat", "/var/lib/stagelog/delivered.jsonl").split("\n")
        if line
    ]
    assert noted[-1]["sha256"] == on_it[log]
    state = live(machine)
    assert state["state"] == "done" and str(state["detail"]).endswith("It may be pulled.")


def test_an_unlabelled_stick_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    with in_hand(machine, tmp_path / "stick.img", label="HOLIDAYS") as name:
        before = hashlib.sha256((tmp_path / "stick.img").read_bytes()).hexdigest()
        machine.run("systemctl", "start", f"stagelog-stick@{name}.service")
    assert hashlib.sha256((tmp_path / "stick.img").read_bytes()).hexdigest() == before


def test_a_stick_without_a_file_system_is_reported(machine: Machine, tmp_path: Path) -> None:
    with in_hand(machine, tmp_path / "stick.img", label="STAGELOG") as name:
        (tmp_path / "stick.img").write_bytes(bytes(STICK_MB << 20))
        machine.run("systemctl", "start", f"stagelog-stick@{name}.service", check=False)
    state = live(machine)
    assert state["state"] == "failed" and "format it as exFAT" in str(state["detail"])


def test_the_copying_process_has_no_capabilities(machine: Machine, tmp_path: Path) -> None:
    """The copying process is held up at the recorder's socket and inspected."""
    with in_hand(machine, tmp_path / "stick.img", label="STAGELOG") as name:
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", RECORDER)
        machine.run("systemctl", "start", "--no-block", f"stagelog-stick@{name}.service")

        def statuses() -> list[str]:
            listed = f"cat {CGROUP}/stagelog-stick@{name}.service/cgroup.procs || true"
            pids = machine.shell(listed).split()
            return [machine.run("cat", f"/proc/{pid}/status", check=False) for pid in pids]

        machine.wait("two processes", lambda: len(statuses()) >= 2)
        parent, child, *_ = statuses()
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=CONT", RECORDER)
        assert re.search(r"CapEff:\s+0000000000200000\n", parent), "CAP_SYS_ADMIN and no other"
        assert re.search(r"CapEff:\s+0{16}\n", child) and re.search(r"CapPrm:\s+0{16}\n", child)
        machine.wait(
            "done", lambda: machine.property(f"stagelog-stick@{name}.service", "ActiveState") == "inactive"
        )
