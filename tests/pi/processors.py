"""Commands that run a program on an emulated processor: this machine's, or a Raspberry Pi's in its Debian."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

CHECKOUT = Path(__file__).resolve().parents[2]
_ENTER = Path(__file__).with_name("enter.sh")
_PYTHON = "/opt/stagelog/bin/python3"
"""The package's Python, in a root."""


class Emulator(NamedTuple):
    """QEMU's user mode."""

    name: str
    """The program that loads plugins; the static one of qemu-user-static, which the kernel starts, does not."""
    cpu: str
    """QEMU's own choice has pointer authentication, as no Pi here; in trixie it takes four fifths of the time."""


EMULATORS = {"arm64": Emulator("qemu-aarch64", "cortex-a53"), "armhf": Emulator("qemu-arm", "cortex-a7")}
"""By Debian's architecture, with the processors of a Pi 3 or Zero 2 W, and of a Pi 2."""
_LIBRARIES = (Path("/lib64"), Path("/usr/lib/x86_64-linux-gnu"))
"""Where the emulator's loader and libraries are."""
_NETWORK = (Path("/etc/resolv.conf"), Path("/etc/ssl"), Path("/etc/pip.conf"))
NETWORK = tuple(path for path in _NETWORK if path.exists())
PROXIES = {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
"""How pip in a root reaches the package index: by the files of this machine, and the variables of its environment."""


def in_root(root: Path, command: Sequence[str], *shown: Path, architecture: str = "arm64") -> list[str]:
    """The command for a program of a root, which sees the paths `shown`.

    The kernel starts QEMU for each program of a Pi's processor; in the root `/` too, as on a booted Debian.
    """
    entering = ["env", f"QEMU_CPU={EMULATORS[architecture].cpu}", "unshare", "--mount", "sh", str(_ENTER)]
    return [*entering, str(root), *map(str, shown), "--", *command]


class Processor(Protocol):
    """An emulated processor and the system around it."""

    def python(self, arguments: Sequence[str], folder: Path, options: Sequence[str] = ()) -> list[str]:
        """The command for Python with `arguments`. It sees the checkout and `folder`; `options` are for QEMU."""


class Native:
    """This machine's processor, emulated only to count its instructions."""

    emulator = "qemu-x86_64"

    def python(self, arguments: Sequence[str], folder: Path, options: Sequence[str] = ()) -> list[str]:
        """See Processor."""
        return [self.emulator, *options, sys.executable, *arguments]


class Pi(NamedTuple):
    """A Pi's processor in the root of a Debian (roots.py)."""

    root: Path
    architecture: str

    def python(self, arguments: Sequence[str], folder: Path, options: Sequence[str] = ()) -> list[str]:
        """See Processor."""
        qemu = Path(str(shutil.which(EMULATORS[self.architecture].name)))
        return self.command([str(qemu), *options, _PYTHON, *arguments], folder, CHECKOUT, qemu, *_LIBRARIES)

    def command(self, command: Sequence[str], *shown: Path) -> list[str]:
        """The command for a program of the root, which sees the paths `shown`."""
        return in_root(self.root, command, *shown, architecture=self.architecture)
