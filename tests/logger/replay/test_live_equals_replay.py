"""A replay computes exactly what the crew saw live, row by row, however loaded the machine was.

Tested twice: a recorder on the virtual car's ports in real time, beside a busy thread; and the same decoder loop
stepped through stalls, late stamps and power cuts that are rare on a real machine.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.devices.link import Chunk
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.simulation import simulate_bytes
from logger.config import configuration as configs
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import EventRow, Rows
from logger.logfile.store import SessionStart
from logger.recorder import setup
from logger.recorder.decoder_loop import DecoderLoop
from logger.recorder.inbox import CrewOrder, Inbox
from logger.recorder.restart_state import Origin, resume
from logger.recorder.writer import Writer
from logger.replay.replay import Capture
from logger.replay.replay_to_log import replay
from tests.field_failures.recorder_process import query, recording, stop
from tests.logger.recorder.driving import (
    START_S,
    Crew,
    built_in,
    burning,
    recorder_here,
    set_up,
    set_up_at,
    short_stage,
    wait_until,
)

TABLES = ("sentence", "fix", "frame", "clock", "progress")
LIVE_EVENTS = (
    "section",
    "waypoint",
    "overspeed",
    "command",
    "undone",
    "resumed",
    "state_refused",
    "alarm",
    "speeds_rejected",
)
RECORDERS_OWN = ("can lost", "log", "disk", "disk full", "clock")
"""Alarms on the recorder's own health, which no log holds: a replay cannot raise them again."""


def differences(log: Path, folder: Path) -> dict[str, Any]:
    """Tables in which live and replay differ: number of rows, and the first that differ."""
    outcome = replay(Capture(log), folder, lambda share: None)
    assert outcome.log is not None
    found = {}
    for table in (*TABLES, "reading", "event"):
        live, again = rows(log, table), rows(outcome.log, table)
        if live != again:
            pairs = zip(live, again, strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(live), len(again)))
            found[table] = len(live), len(again), live[at : at + 2], again[at : at + 2]
    return found


def rows(log: Path, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table in order; events only those of the live computation."""
    if table == "reading":
        sql = "SELECT session, t_us, name, unit, source, value FROM reading JOIN channel ON channel.id = channel"
        return query(log, f"{sql} ORDER BY reading.rowid")
    if table != "event":
        return query(log, f"SELECT * FROM {table} ORDER BY rowid")
    kinds = ", ".join(f"'{kind}'" for kind in LIVE_EVENTS)
    events = query(log, f"SELECT * FROM event WHERE kind IN ({kinds}) ORDER BY rowid")
    return [
        row for row in events if row[2] != "alarm" or json.loads(str(row[3]))["name"] not in RECORDERS_OWN
    ]


def happened(log: Path) -> set[tuple[str, str]]:
    """Kind and state of the live events in a log, to check that the drive had some."""
    return {(row[2], json.loads(row[3]).get("state", "")) for row in rows(log, "event")}


# -- the recorder, in real time ---------------------------------------------------------------------------

ORDERS: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (0.0, "start_section", {"index": 0}),
    (2.0, "reset_trip", {"trip": 1}),
    (3.5, "adjust_distance", {"metres": 20}),
    (5.0, "mark", {"note": "stone"}),
    (7.5, "undo", {}),
    (8.0, "adjust_distance", {"metres": -10, "trip": 2}),
    (8.5, "start_section", {"index": 1}),
    (9.0, "undo", {}),
    (9.5, "acknowledge", {}),
    (10.0, "finish_section", {}),
)


OWN_ALARMS = """
[[alarm]]
name = "revs"
when = "rpm > 800"
for_s = 1
rearm = 50
latch = true

[[alarm]]
name = "fast"
when = "speed_kmh > 60"
while = "rpm > 800"
"""


def alarms(log: Path) -> list[str]:
    """The names of a log's alarms, once per change of one."""
    return [json.loads(str(row[3]))["name"] for row in rows(log, "event") if row[2] == "alarm"]


@pytest.fixture
def car(tmp_path: Path) -> VirtualCar:
    """A car that begins to drive when its context is entered: once a recorder runs, however long its start takes."""
    return VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300, directory=tmp_path)


