"""Run one step on one log within budgets of CPU time, memory and output, and report findings.

The process runs many steps in turn and announces each. The kernel kills it if a step uses too much CPU time or sleeps
too long; the parent then knows which step it was.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from logger.cli import main
from tests.fuzz.hostile.scene import Scene
from tests.fuzz.hostile.verbs import FUNCTIONS, SOMETIMES, Step
from tests.memory import peak_kb, resident_kb

BASE_CPU_S, CPU_S_PER_MB = 5.0, 1.5
"""Budget of CPU time, independent of the machine's load, and its increase per megabyte of the log and its WAL."""
MEMORY_MB = 300
ASLEEP_S = 600
"""Wall time that no step takes, even at the lowest priority on a busy machine."""
_ADDRESSES_MB = 4000
_FILE_BYTES = 400_000_000
_LINES = ("stagelog: ", "INFO ", "WARNING ", "ERROR ")
_MAX_ERROR_CHARACTERS = 20_000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Finding(NamedTuple):
    """Something that a step must not do. `what` is the same for the same flaw."""

    what: str
    detail: str


class _Watch:
    """Records paths that the process writes outside the scene's folders, with an audit hook."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.outside: list[str] = []
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.allowed:
            return
        if event == "open":
            path, _mode, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and isinstance(path, str | bytes):
                self._written(path)
        elif event in ("os.rename", "os.link", "os.symlink"):
            self._written(arguments[1])
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"):
            self._written(arguments[0])

    def _written(self, path: object) -> None:
        if isinstance(path, str | bytes):
            absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - runs for every opened file
            if not f"{absolute}/".startswith(self.allowed):
                self.outside.append(absolute)


WATCH = _Watch()


def budget_s(scene: Scene) -> float:
    """Budget of CPU time for one step on a scene's log."""
    size = sum(
        path.stat().st_size
        for path in scene.logs.iterdir()
        if path.name.startswith(scene.log.name) and path.is_file() and not path.is_symlink()
    )
    return BASE_CPU_S + CPU_S_PER_MB * size / 1e6


def run(scene: Scene, name: str, verb: Step | None) -> Iterator[Finding]:
    """Run a step, which is a verb or one of the functions, and yield its findings."""
    output = scene.folder / "said"
    WATCH.outside.clear()
    WATCH.allowed = (f"{scene.folder}/", f"{scene.stick}/", "/dev/null/", "/proc/")
    before_kb = resident_kb()
    _forget_peak()
    try:
        with _limits(budget_s(scene)), _captured(output):
            code = _verb(verb) if verb else _call(lambda: (FUNCTIONS | SOMETIMES)[name](scene))
    finally:
        WATCH.allowed = ()
    yield from _findings(scene, name, verb, output, code)
    grown_mb = (peak_kb() - before_kb) / 1000
    if grown_mb > MEMORY_MB:
        yield Finding(f"memory at {name}", f"{grown_mb:.0f} MB")
    if WATCH.outside:
        yield Finding("written outside", ", ".join(WATCH.outside[:5]))


def _verb(step: Step) -> int | str:
    sys.argv = ["stagelog", *step.arguments]
    return _call(main._run)


def _call(function: Callable[[], int | None]) -> int | str:
    """Call a function. Returns its exit code, or the traceback of its exception."""
    try:
        return function() or 0
    except BaseException as error:  # noqa: BLE001 - every exception is a finding
        last = traceback.extract_tb(error.__traceback__)
        ours = next(
            (
                frame
                for frame in reversed(last)
                if "/logger/" in frame.filename or "/firmware_bridge/" in frame.filename
            ),
            last[-1],
        )
        where = f"{Path(ours.filename).name}:{ours.lineno} {ours.name}"
        return f"{type(error).__name__} at {where}\n{''.join(traceback.format_exception(error, limit=-12))[-3000:]}"


def _findings(scene: Scene, name: str, step: Step | None, output: Path, code: int | str) -> Iterator[Finding]:
    if isinstance(code, str):
        yield Finding(code.partition("\n")[0], code)
        return
    out, err = (output.with_suffix(tail).read_bytes() for tail in (".out", ".err"))
    try:
        out_text, err_text = out.decode(), err.decode()
    except UnicodeDecodeError as error:
        yield Finding(f"output is not UTF-8 at {name}", str(error))
        return
    if step is not None and code not in step.codes:
        yield Finding(f"exit {code} at {name}", err_text[:500])
    lines = err_text.splitlines()
    if code not in (0, 1) and not any(line.startswith("stagelog: ") for line in lines):
        yield Finding(f"no error line at {name}", err_text[:500])
    if odd := [line for line in lines if not line.startswith((*_LINES, f"{scene.out}/"))]:
        yield Finding(f"output besides error lines at {name}: {odd[0][:60]!r}", err_text[:1000])
    if len(err_text) > _MAX_ERROR_CHARACTERS:
        yield Finding(f"an error of {len(err_text) // 1000} kB at {name}", err_text[:300])
    for text in (out_text, err_text):
        if not text.isprintable():
            odd_letters = {letter for letter in text if not letter.isprintable() and letter != "\n"}
            if odd_letters:
                yield Finding(f"unprintable at {name}", repr(sorted(odd_letters)[:9]))
    if step is not None:
        try:
            step.check(scene, out_text)
        except Exception as error:  # noqa: BLE001 - a failed check, or output that cannot be parsed
            yield Finding(f"{type(error).__name__} in the output of {name}", f"{error}"[:1000])


@contextmanager
def _limits(cpu_s: float) -> Iterator[None]:
    """Set limits beyond which the kernel kills the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(
        resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + cpu_s) + 2, resource.RLIM_INFINITY)
    )
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES_MB << 20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ASLEEP_S)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def _captured(output: Path) -> Iterator[None]:
    """Redirect both output streams to files at the level of file descriptors, so that C libraries are captured too."""
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number, tail in ((1, ".out"), (2, ".err")):
            with output.with_suffix(tail).open("wb") as file:
                os.dup2(file.fileno(), number)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
