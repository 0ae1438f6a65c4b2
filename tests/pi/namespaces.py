"""Process and mount namespaces of a step's own: however it ends, SIGKILL included, the kernel ends what it started.

Its processes and mounts end with its first process. Its temporary files are on a file system of their own, in a file
that has no name any more and ends with its mount.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.pi import roots

_CLONE_NEWNS, _CLONE_NEWPID, _PR_SET_PDEATHSIG = 0x20000, 0x20000000, 1
"""Of Linux's sched.h and prctl.h."""
_SCRATCH_BYTES = 64 << 30
"""Size of the file system for temporary files. It takes from the disk what is in it."""
_MEMORY = "memory"
_KILLED = 128
"""Added to a signal, the exit code of a process that it ended."""


def enter(folder: Path) -> None:
    """Go on in a new process with namespaces of its own, and temporary files in `folder`. Needs root.

    The old process waits for it and exits with its exit code. SIGTERM, SIGKILL or Ctrl-C end both.
    """
    folder = folder.resolve() / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    _call("unshare", _CLONE_NEWPID)  # for the children of this process
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.exit(code if code >= 0 else _KILLED - code)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    _call("unshare", _CLONE_NEWNS)
    roots.run("mount", "--make-rprivate", "/")
    roots.run("mount", "-t", "proc", "proc", "/proc")
    descriptor, image = tempfile.mkstemp(dir=folder.parent)
    os.truncate(descriptor, _SCRATCH_BYTES)
    os.close(descriptor)
    roots.run("mkfs.ext4", "-q", "-O", "^has_journal", image)
    roots.run("mount", "-o", "loop,discard", image, str(folder))
    Path(image).unlink()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    memory().mkdir()
    roots.run("mount", "-t", "tmpfs", "tmpfs", str(memory()))


def memory() -> Path:
    """A folder for temporary files in memory, half of it at most."""
    return Path(tempfile.gettempdir()) / _MEMORY


def _call(function: str, *arguments: int) -> None:
    """Call a function of libc. OSError if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc[function](*map(ctypes.c_ulong, arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