@pytest.mark.parametrize("load", [nullcontext, burning], ids=["quiet", "burning"])
def test_a_drive_with_a_busy_crew_replays_exactly(
    car: VirtualCar, tmp_path: Path, load: Callable[[], Any]
) -> None:
    config = set_up(tmp_path, car, more="rate_hz = 50\n" + OWN_ALARMS)
    with load(), recorder_here(config) as recorder, Crew(tmp_path / "live.sock") as crew, car:
        began = time.monotonic()
        for after_s, name, arguments in ORDERS:
            while time.monotonic() < began + after_s:
                crew.snapshot()
            assert crew.command(name, **arguments) is None
        wait_until(began + 10.5)
        log = recorder.status().writer.path
    assert happened(log) >= {("section", "finished"), ("waypoint", "validated"), ("overspeed", "")}
    assert {"revs", "fast"} <= set(alarms(log))
    assert differences(log, tmp_path / "again") == {}
    other_rules = tmp_path / "rules.toml"
    other_rules.write_text("[speed]\nwarn_within_kmh = 3\n")  # so that the review computes everything again
    with open_evidence(log, ReviewOptions(rules=str(other_rules)), lambda share: None) as (evidence, *_):
        made = [event.detail["name"] for event in evidence.events if event.kind == "alarm"]
    assert [name for name in made if name not in RECORDERS_OWN] == alarms(log)


def test_two_sessions_with_a_kill_between_replay_exactly(car: VirtualCar, tmp_path: Path) -> None:
    config = set_up(tmp_path, car)
    with ExitStack() as road:
        for is_killed in (True, False):
            with recording(config) as process, Crew(tmp_path / "live.sock") as crew:
                if is_killed:
                    road.enter_context(car)
                began = time.monotonic()
                for _, name, arguments in ORDERS[:1] * is_killed + ORDERS[1:4]:
                    assert crew.command(name, **arguments) is None
                while time.monotonic() < began + 3.0:
                    crew.snapshot()
                if is_killed:
                    process.kill()
                    process.wait()
                else:
                    stop(process)
    log = next((tmp_path / "logs").glob("*.db"))
    assert query(log, "SELECT count(*) FROM session") == [(2,)]
    assert happened(log) >= {("resumed", ""), ("command", ""), ("waypoint", "validated")}
    assert differences(log, tmp_path / "again") == {}


