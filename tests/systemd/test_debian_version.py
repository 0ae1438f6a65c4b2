"""The Debian package: its version sorts as the program's, its modules are the checkout's, its processor is checked."""

from __future__ import annotations

import importlib.util
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

BUILD = Path(__file__).parents[2] / "systemd/debian/build.py"


@pytest.fixture
def build() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("debian_build", BUILD)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("version", "debian"),
    [
        ("1.2.0", "1.2.0"),
        ("1.2.0rc1", "1.2.0~rc1"),
        ("1.2.0.dev7", "1.2.0~dev7"),
        ("0.2.0.dev709+g86dea7a12", "0.2.0~dev709+g86dea7a12"),
        ("0.2.0.dev709+gb1rc2.d20261129", "0.2.0~dev709+gb1rc2.d20261129"),
    ],
)
def test_only_the_public_version_changes(build: ModuleType, version: str, debian: str) -> None:
    assert build.debian_version(version) == debian


@pytest.mark.process
def test_a_module_of_an_earlier_commit_is_not_packed(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "a checkout"
    for folder in (checkout / "car", checkout / "build/lib/car"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (checkout / "build/lib/car/renamed.py").touch()
    (checkout / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "car"\nversion = "1"\n[tool.setuptools]\npackages = ["car"]\n'
    )
    monkeypatch.setattr(build, "ROOT", checkout)
    names = zipfile.ZipFile(build.own_wheel(tmp_path / "own wheel")).namelist()
    assert "car/__init__.py" in names
    assert "car/renamed.py" not in names


@pytest.mark.process
@pytest.mark.parametrize(
    ("machine", "code"), [("armv6l", 1), ("armv7l", 0), ("armv8l", 0), ("aarch64", 0), ("x86_64", 0)]
)
def test_a_processor_older_than_the_libraries_is_refused(machine: str, code: int, tmp_path: Path) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {machine}\n")
    uname.chmod(0o755)
    script = BUILD.with_name("stagelog") / "preinst"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", str(script), "upgrade"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == code


@pytest.mark.process
def test_a_failure_of_pip_is_one_line(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path / "no checkout")
    with pytest.raises(SystemExit, match="pip wheel failed"):
        build.own_wheel(tmp_path)
