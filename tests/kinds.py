"""Mark each test by the resources it needs (`pty`, `process`, ...); a `unit` test needs none.

The needs of a file follow from its imports, direct or through helpers in `tests`; a test also has the needs of its
fixtures' files. A mark set by hand adds what only the product's own code starts. A test without needs gets the mark
`unit`; a test in a file with needs can be marked `unit` by hand. While a `unit` test runs, an audit hook watches for
processes, ptys and sockets: a wrongly marked test fails, and the message names the mark it lacks.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDS = ("pty", "process", "socket", "browser", "vm")
_SOURCES = {
    "multiprocessing": "process",
    "subprocess": "process",
    "pty": "pty",
    "os.openpty": "pty",
    "http.client": "socket",
    "http.server": "socket",
    "socket": "socket",
    "socketserver": "socket",
    "urllib.request": "socket",
    "uvicorn": "socket",
    "playwright": "browser",
    "tests.power_cuts.machine": "vm",
    "tests.systemd.machine": "vm",
}
"""The need that follows from a module or `os` attribute."""
_EVENTS = {
    "os.exec": "process",
    "os.fork": "process",
    "os.forkpty": "pty",
    "os.openpty": "pty",
    "os.posix_spawn": "process",
    "os.system": "process",
    "pty.spawn": "pty",
    "socket.bind": "socket",
    "socket.connect": "socket",
    "subprocess.Popen": "process",
}
"""The need that an audit event shows while a test runs."""


@cache
def needs_of(file: Path) -> frozenset[str]:
    """The needs of the tests or helpers in a file, from its imports."""
    names = _names(ast.parse(file.read_bytes()))
    needs = {
        need for name in names for source, need in _SOURCES.items() if f"{name}.".startswith(f"{source}.")
    }
    for name in names:
        helper = ROOT / f"{name.replace('.', '/')}.py"
        if name.startswith("tests.") and helper != file and helper.exists():
            needs |= needs_of(helper)
    return frozenset(needs)


def _names(tree: ast.Module) -> set[str]:
    """The modules that a file imports at any level, and the attributes of `os` that it uses."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            case ast.Attribute(value=ast.Name(id="os"), attr=name):
                names.add(f"os.{name}")
    return names


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fast`: only `unit` tests that are not `slow`; files without such tests are not imported."""
    parser.addoption("--fast", action="store_true", help="run only the tests marked unit and not slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip a file that has no `unit` tests if `--fast` is given."""
    if not config.getoption("--fast") or not collection_path.match("test_*.py"):
        return None
    return True if needs_of(collection_path) and "mark.unit" not in collection_path.read_text() else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the marks before pytest evaluates `-m`."""
    for item in items:
        if item.get_closest_marker("unit") is None:
            for need in _needs(item) or {"unit"}:
                item.add_marker(need)
    if config.getoption("--fast"):
        items[:] = [
            item for item in items if item.get_closest_marker("unit") and not item.get_closest_marker("slow")
        ]


def _needs(item: pytest.Item) -> set[str]:
    files = {item.path}
    for definitions in (
        item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    ):
        files |= {Path(definition.func.__code__.co_filename) for definition in definitions}
    by_hand = {mark.name for mark in item.iter_markers() if mark.name in NEEDS}
    return by_hand.union(*(needs_of(file) for file in files if file.is_relative_to(ROOT / "tests")))


_seen: list[str] | None = None
"""What the running `unit` test has started; None while no such test runs."""
_others: frozenset[threading.Thread] = frozenset()
"""Threads that earlier tests, or libraries they use, have left behind."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and event in _EVENTS and threading.current_thread() not in _others:
        _seen.append(f"{_EVENTS[event]} ({event} {arguments!r:.200})")


sys.addaudithook(_watch)
_openpty = os.openpty


def _audited_openpty() -> tuple[int, int]:
    sys.audit("os.openpty")
    return _openpty()


os.openpty = _audited_openpty  # Python audits all of _EVENTS except this one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a `unit` test, its fixtures included."""
    global _seen, _others  # noqa: PLW0603 - an audit hook takes no argument of ours
    _others = frozenset(threading.enumerate()) - {threading.current_thread()}
    _seen = [] if item.get_closest_marker("unit") else None
    try:
        return (yield)
    finally:
        _seen = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a `unit` test that has started something."""
    yield
    if _seen:
        pytest.fail(f"not a unit test: mark it {_seen[0]}", pytrace=False)
