"""Decide which configuration a verb reads, and report it in one line.

    1. -c FILE
    2. the environment variable STAGELOG_CONFIG
    3. stagelog.toml in the working folder
    4. /etc/stagelog/stagelog.toml, which `stagelog install` writes

The first that exists decides. A file that -c or the variable names and that does not exist is an error: the next place
is never tried instead. A file in 3 or 4 that cannot be read is an error as well, when it is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from firmware_bridge.errors import ConfigurationError
from logger.boundary.options import PATH
from logger.boundary.terminal import echo

VARIABLE: Final = "STAGELOG_CONFIG"
HERE = Path("stagelog.toml")
INSTALLED = Path("/etc/stagelog/stagelog.toml")
_MISSING: Final = (
    f"no configuration: neither ${VARIABLE} nor ./{HERE} nor {INSTALLED}; `stagelog init` writes one"
)

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=PATH,
    help=f"The configuration. Default, the first that exists: ${VARIABLE}, ./{HERE}, {INSTALLED}.",
)
"""The option of every verb that reads a configuration; the verb passes its value to `choose`."""


def find(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration to read; None if no place has one. Raises ConfigurationError if the variable names no file."""
    if given is not None:
        return given
    if named := environment.get(VARIABLE):
        if not _exists(Path(named)):
            hint = f"{VARIABLE} names it: correct the variable, or unset it"
            raise ConfigurationError("no such file", where=named, hint=hint)
        return Path(named)
    return next((path for path in (HERE, INSTALLED) if _exists(path)), None)


def choose(given: Path | None, *, quiet: bool = False) -> Path:
    """The configuration to read, reported as by `found`.

    Raises click.UsageError if there is none, ConfigurationError if the variable names no file.
    """
    path = found(given, quiet=quiet)
    if path is None:
        raise click.UsageError(_MISSING)
    return path


def found(given: Path | None, *, quiet: bool = False) -> Path | None:
    """The configuration to read, or None, as `find` returns it. It is reported unless it was `given` or with `quiet`.

    `quiet` is for --json: the documents name the file, and scripts often join both streams.
    """
    path = find(given)
    if given is None and path is not None and not quiet:
        echo(f"configuration: {path.absolute()}", err=True)
    return path


def _exists(path: Path) -> bool:
    """Whether there is an entry at a path, also one that this user may not see: only `load` can say why."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
