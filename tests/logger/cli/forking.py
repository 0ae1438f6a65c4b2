"""Run many `stagelog` command lines, each in a forked child of one process that has the modules loaded.

A child runs the program's own entry point with its own folder, standard streams and exit code, as a new process does;
only the imports are shared, so a hundred command lines take seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pkgutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import logger
from tests.logger.command_line import ENVIRONMENT, ROOT, Ended

PATIENCE_S = 60
"""A child that takes longer is ended by the kernel's alarm signal."""
_CAPABILITIES_VERSION = 0x20080522
"""capset(2): version 3, with two sets of three words."""


_NOT_LOADED = {"logger.__main__", "logger.fleet.cluster"}
"""Dask starts threads when it is loaded, and a fork must have none."""


class Runner:
    """The process whose children run the command lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, arguments: Sequence[str], folder: Path, *, unprivileged: bool = False) -> Ended:
        """Run one command line in a folder; without root's rights to other people's files if `unprivileged`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "folder": str(folder), "unprivileged": unprivileged}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        ended = Ended(*json.loads(self._process.stdout.readline()))
        assert "Traceback" not in ended.err, ended.err
        return ended


@contextlib.contextmanager
def runner() -> Iterator[Runner]:
    """Start the process, and end it after the body."""
    # One thread only: a fork of several threads is not defined.
    environment = {**ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.logger.cli.forking"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    for module in pkgutil.walk_packages(logger.__path__, "logger."):
        if module.name not in _NOT_LOADED:
            import_module(module.name)
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for line in orders:
        order = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _become(order, out.fileno(), err.fileno())
            _, status = os.waitpid(child, 0)
            texts = [_content(stream) for stream in (out, err)]
        print(json.dumps([os.waitstatus_to_exitcode(status), *texts]), file=answers, flush=True)


def _content(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode(errors="replace"))


def _drop_capabilities() -> None:
    """Give up what root may do beyond the permissions of files and the free ports. Raises OSError."""
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _become(order: dict[str, Any], out: int, err: int) -> NoReturn:
    """Be the program: never returns."""
    from logger.__main__ import start

    code = 70
    try:
        signal.alarm(PATIENCE_S)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(order["folder"])
        if order["unprivileged"]:
            _drop_capabilities()
        sys.argv = ["stagelog", *order["arguments"]]
        start()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:  # noqa: BLE001 - what the interpreter does at its end
        traceback.print_exc()
        code = 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
