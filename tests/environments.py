"""Run a part of the tests in other environments: `python -m tests.environments [car] [lowest] [pythons]`.

`car` installs the packages of the recorder and the crew page alone, without the extras. `lowest` installs exactly the
lower bounds of pyproject.toml, with this interpreter. `pythons` installs the newest releases for the newest supported
interpreter of this machine, and prints a line if there is only 3.11. Each environment is created in a temporary folder,
so the checkout and its `.venv` do not change. Indirect dependencies get the newest version that fits.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("python3.12", "python3.13", "python3.14")
"""The supported interpreters besides 3.11; all tests run on 3.11."""
NOT_NEEDED = frozenset({"playwright", "ruff", "mypy", "import-linter"})
"""Packages of the extra [dev] that the part does not use: a browser and source checkers."""
TESTING = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis")
PART = (
    "tests/test_private_parts.py",  # undocumented parts of libraries
    "tests/firmware_bridge/engine",  # cantools, construct
    "tests/firmware_bridge/protocols/test_canserial.py",  # python-can
    "tests/firmware_bridge/protocols/test_protocols.py",
    "tests/firmware_bridge/gps/test_sentence_reader.py",  # pynmea2
    "tests/logger/crew/test_connections.py",  # uvicorn, h11
    "tests/logger/crew/test_guard.py",  # starlette
    "tests/logger/crew/test_terminal.py",  # rich
    "tests/logger/export",  # numpy, pyarrow, asammdf, python-can's files
    "tests/logger/fleet/test_query.py",  # duckdb, pyarrow, fsspec
    "tests/logger/logfile/test_light_sqlite_utils.py",
    "tests/logger/logfile/test_store.py",
    "tests/logger/notebook",  # numpy, pandas
    "tests/logger/cli/test_main.py",  # click
    "tests/logger/test_version.py",
)
"""Tests that use each library, without the slow ones; they take a minute on two cores."""
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[.*?\])?(?P<bounds>.*)")
_LOWER = re.compile(r">=\s*([\w.]+)")


class Environment(NamedTuple):
    """An interpreter with packages, and the tests to run with them."""

    python: str
    title: str
    packages: list[str]
    part: Sequence[str] = PART
    options: Sequence[str] = ()


def main(arguments: list[str]) -> int:
    """Run the named jobs, or all of them. Returns 1 if one failed, 2 for an unknown name."""
    unknown = set(arguments) - JOBS.keys()
    if unknown:
        print(f"no such job: {', '.join(sorted(unknown))}; choose from {', '.join(JOBS)}", file=sys.stderr)
        return 2
    environments = [environment for name in arguments or JOBS for environment in JOBS[name]()]
    with (
        tempfile.TemporaryDirectory(prefix="stagelog-environments-") as scratch,
        ThreadPoolExecutor(1) as pip,
    ):
        folders = [Path(scratch) / str(number) for number in range(len(environments))]
        installed = list(map(pip.submit, repeat(_installs), environments, folders))
        # pip needs one processor: it installs the next environment during the tests of this one.
        passed = [_passes(*each) for each in zip(environments, folders, installed, strict=True)]
    return int(not all(passed))


def car() -> list[Environment]:
    """Without the extras, as on a 32-bit Pi."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = [*project["dependencies"], *TESTING]
    return [
        Environment(sys.executable, "the car's packages", packages, ("tests/logger/test_without_numpy.py",))
    ]


def lowest() -> list[Environment]:
    """The lower bounds of pyproject.toml."""
    pins = [f"{name}=={lower_bound(name, bounds)}" for name, bounds in requirements()]
    # Old releases raise deprecation warnings with newer dependencies, which this project cannot fix.
    options = ("-o", "filterwarnings=ignore")
    return [Environment(sys.executable, "lowest versions", pins, options=options)]


def pythons() -> list[Environment]:
    """The newest releases on the newest interpreter; none without a second one."""
    newest = [name + bounds for name, bounds in requirements()]
    interpreters = list(filter(None, map(interpreter, PYTHONS)))[-1:]
    if not interpreters:
        print(f"== no second Python: none of {', '.join(PYTHONS)} is installed", flush=True)
    return [Environment(path, Path(path).name, newest) for path in interpreters]


JOBS: dict[str, Callable[[], list[Environment]]] = {"car": car, "lowest": lowest, "pythons": pythons}


def requirements() -> Iterator[tuple[str, str]]:
    """Name and bounds of each package that the part of the tests needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    seen = {project["name"], *NOT_NEEDED}
    for requirement in (requirement for group in groups for requirement in group):
        parts = _REQUIREMENT.fullmatch(requirement)
        assert parts is not None, requirement
        if parts["name"] not in seen:
            seen.add(parts["name"])
            yield parts["name"], parts["bounds"]


def lower_bound(name: str, bounds: str) -> str:
    """The lowest version that the bounds allow."""
    lower = _LOWER.search(bounds)
    assert lower is not None, f"pyproject.toml gives {name} no lower bound"
    return lower[1]


def interpreter(name: str) -> str | None:
    """The path of an interpreter that works, from PATH or pyenv, whose shim on PATH may not work."""
    candidates = [str(Path(folder) / name) for folder in os.get_exec_path()]
    try:
        known = subprocess.run(
            ["pyenv", "whence", "--path", name], capture_output=True, text=True, check=False
        )
        candidates += known.stdout.split()
    except OSError:
        pass  # no pyenv
    return next(filter(_runs, candidates), None)


def _runs(path: str) -> bool:
    probe = [path, "-c", "import ensurepip, sqlite3, ssl, venv"]
    return (
        os.access(path, os.X_OK) and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


def _installs(environment: Environment, folder: Path) -> bool:
    """Whether the environment is made."""
    own = str(folder / "bin" / "python")
    steps = (
        [environment.python, "-m", "venv", str(folder)],
        [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *environment.packages],
    )
    return all(subprocess.run(step, cwd=ROOT, check=False).returncode == 0 for step in steps)


def _passes(environment: Environment, folder: Path, installed: Future[bool]) -> bool:
    """Whether the tests pass in an environment."""
    began = time.monotonic()
    print(f"== {environment.title}", flush=True)
    workers = ["-n", str(2 * (os.cpu_count() or 1))]
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers]
    command += ["-m", "not slow", *environment.options, *environment.part]
    passed = installed.result() and subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    verdict = "ok" if passed else "FAILED"
    print(f"-- {environment.title}: {verdict}, {time.monotonic() - began:.0f} s", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
