"""A real crew server that has a hostile log, and whoever asks it: every HTTP endpoint, and `stagelog fetch`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.hostile.scene import Scene
from tests.logger.crew.serving import Answer, Served

FORMATS = ("gpx", "csv", "kml", "parquet", "candump", "asc", "blf", "mf4")
_REFUSED = (200, 404, 409)
"""There is no such log, or it cannot be read."""
_LEAST_CPU_S, _CPU_S_A_MB = 5.0, 1.5
_MEMORY_KB = 300_000


def _cpu_s(pid: int) -> float:
    """Processor time of a process and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _asked(
    scene: Scene, served: Served, path: str, codes: tuple[int, ...] = _REFUSED, **more: object
) -> Answer:
    """An answer within its budgets."""
    before_s = _cpu_s(served.process.pid)
    answer = served.ask(path, **more)  # type: ignore[arg-type]
    took_s = _cpu_s(served.process.pid) - before_s
    size_mb = sum(file.stat().st_size for file in scene.logs.iterdir() if file.is_file()) / 1e6
    assert answer.status in codes, f"{path}: {answer.status} {answer.body[:300]!r}"
    assert took_s < _LEAST_CPU_S + _CPU_S_A_MB * size_mb, f"{path}: {took_s:.1f} s of the processor"
    assert served.resident_kb < _MEMORY_KB, f"{path}: {served.resident_kb} kB"
    if answer.status >= 400:
        text = answer.body.decode()
        assert text.isprintable(), f"{path}: {text!r}"
        assert len(text) < 2000, f"{path}: an error of {len(text)} characters"
    return answer


def _list(scene: Scene, served: Served) -> None:
    """The bad log costs its own entry."""
    answer = _asked(scene, served, "/api/logs", (200,))
    found = {entry["name"]: entry for entry in json.loads(answer.body, parse_constant=_refuse)["logs"]}
    assert found[scene.honest.name]["state"] == "closed", found
    is_listed = scene.log.is_file() and not scene.log.is_symlink()  # a link could lead anywhere
    assert scene.log.name in found or not is_listed, found
    _asked(scene, served, "/logs", (200,))


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _download(scene: Scene, served: Served) -> None:
    path = f"/api/logs/{scene.log.name}"
    fresh = {"cache-control": "max-age=0"}  # the log before had this name too, and its copy may be young
    whole = _asked(scene, served, path, headers=fresh)
    part = _asked(scene, served, path, (200, 206, 404, 409, 416), headers={"Range": "bytes=100-199"})
    if (whole.status, part.status) == (200, 206):  # refused: the part is of a version that was sent before
        assert (part.headers["etag"], part.body) == (whole.headers["etag"], whole.body[100:200])
    _asked(scene, served, path, (200, 206, 404, 409, 416), headers={"Range": f"bytes={2**63}-"})
    _asked(scene, served, path, method="HEAD")
    noted = json.dumps({"sha256": "0" * 64}).encode()
    codes = (200, 204, 400, 404, 409)
    kind = {"content-type": "application/json"}
    _asked(scene, served, f"{path}/delivered", codes, method="POST", body=noted, headers=kind)


def _export(scene: Scene, served: Served) -> None:
    for name in FORMATS:
        _asked(scene, served, f"/api/logs/{scene.log.name}/export?format={name}", (*_REFUSED, 400))


def _review(scene: Scene, served: Served) -> None:
    _asked(scene, served, f"/logs/{scene.log.name}/review")


def _is_silent(_scene: Scene, served: Served) -> None:
    """The server said nothing that a terminal or a journal must not get."""
    said = served.said.read_text()
    os.kill(served.process.pid, 0)
    assert "Traceback" not in said, said[-3000:]
    assert all(line.isprintable() for line in said.splitlines()), repr(said[-1000:])


EVERY: dict[str, Callable[[Scene, Served], None]] = {
    "http list": _list,
    "http download": _download,
    "http silence": _is_silent,
}
SOME: dict[str, Callable[[Scene, Served], None]] = {"http export": _export, "http review": _review}
"""Each of these starts processes of its own: tried with some logs only."""
