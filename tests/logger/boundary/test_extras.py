"""How to get an optional package: with pip, or where stagelog is a Debian package, which has none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from logger.boundary.extras import how_to_install
from tests.systemd.units import FOLDER

_ELSEWHERE = "use the log on another computer, with "


@pytest.mark.parametrize(
    ("extra", "bits", "hint"),
    [
        ("review", 64, "sudo apt install ./stagelog-review_VERSION_ARCHITECTURE.deb"),
        ("review", 32, _ELSEWHERE + 'pip install "stagelog[review]"'),
        ("parquet", 64, _ELSEWHERE + 'pip install "stagelog[parquet]"'),
    ],
)
def test_the_debian_package_names_no_pip_of_its_own(
    extra: str, bits: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "maxsize", 2 ** (bits - 1) - 1)
    assert how_to_install(extra) == f'pip install "stagelog[{extra}]"'
    (tmp_path / "lib/pure").mkdir(parents=True)
    assert how_to_install(extra) == hint


def test_the_packages_environment_is_recognized_by_its_folder() -> None:
    assert 'home / "lib/pure"' in (FOLDER / "debian/build.py").read_text()
