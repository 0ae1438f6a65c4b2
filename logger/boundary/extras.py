"""Optional packages, and the pip extra that installs each: a missing one is a one-line error.

The recorder and the crew page need none of them: numpy has no wheel for a 32-bit Pi, and it is half of an
installation's size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from firmware_bridge.errors import ConfigurationError

_EXTRAS = {
    "numpy": "review",
    "pandas": "pandas",
    "pyarrow": "parquet",
    "asammdf": "mf4",
    "dask": "fleet",
    "distributed": "fleet",
    "duckdb": "fleet",
    "fsspec": "fleet",
}
"""The extra of pyproject.toml that installs a package."""
_OF_DEBIAN_PACKAGE = "lib/pure"
"""The folder of libraries in the Debian package's environment (systemd/debian/build.py); pip makes none."""
_MAX_INT32 = 2**31 - 1


def is_installed(package: str) -> bool:
    """Whether the package can be found; it is not imported."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # hidden by an import hook
        return False


def require(package: str, verb: str) -> None:
    """Raise ConfigurationError if an optional package is missing; for a verb that prints before it imports."""
    if not is_installed(package):
        raise _not_installed(package, verb)


@contextmanager
def named(user: str) -> Iterator[None]:
    """Turn the failed import of an optional package into the error that names its extra, for `user`: a verb or call."""
    try:
        yield
    except ImportError as error:
        known = missing(error, user)
        if known is None:
            raise
        raise known from error


def missing(error: ImportError, verb: str) -> ConfigurationError | None:
    """The error to print if an optional package of a verb is missing; None if another import failed."""
    package = (error.name or "").partition(".")[0]
    return _not_installed(package, verb) if package in _EXTRAS else None


def _not_installed(package: str, verb: str) -> ConfigurationError:
    extra = "fleet" if verb == "fleet" else _EXTRAS[package]  # [fleet] has all that its verb needs
    return ConfigurationError(
        f"needs {package}, which is not installed", where=verb, hint=how_to_install(extra)
    )


def how_to_install(extra: str) -> str:
    """How to get the packages of an extra. The Debian package has no pip, and stagelog-review is for 64 bits."""
    by_pip = f'pip install "stagelog[{extra}]"'
    if not Path(sys.prefix, _OF_DEBIAN_PACKAGE).is_dir():
        return by_pip
    if extra == "review" and sys.maxsize > _MAX_INT32:
        return "sudo apt install ./stagelog-review_VERSION_ARCHITECTURE.deb"
    return f"use the log on another computer, with {by_pip}"
