"""The Debian package on a machine booted with systemd: installed with answers, updated, downgraded, purged."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import CREW, PIN, RECORDER, ROOT, install, logs
from tests.systemd.machine import Machine, booted

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def machine(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the package was installed with answers."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("debconf-set-selections", str(packages / "answers"))
        install(up, packages / "old.deb")
        yield up


def test_lintian_finds_no_error_and_no_warning(packages: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", "old.deb"]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_path_of_the_building_machine_is_in_the_package(packages: Path) -> None:
    files = [path for path in (packages / "tree").rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    for path in files:
        assert os.fsencode(ROOT) + b"/" not in path.read_bytes(), path


def test_an_installation_records_and_serves(machine: Machine) -> None:
    machine.wait_active(RECORDER, CREW)
    assert machine.run("readlink", "-f", "/usr/local/bin/stagelog") == "/opt/stagelog/bin/stagelog\n"
    machine.run("test", "-d", "/opt/stagelog/lib/pure/logger/__pycache__")
    machine.run("test", "!", "-e", "/opt/stagelog/lib/pure/pygments/__pycache__")
    text = machine.run("cat", "/etc/stagelog/stagelog.toml")
    for answer in ("501", "/dev/ttyACM7", "gvret", "250000", PIN):
        assert answer in text
    assert "501" in logs(machine)[0]
    assert "whole" in machine.run("/usr/local/bin/stagelog", "verify", *logs(machine))


def test_the_pin_is_not_kept_by_debconf(machine: Machine) -> None:
    assert machine.shell(f"grep -r {PIN} /var/cache/debconf || echo none") == "none\n"


def test_another_version_keeps_configuration_and_logs(machine: Machine, packages: Path) -> None:
    before, text = logs(machine), machine.run("cat", "/etc/stagelog/stagelog.toml")
    for package in ("new.deb", "old.deb"):
        started = machine.property(RECORDER, "ActiveEnterTimestampMonotonic")
        install(machine, packages / package)
        machine.wait_active(RECORDER, CREW)
        assert machine.property(RECORDER, "ActiveEnterTimestampMonotonic") != started
        assert machine.run("cat", "/etc/stagelog/stagelog.toml") == text
        assert set(before) <= set(logs(machine))


def test_purge_keeps_the_logs_alone(machine: Machine) -> None:
    before = logs(machine)
    machine.run("dpkg", "--remove", "stagelog")
    assert machine.property(RECORDER, "LoadState") == "not-found"
    assert machine.shell("ls /etc/stagelog") == "stagelog.toml\n"
    machine.run("dpkg", "--purge", "stagelog")
    left = "ls -d /etc/stagelog /usr/local/bin/stagelog /opt/stagelog/lib /etc/systemd/system/stagelog* 2>/dev/null"
    assert machine.shell(f"{left} || true") == ""
    assert logs(machine) == before
    machine.run("id", "stagelog")
