"""Two ways in which stagelog comes onto a Pi, and goes again: Debian packages, or pip where there is no compiler."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tests.pi import roots
from tests.pi.processors import CHECKOUT, NETWORK, PROXIES, Pi

PROGRAM = "/usr/local/bin/stagelog"
_HOME = "opt/stagelog"
_LEFT = ("etc/stagelog", PROGRAM[1:], "etc/systemd/system/stagelog-recorder.service")
_REVIEW = "stagelog-review"
_COMPILERS = ("cc", "gcc", "c++", "clang", "rustc", "cargo")


class Installation(Protocol):
    """A way to install stagelog in the root of a Pi."""

    has_review: bool
    """Whether it brings numpy."""

    def install(self, pi: Pi, place: Path) -> None:
        """Install the program and the services; `place` is a scratch folder that the Pi sees."""

    def remove(self, pi: Pi, place: Path) -> None:
        """Remove it as a mechanic does. AssertionError if something is left."""


class Packages:
    """By dpkg."""

    def __init__(self, packages: Sequence[Path]) -> None:
        self._packages = packages
        self._names = [package.name.partition("_")[0] for package in packages]
        self.has_review = _REVIEW in self._names

    def install(self, pi: Pi, place: Path) -> None:
        """See Installation."""
        roots.run(*pi.command(["/usr/bin/dpkg", "--install", *map(str, self._packages)], place))

    def remove(self, pi: Pi, place: Path) -> None:
        """See Installation."""
        for name in reversed(self._names):
            roots.run(*pi.command(["/usr/bin/dpkg", "--purge", name], place))
            if name == _REVIEW:  # an empty folder would be an empty numpy
                _assert_gone(pi.root.glob(f"{_HOME}/lib/*/site-packages/numpy*"))
        _assert_gone(pi.root / path for path in (*_LEFT, _HOME))


class ByPip:
    """By pip, from the sources of this checkout, in a virtual environment; without extras."""

    has_review = False

    def install(self, pi: Pi, place: Path) -> None:
        """See Installation."""
        compilers = [name for name in _COMPILERS if (pi.root / "usr/bin" / name).exists()]
        assert not compilers, f"the root has {', '.join(compilers)}"
        sources = place / "checkout"  # without its history, because the root has no git
        roots.run("git", "-C", str(CHECKOUT), "checkout-index", "--all", f"--prefix={sources}/")
        commits = roots.run("git", "-C", str(CHECKOUT), "rev-list", "--count", "HEAD").strip()
        version = {"SETUPTOOLS_SCM_PRETEND_VERSION": f"0.0.dev{commits}"}
        environment = roots.ENVIRONMENT | PROXIES | version
        for command in (
            ["/usr/bin/python3", "-m", "venv", f"/{_HOME}"],
            [f"/{_HOME}/bin/pip", "install", "--quiet", "--no-cache-dir", str(sources)],
            [f"/{_HOME}/bin/stagelog", "install", "--yes"],
        ):
            roots.run(*pi.command(command, place, *NETWORK), environment=environment)

    def remove(self, pi: Pi, place: Path) -> None:
        """See Installation. The virtual environment stays: it is the user's."""
        roots.run(*pi.command([PROGRAM, "uninstall", "--configuration"], place))
        _assert_gone(pi.root / path for path in _LEFT)


def _assert_gone(paths: Iterable[Path]) -> None:
    left = [str(path) for top in paths if os.path.lexists(top) for path in (top, *top.rglob("*"))]
    assert not left, f"left behind: {left[:20]}"
