"""The Debian package, built once for all workers of a run of the tests, and in each worker one machine for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import CREW, QUIETLY, RECORDER, built_packages, install, status
from tests.systemd.machine import Machine, booted


@pytest.fixture(scope="session")
def packages(testrun_uid: str) -> Iterator[Path]:
    """A folder with old.deb, new.deb and answers."""
    with built_packages(testrun_uid) as folder:
        yield folder


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine for the package, with a small /opt, and a person whose account has the recorder's name."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("mount", "-t", "tmpfs", "-o", "size=400M,mode=755", "tmpfs", "/opt")
        up.run("useradd", "--create-home", "--user-group", "stagelog")
        yield up


@pytest.fixture
def absent(workshop: Machine, packages: Path) -> Machine:
    """The machine without the package, its configuration and its logs, with answers for an installation."""
    if status(workshop):
        workshop.run(*QUIETLY, "dpkg", "--purge", "stagelog", check=False)
    workshop.shell("rm -rf /var/lib/stagelog* /opt/*")
    workshop.run("debconf-set-selections", str(packages / "answers"))
    return workshop


@pytest.fixture
def present(workshop: Machine, packages: Path) -> Machine:
    """The machine with the package, recording."""
    if status(workshop) != "installed":
        workshop.run("debconf-set-selections", str(packages / "answers"))
        install(workshop, packages / "old.deb")
    workshop.wait_active(RECORDER, CREW)
    return workshop
