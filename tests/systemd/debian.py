"""The Debian package of this checkout, and what the tests do with it on a booted machine."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from tests.systemd.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
RECORDER, CREW = "stagelog-recorder.service", "stagelog-crew.service"
HOME, CONFIGURATION = "/opt/stagelog", "/etc/stagelog/stagelog.toml"
FILL = "fallocate -l $(($(df --output=avail -B1 /opt | tail -1) - 2000000)) /opt/full"
"""The shell's command that leaves too little space for the package."""
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
    for program in ("dpkg-deb", "debconf-set-selections", "ar"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = Path("/var/tmp") / f"stagelog-packages-{run}"  # noqa: S108 - a machine sees it, unlike /tmp
    with _in_use(folder) as in_use:
        try:
            with (folder / "building").open("w") as building:  # the others wait for the end of this only
                fcntl.flock(building, fcntl.LOCK_EX)
                if not (folder / "answers").exists():
                    _build(folder)
            yield folder
        finally:
            with suppress(BlockingIOError):  # another worker still uses it
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder.rename(f"{folder}-{os.getpid()}"))  # at once for the others


def _in_use(folder: Path) -> IO[str]:
    """A file in the folder, made if there is none, with a shared lock: until it is closed nobody removes the folder."""
    while True:
        folder.mkdir(mode=0o755, exist_ok=True)
        with suppress(FileNotFoundError), ExitStack() as stack:  # a worker has just moved the folder away
            file = stack.enter_context((folder / "in-use").open("w"))
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(file.fileno()), (folder / "in-use").stat()):
                stack.pop_all()
                return file


def _build(folder: Path) -> None:
    build = [sys.executable, str(ROOT / "systemd/debian/build.py"), "--without-review", "-o", str(folder)]
    subprocess.run(build, check=True)
    (built,) = folder.glob("stagelog_*.deb")
    built.rename(folder / "old.deb")
    _with_version(NEWER, folder)
    (folder / "answers").write_text(_ANSWERS)


def _with_version(version: str, folder: Path) -> None:
    """Make new.deb of old.deb: the same files, which are not packed again, with another version."""

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True)

    run("dpkg-deb", "--control", "old.deb", "control")
    control = folder / "control/control"
    control.write_text(re.sub("^Version: .*", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    run("tar", "--owner=0", "--group=0", "-C", "control", "-cJf", "control.tar.xz", ".")
    shutil.copyfile(folder / "old.deb", folder / "new.deb")
    run("ar", "r", "new.deb", "control.tar.xz")


def install(machine: Machine, package: Path, check: bool = True) -> str:
    """Install a package without questions. Returns dpkg's output."""
    command = ["dpkg", "--force-downgrade", "-i", str(package)]
    return machine.run("sh", "-c", f"exec {' '.join((*QUIETLY, *command))} 2>&1", check=check)


def status(machine: Machine) -> str:
    """dpkg's state of the package; "" if it does not know it."""
    return machine.run("dpkg-query", "-f", "${db:Status-Status}", "-W", "stagelog", check=False)


def logs(machine: Machine) -> list[str]:
    """The paths of the logs."""
    return machine.shell("ls /var/lib/stagelog/*.db").split()
