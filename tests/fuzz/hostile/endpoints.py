"""Requests to every HTTP endpoint of a real crew server that has a hostile log."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from http.client import IncompleteRead
from pathlib import Path

from tests.fuzz.hostile.scene import Scene
from tests.logger.crew.serving import Answer, Served

FORMATS = ("motec", "ldx", "vbo", "gpx", "csv", "kml", "parquet", "candump", "asc", "blf", "mf4")
_REFUSED = (200, 404, 409)
"""Allowed statuses: done, no such log, or a log that cannot be read."""
ANSWER_S = 600.0
"""Wall time for an answer, even at the lowest priority on a busy machine."""
_BASE_CPU_S, _CPU_S_PER_MB = 5.0, 1.5
_MEMORY_KB = 300_000


def cpu_s(pid: int) -> float:
    """CPU time of a process and of its finished children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _request(
    scene: Scene, served: Served, path: str, codes: tuple[int, ...] = _REFUSED, **more: object
) -> Answer:
    """Send a request and check status, CPU time, memory and error text of the answer."""
    before_s = cpu_s(served.process.pid)
    answer = served.ask(path, **more)  # type: ignore[arg-type]
    took_s = cpu_s(served.process.pid) - before_s
    size_mb = sum(file.stat().st_size for file in scene.logs.iterdir() if file.is_file()) / 1e6
    assert answer.status in codes, f"{path}: {answer.status} {answer.body[:300]!r}"
    assert took_s < _BASE_CPU_S + _CPU_S_PER_MB * size_mb, f"{path}: {took_s:.1f} s of CPU time"
    assert served.resident_kb < _MEMORY_KB, f"{path}: {served.resident_kb} kB"
    if answer.status >= 400:
        text = answer.body.decode()
        assert text.isprintable(), f"{path}: {text!r}"
        assert len(text) < 2000, f"{path}: an error of {len(text)} characters"
    return answer


def _list(scene: Scene, served: Served) -> None:
    """The hostile log affects only its own entry."""
    answer = _request(scene, served, "/api/logs", (200,))
    listed = {entry["name"]: entry for entry in json.loads(answer.body, parse_constant=_refuse)["logs"]}
    assert listed[scene.honest.name]["state"] == "closed", listed
    is_listed = scene.log.is_file() and not scene.log.is_symlink()  # a link could lead anywhere
    assert scene.log.name in listed or not is_listed, listed
    _request(scene, served, "/logs", (200,))


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _download(scene: Scene, served: Served) -> None:
    path = f"/api/logs/{scene.log.name}"
    fresh = {
        "cache-control": "max-age=0"
    }  # the previous log had this name too, and its copy may still be cached
    whole = _request(scene, served, path, headers=fresh)
    part = _request(scene, served, path, (200, 206, 404, 409, 416), headers={"Range": "bytes=100-199"})
    if (whole.status, part.status) == (
        200,
        206,
    ):  # if the whole was refused, the part is of an earlier version
        assert (part.headers["etag"], part.body) == (whole.headers["etag"], whole.body[100:200])
    _request(scene, served, path, (200, 206, 404, 409, 416), headers={"Range": f"bytes={2**63}-"})
    _request(scene, served, path, method="HEAD")
    noted = json.dumps({"sha256": "0" * 64}).encode()
    codes = (200, 204, 400, 404, 409)
    kind = {"content-type": "application/json"}
    _request(scene, served, f"{path}/delivered", codes, method="POST", body=noted, headers=kind)


def _export(scene: Scene, served: Served) -> None:
    for name in FORMATS:
        # The server aborts an export that meets damage after its first bytes, so that nobody takes it for whole.
        with suppress(IncompleteRead, ConnectionError):
            _request(scene, served, f"/api/logs/{scene.log.name}/export?format={name}", (*_REFUSED, 400))


def _review(scene: Scene, served: Served) -> None:
    _request(scene, served, f"/logs/{scene.log.name}/review")


def _is_silent(_scene: Scene, served: Served) -> None:
    """The server printed no traceback and no control characters."""
    output = served.output.read_text()
    os.kill(served.process.pid, 0)
    assert "Traceback" not in output, output[-3000:]
    assert all(line.isprintable() for line in output.splitlines()), repr(output[-1000:])


EVERY: dict[str, Callable[[Scene, Served], None]] = {
    "http list": _list,
    "http download": _download,
    "http silence": _is_silent,
}
SOME: dict[str, Callable[[Scene, Served], None]] = {"http export": _export, "http review": _review}
"""These start processes and run with some logs only."""
