"""Child processes of a running process, from /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> set[int]:
    """The child processes that the threads of a process have started.

    Any thread may end meanwhile: the kernel then gives its children to another thread, so a second call finds all.
    """
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found.update(map(int, (thread / "children").read_text().split()))
    return found
