"""Ctrl-C, SIGTERM and SIGHUP end each long verb within a second, without partial output."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.child_processes import children
from tests.field_failures.small_disk import small_disk
from tests.logger import drives
from tests.logger.command_line import ENVIRONMENT, into_closed_pipe, stagelog
from tests.logger.transfer.logs_made import large
from tests.write_faults.ending import cpu_s, end

WITHIN_S = 1.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
BIG_MB = 60
CONFIG = '[log]\ndirectory = "logs"\n[gps]\nport = "socket://127.0.0.1:9"\n[live]\nsocket = "live.sock"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    large(folder / "big.db", BIG_MB)
    drives.write_log(folder / "other.db", drives.fixes(drives.plan(600), 5))
    drives.write_log(folder / "long.db", drives.fixes(drives.plan(4000), 5))
    drives.write_log(folder / "again.db", drives.fixes(drives.plan(4000), 10))
    for name in (f"many/{number}.db" for number in range(30)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).hardlink_to(folder / "long.db")
    (folder / "logs").mkdir()
    (folder / "logs" / "test-7-car-1-001.db").hardlink_to(folder / "big.db")
    (folder / "stagelog.toml").write_text(CONFIG)
    points = "".join(f'<trkpt lat="{24 + n * 1e-5:.6f}" lon="45"/>' for n in range(20_000))
    ends = "".join(
        f'<wpt lat="{lat}" lon="45"><name>{name}</name></wpt>' for lat, name in ((24, "DSS"), (24.2, "ASS"))
    )
    (folder / "route.gpx").write_text(
        f'<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">{ends}<trk><trkseg>{points}</trkseg></trk></gpx>'
    )
    assert stagelog("fleet", "add", "other.db", "--store", "store", folder=folder).code == 0
    return folder


class SilentServer:
    """A server that accepts connections and sends nothing."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._listener.setblocking(False)
        self._accepted: list[socket.socket] = []
        self.name = f"127.0.0.1:{listener.getsockname()[1]}"

    def is_called(self) -> bool:
        """Whether somebody has connected since the last call."""
        before = len(self._accepted)
        with suppress(BlockingIOError):
            while True:
                self._accepted.append(self._listener.accept()[0])
        return len(self._accepted) > before

    def close(self) -> None:
        """Close its connections."""
        for connection in self._accepted:
            connection.close()


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(SilentServer(listener)) as server:
        yield server


def start(
    arguments: Sequence[str], folder: Path, ignoring: signal.Signals | None = None
) -> subprocess.Popen[str]:
    """Start `stagelog` as the leader of its own process group, as on a terminal."""

    def prepare() -> None:  # in background jobs SIGINT is ignored
        for number in CODES:
            signal.signal(number, signal.SIG_IGN if number is ignoring else signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "logger", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 - no other thread holds a lock that it needs
    )


def end_with(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, float, str]:
    """End a process with a signal. Returns the exit code, the time taken in s, and the standard error output."""
    try:
        took_s = end(process, number)
    finally:
        process.kill()
    _, output = process.communicate()
    return process.returncode, took_s, output


class Share(float):
    """A share of the CPU time of a complete run."""


