"""Run a module with threads that the kernel knows by their Python names: `python named_threads.py MODULE ARGUMENTS`.

Python 3.14 names them itself.
"""

import runpy
import sys
import threading
from pathlib import Path

_LONGEST = 15
"""Characters of a thread's name in Linux."""
_run = threading.Thread.run


def _name(name: str) -> None:
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:_LONGEST])


def _named_run(self: threading.Thread) -> None:
    _name(self.name)
    _run(self)


if __name__ == "__main__":
    _name("main")
    threading.Thread.run = _named_run  # type: ignore[method-assign]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
