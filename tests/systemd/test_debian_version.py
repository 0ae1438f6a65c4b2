"""Versions of the Debian package, which sort as the versions of the program do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "systemd/debian/build.py"


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
def test_only_the_public_version_changes(version: str, debian: str) -> None:
    spec = importlib.util.spec_from_file_location("debian_build", BUILD)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.debian_version(version) == debian
