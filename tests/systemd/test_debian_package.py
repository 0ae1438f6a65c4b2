"""The Debian package on a machine booted with systemd: installed, updated, downgraded, removed, purged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.debian import (
    CONFIGURATION,
    CREW,
    FILL,
    HOME,
    PIN,
    QUIETLY,
    RECORDER,
    ROOT,
    install,
    logs,
)
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]


def test_lintian_finds_no_error_and_no_warning(packages: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", "old.deb"]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_path_of_the_building_machine_is_in_the_package(packages: Path) -> None:
    unpack = ["dpkg-deb", "--fsys-tarfile", "old.deb"]
    files = subprocess.run(unpack, cwd=packages, capture_output=True, check=True).stdout
    assert os.fsencode(ROOT) + b"/" not in files


def test_an_installation_records_and_serves(present: Machine) -> None:
    assert present.run("readlink", "-f", "/usr/local/bin/stagelog") == f"{HOME}/bin/stagelog\n"
    present.run("test", "-d", f"{HOME}/lib/pure/logger/__pycache__")
    present.run("test", "!", "-e", f"{HOME}/lib/pure/pygments/__pycache__")
    assert "501" in logs(present)[0]
    assert "whole" in present.run("/usr/local/bin/stagelog", "verify", *logs(present))
    assert present.shell(f"grep -r {PIN} /var/cache/debconf || echo none") == "none\n"


def test_another_version_keeps_what_the_owner_has(present: Machine, packages: Path) -> None:
    """Configuration, logs, a unit edited by hand, a service that is disabled, and a folder moved to another disk."""
    before, text = logs(present), present.run("cat", CONFIGURATION)
    unit = f"/etc/systemd/system/{RECORDER}"
    present.shell(f"echo '# by hand' >> {unit}; mv {HOME} /opt/other-disk; ln -s /opt/other-disk {HOME}")
    present.run("systemctl", "disable", "--now", CREW)
    for package in ("new.deb", "old.deb"):
        started = present.property(RECORDER, "ActiveEnterTimestampMonotonic")
        install(present, packages / package)
        present.wait_active(RECORDER)
        assert present.property(RECORDER, "ActiveEnterTimestampMonotonic") != started
        assert present.run("cat", CONFIGURATION) == text
        assert set(before) <= set(logs(present))
        assert present.run("systemctl", "is-enabled", CREW, check=False) == "disabled\n"
        assert present.property(CREW, "ActiveState") == "inactive"
        assert "# by hand" in present.run("cat", f"{unit}.edited-1")
        assert "# by hand" not in present.run("cat", unit)
        assert present.run("readlink", HOME) == "/opt/other-disk\n"
    present.shell(f"rm {HOME}; mv /opt/other-disk {HOME}; systemctl enable --now {CREW}")
    assert present.shell("ls -A /opt") == "stagelog\n"


def test_purge_keeps_the_logs_alone(present: Machine) -> None:
    before = logs(present)
    present.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert present.property(RECORDER, "LoadState") == "not-found"
    assert present.shell("ls /etc/stagelog") == "stagelog.toml\n"
    present.run(*QUIETLY, "dpkg", "--purge", "stagelog")
    units = "/etc/systemd/system/stagelog-*"
    left = f"ls -d /etc/stagelog /usr/local/bin/stagelog {HOME}/lib {units} 2>/dev/null"
    assert present.shell(f"{left} || true") == ""
    assert logs(present) == before
    present.run("id", "stagelog")


def test_what_was_there_before_returns(absent: Machine, packages: Path) -> None:
    """A virtual environment in its folder, a program of its name; also after the package's program was damaged.

    The modules of the environment would come before the package's on Python's path.
    """
    mine = "/usr/local/bin/stagelog"
    absent.shell(f"printf '#!/bin/sh\\necho mine\\n' > {mine}; chmod 755 {mine}")
    absent.run("python3", "-m", "venv", "--without-pip", HOME)
    version = re.sub(r".*?(\d+\.\d+).*\s", r"\1", absent.run("python3", "--version"))
    stale = f"{HOME}/lib/python{version}/site-packages/logger"
    absent.shell(f"mkdir {stale}; echo 'raise SystemExit(\"an older version\")' > {stale}/__init__.py")
    absent.shell(FILL)
    assert "No space left" in install(absent, packages / "old.deb", check=False)
    absent.run("rm", "/opt/full")
    assert absent.shell("ls -A /opt") == "stagelog\n", "it is back"
    absent.run("test", "-f", f"{stale}/__init__.py")

    assert "before-package-1" in install(absent, packages / "old.deb")
    absent.wait_active(RECORDER, CREW)
    assert "version" in absent.run(mine, "--version")
    absent.run("test", "-f", stale.replace(HOME, f"{HOME}.before-package-1") + "/__init__.py")
    text = absent.run("cat", CONFIGURATION)
    for answer in ("501", "/dev/ttyACM7", "gvret", "250000", PIN):
        assert answer in text

    absent.run("rm", "-r", f"{HOME}/lib", f"{HOME}.before-package-1")
    absent.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert absent.property(RECORDER, "ActiveState") == "inactive"
    install(absent, packages / "old.deb")
    absent.wait_active(RECORDER, CREW)
    absent.shell(f"systemctl stop {RECORDER} {CREW}; rm -rf /var/lib/stagelog/* /var/lib/stagelog-crew/*")
    absent.run(*QUIETLY, "dpkg", "--purge", "stagelog")
    assert absent.run(mine) == "mine\n"
    absent.run("rm", mine)
    found = absent.shell(
        "find /etc /opt /usr/local /usr/share /var/lib /var/cache/debconf /run -xdev -name '*stagelog*'"
    )
    assert found == ""
