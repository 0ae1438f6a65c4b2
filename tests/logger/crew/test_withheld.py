"""During a timed section every endpoint withholds the log with its positions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logger.crew.compliance import WITHHELD, Compliance
from tests.field_failures.recorder_process import until
from tests.logger.command_line import stagelog
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import Served, serving
from tests.logger.transfer.logs_made import being_recorded, closed

PRESENT, EARLIER = "live.db", "stage-1-001.db"
KM = 43.5
GIVE_OUT = ["", "/export?format=gpx", "/export?format=csv", "/export?format=candump"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    closed(tmp_path / "logs" / EARLIER)
    with being_recorded(tmp_path / "logs" / PRESENT):
        yield tmp_path


@contextmanager
def driving(folder: Path) -> Iterator[LiveCar]:
    """A car in a timed section, whose recorder writes the open log."""
    car = LiveCar(folder / "live.sock", KM)
    car.recording["path"] = str(folder / "logs" / PRESENT)
    with car:
        yield car


def statuses(server: Served, name: str) -> list[int]:
    paths = [f"/api/logs/{name}{rest}" for rest in GIVE_OUT] + [f"/logs/{name}/review"]
    results = [server.ask(path).status for path in paths]
    results.append(server.ask(f"/api/logs/{name}", "HEAD").status)
    results.append(server.ask(f"/api/logs/{name}", headers={"Range": "bytes=0-99"}).status)
    return results


def test_the_open_log_is_withheld_until_the_section_ends(folder: Path) -> None:
    with driving(folder) as car, serving(folder, car.socket) as server:
        until(lambda: server.ask("/api/live").status == 200)
        assert set(statuses(server, PRESENT)) == {423}
        assert server.ask(f"/api/logs/{PRESENT}").json["error"] == WITHHELD
        assert 423 not in statuses(server, EARLIER)
        withheld = {entry["name"]: entry["withheld"] for entry in server.ask("/api/logs").json["logs"]}
        assert withheld == {PRESENT: WITHHELD, EARLIER: None}

        car.disconnect()  # a recorder that restarts within the section reveals nothing
        until(lambda: server.ask("/api/live").status == 503)
        assert set(statuses(server, PRESENT)) == {423}

        car.connect()
        car.do(lambda live, t_us: live.command(t_us, "finish_section", {}))
        until(lambda: server.ask("/api/live").json.get("compliance") is False)
        assert 423 not in statuses(server, PRESENT)


def test_a_copy_from_before_the_section_is_withheld_during_it(folder: Path) -> None:
    with driving(folder) as car, serving(folder, car.socket) as server:
        car.do(lambda live, t_us: live.command(t_us, "finish_section", {}))
        until(lambda: server.ask("/api/live").json.get("compliance") is False)
        answer = server.ask(f"/api/logs/{PRESENT}")
        assert answer.status == 200
        tag = answer.headers["etag"]
        car.do(lambda live, t_us: live.command(t_us, "undo", {}))
        until(lambda: server.ask("/api/live").json.get("compliance") is True)
        again = server.ask(f"/api/logs/{PRESENT}", headers={"If-Range": tag, "Range": "bytes=0-9"})
        assert again.status == 423


def test_without_compliance_no_log_is_withheld(folder: Path) -> None:
    with driving(folder) as car, serving(folder, car.socket, "--no-compliance") as server:
        until(lambda: server.ask("/api/live").status == 200)
        assert 423 not in statuses(server, PRESENT)


def test_fetch_skips_the_withheld_log_and_reports_why(folder: Path) -> None:
    with driving(folder) as car, serving(folder, car.socket) as server:
        until(lambda: server.ask("/api/live").status == 200)
        ended = stagelog("fetch", f"http://127.0.0.1:{server.port}", "got", folder=folder)
    assert ended.code == 0, ended.err
    assert f"{PRESENT}: {WITHHELD}; fetch it then" in ended.out
    assert [path.name for path in (folder / "got").glob("*.db")] == [EARLIER]


SELECTIVE, LIAISON = {"kind": "selective", "state": "running"}, {"kind": "liaison", "state": "running"}


def test_the_withheld_log_is_the_one_being_recorded() -> None:
    rule = Compliance(applies=True)
    assert not rule.withholds("a.db")
    rule.shown({"section": SELECTIVE, "recording": {"path": "/logs/a.db"}})
    assert rule.withholds("a.db")
    rule.shown({"section": SELECTIVE, "recording": None})  # a recorder in trouble
    assert rule.withholds("a.db")
    rule.shown({})  # a snapshot without these groups
    assert rule.withholds("a.db")
    rule.shown({"section": SELECTIVE, "recording": {"path": "/logs/b.db"}})
    assert rule.withholds("b.db")
    rule.shown({"section": LIAISON, "recording": {"path": "/logs/b.db"}})
    assert not rule.withholds("b.db")
    free = Compliance(applies=False)
    free.shown({"section": SELECTIVE, "recording": {"path": "/logs/a.db"}})
    assert not free.withholds("a.db")
