"""The whole examination: gathers, has everything judged, and gives the findings in the order in which one mends.

A recorder that runs is asked; only where none runs are the ports opened.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from firmware_bridge.engine.presets import preset
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK
from logger import config as configs
from logger.config import Can, Config
from logger.doctor import asking, buses, fixes, links, listening, looking, machine, shelves, storage
from logger.doctor.facts import Heard
from logger.doctor.findings import Finding, note, ok, wrong
from logger.install.plan import UNITS
from logger.recording import setup, texts
from logger.recording.setup import PortPlan

if TYPE_CHECKING:
    from cantools.database.can import Database

FULL_ID = EFF_FLAG | EXTENDED_MASK
LOSSES = 2
"""A recorder is listened to for so many times `max_loss_s`: within one of them rows reach the log."""
SOURCES = frozenset({"gps", "can"})
"""Tables that say what is read."""
NOT_THE_RECORDERS = frozenset({"serve"})
"""Tables that only the crew server goes by."""


def examine(path: Path, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    """Everything about the set-up in a configuration file; `stop` ends it early."""
    try:
        config = configs.load(path)
        problems = setup.problems(config)
    except ConfigurationError as error:
        config, problems = Config(), setup.each_problem(error)
    for problem in problems:
        yield wrong(problem.where or str(path), problem.what, problem.mend)
    if not problems:
        yield ok(str(path), "a configuration without errors")
    if not problems:
        yield from _sources(config, seconds, stop)
    yield from _machine(config)


def _sources(config: Config, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    plans = setup.prepare(config).ports
    longer_s = max(seconds, LOSSES * config.log.max_loss_s)
    recorder = asking.ask(config.live.socket, plans, longer_s, stop)
    recording = recorder.last.get("recording", {})
    yield machine.judge_recorder(recorder.state, recorder.why, recording)
    if recorder.state == "running" and longer_s > seconds:
        why = f"rows may be {config.log.max_loss_s:g} s on their way to the log (max_loss_s)"
        yield note("recorder", f"listened for {longer_s:g} s: {why}")
    yield from machine.judge_rows(recorder.rows)
    changed = _changed(recorder, config, plans)
    yield from machine.judge_configuration(changed)
    if SOURCES & set(changed):
        yield note("ports", "the recorder reads others than these: restart it, then call the doctor again")
        heard = []
    elif recorder.state == "running":
        heard = list(recorder.heard)
    elif recorder.state == "absent":
        heard = listening.listen_all(plans, seconds, stop)
    else:
        heard = []
    for port in heard:
        others = {other.protocol: other.name for other in heard if other.name != port.name}
        yield from links.judge(port, others)
        if port.protocol == "nmea":
            yield from fixes.judge(port)
    for can in config.can:
        for port in (port for port in heard if port.name == can.name):
            yield from _bus(can, port)
    offsets = [port.utc_offset_s for port in heard if port.protocol == "nmea"]
    yield fixes.judge_clock(next(iter(offsets), None), has_rtc=looking.has_rtc())
    in_use = {Path(recording["path"]).resolve()} if recording else set()
    ledgers = [config.log.directory, config.serve.state]
    yield from storage.judge_disk(
        looking.disk(config.log.directory), config.log.min_free_mb, recording.get("room_h")
    )
    yield from storage.judge_shelf(shelves.look(config.log.directory.resolve(), ledgers, in_use))


def _changed(recorder: asking.Recorder, config: Config, plans: Sequence[PortPlan]) -> list[str]:
    """The tables in which a recorder that runs was told something else than is in the configuration now."""
    if recorder.state != "running":
        return []
    if recorder.last["links"].keys() != {plan.name for plan in plans}:
        return sorted(SOURCES)
    if recorder.config is None:
        return []
    present = configs.from_the_root(config)
    return [
        str(table.metadata.get("key", table.name))
        for table in dataclasses.fields(Config)
        if table.compare
        and table.name not in NOT_THE_RECORDERS
        and getattr(recorder.config, table.name) != getattr(present, table.name)
    ]


def _bus(can: Can, heard: Heard) -> Iterator[Finding]:
    wiring = buses.Wiring(can.bitrate, can.listen_only, can.preset)
    yield from buses.judge(heard, wiring)
    if heard.frames is None:
        return
    known = {can_id & FULL_ID for can_id in (preset(can.preset).ids if can.preset else ())}
    for name, text in texts.read_dbcs(can.dbc).items():
        messages = _messages(text)
        yield from buses.judge_dbc(name, messages, heard.frames, heard.seconds)
        known |= {message.can_id for message in messages}
    yield from buses.judge_unknown(can.name, heard.frames, known)


def _messages(text: str) -> list[buses.Message]:
    """The messages of a DBC file that has been found readable."""
    import cantools.database  # noqa: PLC0415 - a third of a second, and only where there is such a file

    return [
        buses.Message(
            message.frame_id | (EFF_FLAG if message.is_extended_frame else 0), message.name, message.length
        )
        for message in cast("Database", cantools.database.load_string(text, "dbc", strict=False)).messages
    ]


def _machine(config: Config) -> Iterator[Finding]:
    yield from storage.judge_card(looking.card(config.log.directory))
    yield from machine.judge_power(looking.power())
    for unit in UNITS:
        if (told := looking.unit(unit)) is not None:
            yield machine.judge_unit(unit, told)
