"""No process that the program starts takes a module from the working folder, which may be a stranger's."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import firmware_bridge
import logger
from logger.boundary import own_process
from tests.logger.short_stage import FEW, TEXT

PACKAGES = [Path(str(package.__file__)).parent for package in (logger, firmware_bridge)]
PYTHON = {"sys.executable", "multiprocessing.", "ProcessPoolExecutor", "LocalCluster", "Nanny", "Worker"}
"""What starts Python processes, as the source names it."""
SAFE = {
    "logger/boundary/own_process.py": "gives the command with -P",
    "logger/install/reach.py": "starts nothing: looks whether the service's account may run it",
    "logger/demo/simulate.py": "runs within `safe_path`",
    "logger/fleet/cluster.py": "sets the variable for Dask's processes",
}
EVIL = "import os\nopen(os.environ['EVIL_RAN'], 'a').write(__name__ + '\\n')\nraise SystemExit('evil')\n"
NAMES = ["json", "sqlite3", "asyncio", "struct", "multiprocessing", "concurrent", "click", "numpy", "logger"]


def starts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            written = ast.unparse(node)
            if any(written.startswith(word) for word in PYTHON):
                yield written
        elif isinstance(node, ast.Constant) and node.value in {"python", "python3"}:
            yield repr(node.value)


def test_every_place_that_starts_python_is_known() -> None:
    found = {
        str(path.relative_to(package.parent))
        for package in PACKAGES
        for path in package.rglob("*.py")
        if any(starts(ast.parse(path.read_text())))
    }
    assert found == set(SAFE)


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: modules of names that every process imports. The file `ran` lists those that ran."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for name in NAMES:
        (folder / name).mkdir()
        for module in ("__init__", "__main__", "spawn", "forkserver", "resource_tracker"):
            (folder / name / f"{module}.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVIL_RAN", str(tmp_path / "ran"))
    return tmp_path / "ran"


def stagelog(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = own_process.command("logger", *map(str, arguments))
    environment = own_process.environment()
    environment.pop(own_process.SAFE_PATH, None)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_modules_of_the_working_folder_would_run(evil: Path) -> None:
    command = [sys.executable, "-m", "logger", "--version"]
    environment = {name: value for name, value in os.environ.items() if name != own_process.SAFE_PATH}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 1
    assert evil.exists()


def test_a_process_of_ours_does_without_them(evil: Path) -> None:
    done = stagelog("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert not evil.exists()


@pytest.mark.slow
def test_the_processes_of_a_library_do_without_them(evil: Path, tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(TEXT)
    made = stagelog("simulate", tmp_path / "short.toml", *FEW, "-o", tmp_path / "made")
    assert made.returncode == 0, made
    pytest.importorskip("distributed")
    store = tmp_path / "store"
    assert stagelog("fleet", "add", tmp_path / "made", "--store", store).returncode == 0
    reviewed = stagelog("fleet", "review", "--store", store, "--workers", "1", "--json")
    assert reviewed.returncode == 0, reviewed
    assert not evil.exists()


def test_the_variable_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(own_process.SAFE_PATH, raising=False)
    with own_process.safe_path():
        assert os.environ[own_process.SAFE_PATH] == "1"
    assert own_process.SAFE_PATH not in os.environ