def test_a_change_of_stage_in_mid_overspeed_replays_exactly_in_both_logs(
    car: VirtualCar, tmp_path: Path
) -> None:
    config = set_up(tmp_path, car)
    first, second = (tmp_path / "logs" / f"test-{number}-car-7-001.db" for number in (3, 4))
    with recording(config) as process, Crew(tmp_path / "live.sock") as crew, car:
        assert crew.command("start_section", index=0) is None
        while not ((limit := crew.snapshot()["limit"])["zone"] and limit["over_kmh"] and not limit["free"]):
            pass
        next_stage = short_stage().replace("number = 3", "number = 4")
        (tmp_path / "stage.toml").write_text(next_stage, encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        while crew.snapshot()["recording"]["path"] != str(second):
            pass
        assert crew.command("start_section", index=0) is None
        began = time.monotonic()
        while time.monotonic() < began + 3.0:
            crew.snapshot()
        stop(process)
    ((ends_us,),) = query(first, "SELECT t_us FROM event WHERE kind = 'session_end'")
    ((begins_us,),) = query(
        second, "SELECT json_extract(detail, '$.begins_us') FROM event WHERE kind = 'session_begin'"
    )
    assert begins_us == ends_us
    assert "gps lost" not in alarms(second)
    assert int(str(query(second, "SELECT min(t_us) FROM progress")[0][0])) > int(str(begins_us))
    assert ("overspeed", "") in happened(first)
    for number, log in enumerate((first, second)):
        assert differences(log, tmp_path / f"again-{number}") == {}


# -- the same decoding, stepped ---------------------------------------------------------------------------

SESSIONS_S = (9.0, 8.0, 7.0)
HARMLESS = [(name, arguments) for _, name, arguments in ORDERS[1:4]]
LOST_S = 0.7
"""Between a power cut and the next session's first byte."""


class Stepped(Origin):
    """A session's clock that the test sets."""

    now_us = 0

    def t_us(self) -> int:
        return Stepped.now_us


class Session:
    """A recorder without threads or ports: `deliver` queues input, `round` processes it."""

    def __init__(self, config: configs.Config, log: Path, boot_us: int) -> None:
        prepared = setup.prepare(config)
        origin = Stepped("boot", boot_us)
        Stepped.now_us = 0
        opened, _ = open_log(log)
        opened.begin_session(SessionStart("boot", "", "test", ""), prepared.meta)
        opened.write(Rows(event=[EventRow(0, "session_begin", {})]))
        resume(prepared.pipeline, opened, origin)
        self.inbox = Inbox()
        self._writer = Writer(opened, max_loss_s=1.0, open_again=lambda *_: opened, clock_us=origin.t_us)
        self.decoder_loop = DecoderLoop(
            prepared.pipeline, self.inbox, self._writer, {}, prepared.ports, origin
        )

    def cut(self) -> None:
        """A power cut: what was decoded is on the card, and nothing is closed."""
        self._writer.close()
        self._writer.run()


def arrivals(
    chance: random.Random, from_s: float, to_s: float
) -> Iterator[tuple[int, int, Chunk | CrewOrder]]:
    """(time of queueing, stamp, item) in order: a stalled reader stamps late, and queues later still."""
    chunks = simulate_bytes(built_in()[2], gps_hz=10, can_rate=100, t0_s=from_s, t1_s=to_s, cold_start_s=0.0)
    begins_us = int(from_s * 1e6)
    made: list[tuple[int, int, Chunk | CrewOrder]] = []
    free_us = {"gps": 0, "engine": 0}
    for port, t_us, data in chunks:
        at_us = max(free_us[port], t_us - begins_us)
        if chance.random() < 0.02:
            at_us += chance.randrange(2_000_000)  # the port's thread did not get the processor
        size = chance.choice((40, 400, 4000))
        for piece in (data[at : at + size] for at in range(0, len(data), size)):
            at_us += chance.choice((1, 3000))
            queued_us = at_us + chance.choice((0, 0, 1000, 30_000, 300_000))
            made.append((queued_us, at_us, Chunk(port, at_us, piece)))
        free_us[port] = at_us
    orders = [chance.choice(HARMLESS) for _ in range(int(to_s - from_s))]
    for name, arguments in orders + [("start_section", {"index": 0}), ("undo", {})] * chance.randrange(2):
        at_us = chance.choice(made)[1] + chance.choice((-1, 0, 1, 20, chance.randrange(100_000)))
        made.append(
            (at_us + chance.choice((0, 50_000)), at_us, CrewOrder(at_us, name, arguments, lambda _: None))
        )
    made.sort(key=itemgetter(0, 1))
    yield from made


def drive_through(folder: Path, config: configs.Config, chance: random.Random) -> Path:
    log = folder / "log.db"
    at_s, boot_us = START_S, 0
    for lasts_s in SESSIONS_S:
        session = Session(config, log, boot_us)
        waiting = list(arrivals(chance, at_s, at_s + lasts_s))
        for queued_us, _, item in waiting[: -chance.randrange(1, 20)]:  # the cut may come in mid-sentence
            while Stepped.now_us < queued_us:
                session.decoder_loop.round()
                Stepped.now_us += chance.choice((20_000, 20_000, 20_000, 21_234, 90_000, 1_100_000))
                if chance.random() < 0.5:
                    session.decoder_loop.snapshot()
            session.inbox.put(item)
        session.decoder_loop.round()
        session.cut()
        at_s += lasts_s + LOST_S
        boot_us += Stepped.now_us + int(LOST_S * 1e6)
    return log


@pytest.mark.parametrize("seed", range(5))
def test_stalls_late_stamps_and_power_cuts_replay_exactly(tmp_path: Path, seed: int) -> None:
    config = configs.load(set_up_at(tmp_path, "gps", "can"))
    log = drive_through(tmp_path, config, random.Random(seed))
    assert happened(log) >= {("resumed", ""), ("command", ""), ("waypoint", "validated")}
    assert differences(log, tmp_path / "again") == {}
