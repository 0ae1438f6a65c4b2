"""Start this program in a child process that imports nothing from the working folder.

`python -m` and `python -c` look for modules in the working folder before the standard library. That folder may be a
stick or a folder of fetched logs, where a stranger's `json.py` would run.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAFE_PATH = "PYTHONSAFEPATH"
"""Makes a Python process skip the working folder; for processes that a library starts."""
_ROOT = Path(__file__).parents[2]
"""The folder of the packages: among the installed ones, or in a clone."""


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that starts a module of this program; run it with `environment`."""
    return (sys.executable, "-P", "-m", module, *arguments)


def environment(**more: str) -> dict[str, str]:
    """The environment in which the child finds the module, also in a clone that is not installed."""
    installed = {Path(place) for place in (*site.getsitepackages(), site.getusersitepackages())}
    places = [str(_ROOT)] if _ROOT not in installed else []
    places += filter(None, [os.environ.get("PYTHONPATH")])
    return {**os.environ, **({"PYTHONPATH": os.pathsep.join(places)} if places else {}), **more}


@contextmanager
def safe_path() -> Iterator[None]:
    """Python processes that a library starts in the body skip the working folder too."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before
