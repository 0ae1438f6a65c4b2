"""The Debian package of this checkout, and what the tests do with it on a booted machine."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.systemd.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
RECORDER, CREW = "stagelog-recorder.service", "stagelog-crew.service"
PIN = "4711-secret-pin"
NEWER = "99.0"
_ANSWERS = f"""\
stagelog stagelog/number string 501
stagelog stagelog/can-port string /dev/ttyACM7
stagelog stagelog/protocol select gvret
stagelog stagelog/bitrate string 250000
stagelog stagelog/pin password {PIN}
"""
QUIETLY = ("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")


@contextmanager
def built_packages(run: str) -> Iterator[Path]:
    """A folder with the package of this checkout, old.deb, a copy with a higher version, new.deb, and answers.

    The workers of one `run` of the tests share it: the first builds, the last removes it.
    """
    for program in ("dpkg-deb", "debconf-set-selections"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = Path("/var/tmp") / f"stagelog-packages-{run}"  # noqa: S108 - a machine sees it, unlike /tmp
    folder.mkdir(mode=0o755, exist_ok=True)
    with (folder / "in-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not (folder / "answers").exists():
                _build(folder)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield folder
        finally:
            with suppress(BlockingIOError):  # another worker still uses it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)


def _build(folder: Path) -> None:
    build = [sys.executable, str(ROOT / "systemd/debian/build.py"), "--without-review", "-o", str(folder)]
    subprocess.run(build, check=True)
    (built,) = folder.glob("stagelog_*.deb")
    built.rename(folder / "old.deb")
    subprocess.run(["dpkg-deb", "-R", "old.deb", "tree"], cwd=folder, check=True)
    control = folder / "tree/DEBIAN/control"
    control.write_text(re.sub("^Version: .*", f"Version: {NEWER}", control.read_text(), flags=re.MULTILINE))
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "-b", "tree", "new.deb"], cwd=folder, check=True)
    (folder / "answers").write_text(_ANSWERS)


def install(machine: Machine, package: Path, check: bool = True) -> str:
    """Install a package without questions. Returns dpkg's output."""
    command = ["dpkg", "--force-downgrade", "-i", str(package)]
    return machine.run("sh", "-c", f"exec {' '.join((*QUIETLY, *command))} 2>&1", check=check)


def logs(machine: Machine) -> list[str]:
    """The paths of the logs."""
    return machine.shell("ls /var/lib/stagelog/*.db").split()
