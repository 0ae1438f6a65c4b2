"""A machine on which systemd really runs: Debian's own, as the first process of new namespaces."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.child_processes import children
from tests.systemd.units import require

_BOOT = Path(__file__).with_name("boot.sh")
_BOOT_S = 60
SETTLE_S = 60
"""A shared machine may be slow; nothing here waits longer than it must."""


class Machine:
    """A booted machine; `run` and `shell` run commands inside it."""

    def __init__(self, first_process: int) -> None:
        self._first_process = first_process
        self._enter = [
            "nsenter",
            "--all",
            f"--target={first_process}",
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ]

    def is_up(self) -> bool:
        """Whether its first process is alive."""
        return Path(f"/proc/{self._first_process}").exists()

    def command(self, *command: str) -> list[str]:
        """What runs a command in it."""
        return [*self._enter, *command]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command and return its standard output. With `check`, fails unless it succeeds."""
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, text: str) -> str:
        """Run a line of shell."""
        return self.run("sh", "-euc", text)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, from systemctl show."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def journal(self, *arguments: str) -> str:
        """What was logged until now, from journalctl; the journal may get the last lines of a unit after its end."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", *arguments)

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        ends = time.monotonic() + SETTLE_S
        while not is_so():
            if time.monotonic() > ends:
                journal = self.run("journalctl", "--no-pager", "-n", "40", check=False)
                pytest.fail(f"not within {SETTLE_S} s: {what}\n{journal}")
            time.sleep(0.2)

    def wait_active(self, *units: str) -> None:
        """Wait until the units are active and ready."""
        self.wait(
            f"{units} active", lambda: all(self.property(unit, "ActiveState") == "active" for unit in units)
        )


@contextmanager
def booted(scratch: Path) -> Iterator[Machine]:
    """A booted machine; at the end all its processes are killed. Skips, with the reason, where that is impossible."""
    unshare = require("unshare")
    if not Path("/lib/systemd/systemd").exists():
        pytest.skip("systemd is not here")
    if os.geteuid() != 0:
        pytest.skip("only root boots a machine in namespaces")
    scratch.mkdir()
    with _control_group() as group:
        yield from _boot(unshare, scratch, group)


@contextmanager
def _control_group() -> Iterator[Path]:
    """A control group for one machine, removed at the end.

    Two machines in one group would share the groups of their services too: what stops a service of one, or filters
    its traffic, would do it to the other's.
    """
    found = [
        fields.split()[4]
        for fields, kind in (
            line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()
        )
        if kind.startswith("cgroup2 ")
    ]
    if not found:
        pytest.skip("this machine has no cgroup2")
    (own,) = re.findall("^0::/(.*)$", Path("/proc/self/cgroup").read_text(), flags=re.MULTILINE)
    group = Path(tempfile.mkdtemp(prefix="stagelog-test-", dir=Path(found[0]) / own))
    try:
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove a control group, once the processes that were killed are gone."""
    ends = time.monotonic() + SETTLE_S
    for folder, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                Path(folder).rmdir()
                break
            except OSError:
                assert time.monotonic() < ends, f"{folder} is still in use"
                time.sleep(0.05)


def _boot(unshare: str, scratch: Path, group: Path) -> Iterator[Machine]:
    spaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"]
    site = sysconfig.get_path("purelib")
    checkout = str(Path(__file__).parents[2])
    with (scratch.parent / "console").open("w+") as console:
        process = subprocess.Popen(
            [
                "sh",
                "-euc",
                'echo $$ > "$0/cgroup.procs"; exec "$@"',
                str(group),
                unshare,
                *spaces,
                "--propagation=private",
                "sh",
                str(_BOOT),
                str(scratch),
                sys.base_prefix,
                site,
                checkout,
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        try:
            machine = _wait_for_boot(process)
            if machine is None:
                console.seek(0)
                pytest.skip(f"no machine can be booted here: {console.read()[-300:].strip()}")
            yield machine
        finally:
            process.send_signal(signal.SIGKILL)  # takes the first process inside with it, and that all others
            process.wait()


def _wait_for_boot(process: subprocess.Popen[bytes]) -> Machine | None:
    ends = time.monotonic() + _BOOT_S
    while process.poll() is None and time.monotonic() < ends:
        first = next(iter(children(process.pid)), None)
        if first is not None and _is_systemd(first):
            machine = Machine(first)
            if machine.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
                return machine
        time.sleep(0.2)
    return None


def _is_systemd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
    except (FileNotFoundError, ProcessLookupError):  # it has ended: there is no machine
        return False
