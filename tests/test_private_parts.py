"""Undocumented parts of libraries that the project uses: each exists and has an upper bound.

A missing part fails here with its name and the module that uses it, not later with an obscure error.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from uvicorn.server import ServerState

from logger.crew.connections import Connection

ROOT = Path(__file__).resolve().parent.parent
OURS = ("firmware_bridge", "logger")


class Part(NamedTuple):
    """An undocumented part: its distribution and module, and the project's file that uses it."""

    library: str
    module: str
    name: str
    user: str


PARTS = (
    Part("uvicorn", "uvicorn.protocols.http.h11_impl", "H11Protocol", "logger/crew/connections.py"),
    Part("cantools", "cantools.database.utils", "start_bit", "firmware_bridge/engine/light_cantools.py"),
    Part("cantools", "cantools.database.utils", "start_bit", "logger/export/signals.py"),
    Part("python-can", "can.io.mf4", "ERR_DTYPE", "logger/export/mf4.py"),
    Part("python-can", "can.io.mf4", "RTR_DTYPE", "logger/export/mf4.py"),
    Part("python-can", "can.io.mf4", "STD_DTYPE", "logger/export/mf4.py"),
)
HIDING = {
    "cantools": "firmware_bridge/engine/light_cantools.py",
    "sqlite-utils": "logger/logfile/light_sqlite_utils.py",
}
"""Libraries imported without some of their own imports, and the file that hides those. Whether a library works without
them is undocumented; test_dbc.py and test_light_sqlite_utils.py try it."""
DOCUMENTED_ATTRIBUTES = frozenset({"_asdict", "_fields", "_make", "_replace", "_exit", "_params"})
"""Names with an underscore that are public: of named tuples, `os` and construct's contexts."""

USED_ATTRIBUTES = frozenset({"app_state", "client", "conn", "connections", "cycle", "loop", "transport"})
"""Attributes of uvicorn that `Connection` reads and sets."""
EXTENDED_METHODS = frozenset(
    {
        "connection_lost",
        "connection_made",
        "data_received",
        "on_response_complete",
        "pause_writing",
        "resume_writing",
        "send_400_response",
    }
)
"""Methods that `Connection` overrides; each calls uvicorn's."""
OWN_NAMES = frozenset(
    {
        "_began_s",
        "_client_key",
        "_handle",
        "_headers_timer",
        "_make_room",
        "_stall_timer",
        "_stalled",
        "_wait_for_headers",
    }
)
"""Names that `Connection` adds: uvicorn must not use them itself."""


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.name} for {part.user}")
def test_an_undocumented_part_exists(part: Part) -> None:
    if part.module == "can.io.mf4":
        pytest.importorskip("asammdf")
    assert hasattr(import_module(part.module), part.name), (
        f"{part.library} {version(part.library)} has no {part.module}.{part.name}, which {part.user} uses"
    )


@pytest.mark.parametrize("library", sorted({part.library for part in PARTS} | HIDING.keys()))
def test_a_library_with_undocumented_parts_has_an_upper_bound(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = (text for text in project["dependencies"] if text.startswith(f"{library}>="))
    assert "<" in requirement, f"{requirement}: undocumented parts of it are used, so it needs an upper bound"


def test_every_file_that_hides_imports_is_in_the_table() -> None:
    hiding = {path for path, _ in _sources() if "/light_" in path}
    assert hiding == set(HIDING.values())


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(path for room in OURS for path in (ROOT / room).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def test_every_undocumented_import_is_in_the_table() -> None:
    modules = {part.module for part in PARTS}
    found = {
        (node.module, alias.name, path)
        for path, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith((*OURS, "__"))
        for alias in node.names
        if node.module in modules
        or any(part.startswith("_") for part in f"{node.module}.{alias.name}".split("."))
    }
    assert found == {(part.module, part.name, part.user) for part in PARTS}


def test_every_private_attribute_is_defined_in_the_project() -> None:
    """An attribute with an underscore that the project does not define belongs to a library."""
    defined, used = set(), {}
    for path, tree in _sources():
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()) if name.startswith("_") and name[:2] != "__":
                    used[name] = f"{path}:{node.lineno}"
                case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    defined.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    defined.add(name)
    assert {name: use for name, use in used.items() if name not in defined | DOCUMENTED_ATTRIBUTES} == {}


def _uvicorn_base() -> type[Any]:
    (base,) = Connection.__bases__
    return base


def test_h11_protocol_takes_the_arguments_that_uvicorn_passes() -> None:
    missing = {"config", "server_state", "app_state"} - inspect.signature(_uvicorn_base()).parameters.keys()
    assert not missing, f"uvicorn {uvicorn.__version__}: H11Protocol takes no {sorted(missing)}"


def test_h11_protocol_has_the_attributes_that_connection_uses() -> None:
    async def create() -> Any:
        config = uvicorn.Config(lambda *_: None, ws="none", lifespan="off", log_config=None)
        return _uvicorn_base()(config=config, server_state=ServerState(), app_state={})

    base = asyncio.run(create())
    missing = sorted(name for name in USED_ATTRIBUTES | EXTENDED_METHODS if not hasattr(base, name))
    assert not missing, f"uvicorn {uvicorn.__version__}: H11Protocol has no {missing}"
    taken = sorted(name for name in OWN_NAMES if hasattr(base, name))
    assert not taken, f"uvicorn {uvicorn.__version__}: H11Protocol uses {taken} itself"


def test_the_tables_list_what_connection_uses() -> None:
    tree = ast.parse(inspect.getsource(Connection))
    methods = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    assert methods - OWN_NAMES == EXTENDED_METHODS
    assert used - methods - OWN_NAMES == USED_ATTRIBUTES