WORKERS, STARTED_S = 2, 0.3
"""A process that has used so much CPU time has received from its parent what it needs to start."""
CALLED, DIVIDED = "the server is called", "the workers run"
VERBS: dict[str, tuple[str, str | float | Share]] = {
    **{
        f"export {name}": (f"export big.db --format {name} {more} -o OUT/it", "OUT/it.part")
        for name, more in {
            "csv": "--frames",
            "parquet": "--frames",
            "mf4": "--frames",
            "candump": "",
            "asc": "",
            "blf": "",
        }.items()
    },
    "export gpx": ("export long.db --format gpx -o OUT/it", "OUT/it.part"),
    "export kml": ("export long.db --format kml -o OUT/it", "OUT/it.part"),
    "replay": ("replay big.db -o OUT", "OUT/*.part"),
    "simulate": ("simulate dakar-2026-11 --car baciuska -o OUT", "OUT/*.part"),
    "import": ("import route.gpx -o OUT/stage.toml", Share(0.7)),
    "review": ("review long.db", Share(0.7)),
    "review --html": ("review long.db --html OUT/it.html", Share(0.7)),
    "compare": ("compare long.db again.db --html OUT/it.html", Share(0.7)),
    "standings": ("standings long.db again.db", Share(0.7)),
    "verify": ("verify big.db", Share(0.6)),
    "logs": ("logs many", Share(0.7)),
    "doctor": ("doctor -c doctor.toml --seconds 20", CALLED),
    "stick": ("stick DISK -c stagelog.toml", Share(0.6)),
    "fleet add": ("fleet add big.db --car 1 --frames --store OUT/store", "OUT/store/.incoming/*"),
    "fleet review": (f"fleet review --store store --workers {WORKERS}", DIVIDED),
    "fleet query": ("fleet query --store store SQL", 1.5),
    "fetch": ("fetch SERVER OUT", CALLED),
    "fleet fetch": ("fleet fetch SERVER --folder OUT --store store", CALLED),
}
"""Command, and when it is interrupted: a file exists, or one of the above, or some seconds or a share of its CPU time
are used. Wall time says little on a loaded machine: in its first 0.2 s of CPU time a program has no signal handlers.
"""
SQL = "SELECT count(*) FROM fix a, fix b, fix c, fix d"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The stick."""
    with small_disk(tmp_path_factory.mktemp("disks") / "stick", 2 * BIG_MB) as place:
        yield place


_whole_s: dict[str, float] = {}


def whole_cpu_s(verb: str, arguments: Sequence[str], folder: Path) -> float:
    """CPU time of a complete run in s, measured once per verb."""
    if verb not in _whole_s:
        process = start(arguments, folder)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _whole_s[verb] = cpu_s(process.pid)
        output = process.communicate()
        assert process.returncode == 0, output
    return _whole_s[verb]


def empty(*places: Path) -> None:
    """Remove the content of folders."""
    for place in places:
        for path in place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


EVERY_SIGNAL = ("export csv", "fleet add", "fetch")
TRIED = [
    (verb, number)
    for verb in VERBS
    for number in CODES
    if number is not signal.SIGHUP or verb in EVERY_SIGNAL
]


def start_until(
    at: str | float | Share,
    arguments: Sequence[str],
    folder: Path,
    output: Path,
    whole_s: float,
    server: SilentServer,
) -> subprocess.Popen[str] | None:
    """Start a verb and wait until it is at the place of the signal. Returns None if it ended before."""
    server.is_called()  # by an earlier try
    process = start(arguments, folder)
    began_s = time.monotonic()

    def is_reached() -> bool:
        if isinstance(at, float):
            return cpu_s(process.pid) >= (at * whole_s if isinstance(at, Share) else at)
        if at == CALLED:
            return server.is_called()
        if at == DIVIDED:
            with suppress(FileNotFoundError, ProcessLookupError):  # a child that has ended
                return sum(cpu_s(child) > STARTED_S for child in children(process.pid)) >= WORKERS
            return False
        return any(output.glob(at.removeprefix("OUT/")))

    while process.poll() is None and not is_reached() and time.monotonic() - began_s < 60:
        time.sleep(0.005)
    if process.poll() is None:
        return process
    process.communicate()
    return None


@pytest.mark.matrix(2)
@pytest.mark.parametrize(("verb", "number"), TRIED)
def test_a_signal_ends_a_verb_within_a_second(
    verb: str, number: signal.Signals, folder: Path, disk: Path, tmp_path: Path
) -> None:
    line, at = VERBS[verb]
    empty(disk)
    with silent_server() as server:
        (folder / "doctor.toml").write_text(CONFIG.replace("127.0.0.1:9", server.name))
        words = {"SQL": SQL, "SERVER": server.name, "DISK": str(disk)}
        arguments = [words.get(word, word.replace("OUT", str(tmp_path))) for word in line.split()]
        whole_s = whole_cpu_s(verb, arguments, folder) if isinstance(at, Share) else 0.0
        # A verb that ends before the signal, or by itself as the signal arrives, tells nothing: try earlier.
        for _ in range(5):
            empty(disk, tmp_path)
            (folder / "logs" / "delivered.jsonl").unlink(missing_ok=True)
            process = start_until(at, arguments, folder, tmp_path, whole_s, server)
            code, took_s, output = 0, 0.0, "it ended before the signal"
            if process is not None:
                code, took_s, output = end_with(process, number)
            if code != 0:
                break
            at = at if isinstance(at, str) else type(at)(0.7 * at)
    assert code == CODES[number], output
    assert output == ""
    assert took_s < WITHIN_S
    left = [path.name for place in (tmp_path, disk) for path in place.rglob("*") if path.is_file()]
    assert left == []


def test_an_ignored_signal_stays_ignored(folder: Path, tmp_path: Path) -> None:
    """As under nohup."""
    process = start(
        ("export", "big.db", "--format", "csv", "--frames", "-o", str(tmp_path / "it.csv")),
        folder,
        signal.SIGHUP,
    )
    while not any(tmp_path.iterdir()):
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=100)[1].startswith(str(tmp_path / "it.csv"))
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["it.csv"]


def test_workers_end_when_their_parent_is_killed(folder: Path, tmp_path: Path) -> None:
    process = start(("simulate", "dakar-2026-11", "-o", str(tmp_path)), folder)
    while len(list(tmp_path.glob("*.part"))) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)  # living workers keep the pipes open
    assert process.returncode == -signal.SIGKILL, "it had not ended before"
    until_s = time.monotonic() + 60
    while any(tmp_path.iterdir()) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["export big.db --format csv --frames", "logs --json", "info big.db"])
def test_a_closed_pipe_ends_a_verb_silently(line: str, folder: Path) -> None:
    """As in `stagelog ... | head`."""
    assert into_closed_pipe(*line.split(), folder=folder) == (141, b"")


@pytest.mark.parametrize(
    "line", ["export big.db --format csv --frames", "logs --json", "info big.db", "--help"]
)
def test_a_full_disk_for_standard_output_is_reported_in_one_line(line: str, folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "logger", *line.split()],
            cwd=folder, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1
    assert "No space left on device; make room" in done.stderr
