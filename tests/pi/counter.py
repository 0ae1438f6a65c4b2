"""Instructions of an emulated program by thread, counted by a plugin of QEMU (count_instructions.c).

QEMU runs a Linux program of another processor in user mode: it translates the program's instructions, and passes its
system calls to this machine's kernel. The plugin counts what the program itself executes, as `perf stat -e
instructions:u` does on a real processor. So the figure leaves out the kernel's part (ports, socket, card), and does not
say how many cycles an instruction takes; it hardly depends on how busy this machine is.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SOURCE = Path(__file__).with_name("count_instructions.c")
_SLOTS = 1024
_HEAD, _SLOT = struct.Struct("<QQ"), struct.Struct("<QQ")


class Counter:
    """A compiled plugin and the file in which it counts."""

    def __init__(self, folder: Path) -> None:
        """Compile the plugin into `folder`. It counts one program."""
        self._plugin, self._counts = folder / "count_instructions.so", folder / "counts"
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", str(self._plugin), str(_SOURCE)], check=True)
        self._counts.write_bytes(bytes(_HEAD.size + _SLOTS * _SLOT.size))

    @property
    def options(self) -> Sequence[str]:
        """QEMU's options."""
        return ("-plugin", f"{self._plugin},counts={self._counts}")

    def by_thread(self) -> dict[int, int]:
        """Instructions so far, by the thread's id in this machine's kernel."""
        data = self._counts.read_bytes()[_HEAD.size :]
        return {thread: count for thread, count in _SLOT.iter_unpack(data) if thread}
