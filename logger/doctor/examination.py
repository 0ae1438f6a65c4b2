"""The whole examination: gathers, has everything judged, and gives the findings in the order in which one mends.

A recorder that runs is asked; only where none runs are the ports opened. What cannot be looked at, by this user or
because a file is wrong, is told, and ends nothing else.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_bridge.devices import can_interface
from firmware_bridge.devices.can_interface import Expected
from firmware_bridge.engine import preset
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK
from logger.config import configuration as configs
from logger.config import input_files
from logger.config.configuration import Config
from logger.config.sources import Can
from logger.doctor import (
    judge_bus,
    judge_gps,
    judge_interface,
    judge_machine,
    judge_port,
    judge_storage,
    probe_logs,
    probe_ports,
    probe_recorder,
    probe_system,
)
from logger.doctor.findings import SUDO, Finding, note, ok, wrong
from logger.doctor.port_observation import Heard
from logger.install.plan import CONFIGURATION, STARTED, UNITS
from logger.install.reach import out_of_reach
from logger.recorder import setup
from logger.recorder.setup import PortPlan

if TYPE_CHECKING:
    from firmware_bridge.engine.dbc import DbcDecoder

FULL_ID = EFF_FLAG | EXTENDED_MASK
LOSSES = 2
"""A recorder is listened to for so many times `max_loss_s`: within one of them rows reach the log."""
SOURCES = frozenset({"gps", "can"})
"""Tables that say what is read."""
NOT_THE_RECORDERS = frozenset({"serve"})
"""Tables that only the crew server goes by."""


def examine(path: Path, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    """Everything about the set-up in a configuration file; `stop` ends it early."""
    config: Config | None = None
    try:
        config = configs.load(path)
        problems = setup.problems(config)
    except ConfigurationError as error:
        problems = setup.each_problem(error)
    for problem in problems:
        yield wrong(problem.where or str(path), problem.what, SUDO if _is_denied(problem) else problem.hint)
    if not problems:
        yield ok(str(path), "a configuration without errors")
    if config is not None:
        yield from _sources(config, seconds, stop)
    yield from _machine(path, config or Config())


def _part(where: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings of one part; where it cannot be looked at that is told, and the next part follows."""
    try:
        yield from findings
    except PermissionError:
        yield note(where, "may not be looked at", SUDO)
    except (OSError, sqlite3.Error) as error:
        yield note(where, f"cannot be looked at: {error}")


def _is_denied(error: BaseException | None) -> bool:
    """Whether a file may not be read, at the bottom of what is said of it."""
    return error is not None and (isinstance(error, PermissionError) or _is_denied(error.__cause__))


def _sources(config: Config, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    try:
        plans = setup.prepare(_without_files(config)).ports
    except ConfigurationError:  # has been told
        plans = ()
    longer_s = max(seconds, LOSSES * config.log.max_loss_s)
    recorder = probe_recorder.ask(config.live.socket, plans, longer_s, stop)
    recording = recorder.last.get("recording", {})
    yield judge_machine.judge_recorder(recorder.state, recorder.why, recording)
    if recorder.state == "running" and longer_s > seconds:
        why = f"rows may be {config.log.max_loss_s:g} s on their way to the log (max_loss_s)"
        yield note("recorder", f"listened for {longer_s:g} s: {why}")
    yield from judge_machine.judge_rows(recorder.rows)
    changed = _changed(recorder, config, plans)
    yield from judge_machine.judge_configuration(changed)
    heard: Sequence[Heard] = ()
    if not plans:
        yield note("ports", "not looked at: mend the configuration first")
    elif SOURCES & set(changed):
        yield note("ports", "the recorder reads others than these: restart it, then call the doctor again")
    elif recorder.state == "running":
        heard = recorder.heard
    elif recorder.state == "absent":
        heard = probe_ports.listen_all(plans, seconds, stop)
    yield from _ports(config, heard)
    offsets = [port.utc_offset_s for port in heard if port.protocol == "nmea"]
    yield judge_gps.judge_clock(next(iter(offsets), None), has_rtc=probe_system.has_rtc())
    yield from _part(f"disk {config.log.directory}", _disk(config, recording))
    yield from _part("logs", _logs(config, recording))


def _without_files(config: Config) -> Config:
    """The same without the files that it names: what is wrong in one hides no port."""
    cans = tuple(replace(can, dbc=()) for can in config.can)
    return replace(config, can=cans, stage=None, alarms=(), shutdown=None)


def _ports(config: Config, heard: Sequence[Heard]) -> Iterator[Finding]:
    for port in heard:
        others = {other.protocol: other.name for other in heard if other.name != port.name}
        yield from judge_port.judge(port, others)
        if port.protocol == "nmea":
            yield from judge_gps.judge(port)
    for can in config.can:
        if can.is_interface:
            yield from _part(f"interface {can.port}", _interface(can))
        for port in (port for port in heard if port.name == can.name):
            yield from _bus(can, port)


def _interface(can: Can) -> Iterator[Finding]:
    expected = Expected(can.port, can.bitrate, can.listen_only, can.data_bitrate)
    yield from judge_interface.judge(expected, can_interface.ask(can.port))


def _disk(config: Config, recording: Mapping[str, Any]) -> Iterator[Finding]:
    found = probe_system.disk(config.log.directory)
    yield from judge_storage.judge_disk(found, config.log.min_free_mb, recording.get("room_h"))


def _logs(config: Config, recording: Mapping[str, Any]) -> Iterator[Finding]:
    in_use = {Path(recording["path"]).resolve()} if recording else set()
    ledgers = [config.log.directory, config.serve.state]
    yield from judge_storage.judge_shelf(probe_logs.look(config.log.directory.resolve(), ledgers, in_use))


def _changed(recorder: probe_recorder.Recorder, config: Config, plans: Sequence[PortPlan]) -> list[str]:
    """The tables in which a recorder that runs was told something else than is in the configuration now."""
    if recorder.state != "running":
        return []
    if plans and recorder.last["links"].keys() != {plan.name for plan in plans}:
        return sorted(SOURCES)
    if recorder.config is None:
        return []
    present = configs.with_absolute_paths(config)
    return [
        str(table.metadata.get("key", table.name))
        for table in dataclasses.fields(Config)
        if table.compare
        and table.name not in NOT_THE_RECORDERS
        and getattr(recorder.config, table.name) != getattr(present, table.name)
    ]


def _bus(can: Can, heard: Heard) -> Iterator[Finding]:
    wiring = judge_bus.Wiring(can.bitrate, bool(can.listen_only), can.preset)
    yield from judge_bus.judge(heard, wiring)
    if heard.frames is None:
        return
    known = {can_id & FULL_ID for can_id in (preset(can.preset).ids if can.preset else ())}
    for path in can.dbc:
        decoder = _decoder(path)
        if decoder is None:
            yield note(f"dbc {path.name}", "not held against the bus: it cannot be read")
            return
        named = [(key, decoder.ids_in_file(key[0])) for key in heard.frames]
        frames = {
            (can_id, key[1]): heard.frames[key] for key, can_ids in named for can_id in can_ids or key[:1]
        }
        messages = [judge_bus.Message(*name) for name in decoder.names]
        yield from judge_bus.judge_dbc(path.name, messages, frames, heard.seconds)
        known |= {key[0] & FULL_ID for key, can_ids in named if can_ids} | {
            name.can_id for name in decoder.names
        }
    yield from judge_bus.judge_unknown(can.name, heard.frames, known)


def _decoder(path: Path) -> DbcDecoder | None:
    """The decoder of a DBC file; None where it cannot be read, which has been reported."""
    from firmware_bridge.engine import dbc  # noqa: PLC0415 - a third of a second, and only where there is such a file

    try:
        (text,) = input_files.read_dbcs([path]).values()
        return dbc.load(text, path.name)
    except ConfigurationError:
        return None


def _machine(path: Path, config: Config) -> Iterator[Finding]:
    yield from _reach(path, config)
    yield from _part("card", _card(config))
    yield from judge_machine.judge_power(probe_system.power())
    for unit in UNITS:
        if (told := probe_system.unit(unit)) is not None:
            yield judge_machine.judge_unit(unit, told)
    if config.shutdown is not None and (told := probe_system.unit(STARTED["power-off"])) is not None:
        yield judge_machine.judge_power_off(told)
    if config.clock.chrony is not None:
        yield from _part("chrony", _chrony(config.clock.chrony))


def _reach(path: Path, config: Config) -> Iterator[Finding]:
    """What the recorder, as a service, does not come to, though whoever calls the doctor may."""
    told = probe_system.unit(UNITS[0]) if str(path.absolute()) == CONFIGURATION else None
    if told is None or told.get("LoadState") != "loaded":
        return
    for file, what, hint in out_of_reach(config):
        yield wrong(str(file), what, hint)
    if (
        config.gps is not None
        and config.gps.is_gpsd
        and "AF_INET" not in told.get("RestrictAddressFamilies", "").split()
    ):
        what = "the recorder, as a service, has no network, and does not reach gpsd"
        yield wrong(f"port {config.gps.name}", what, "sudo stagelog install --with gpsd")
    writable = [place.lstrip("-+") for place in told.get("ReadWritePaths", "").split()]
    if not any(config.log.directory.resolve().is_relative_to(place) for place in writable):
        hint = f"sudo systemctl edit {UNITS[0]}: ReadWritePaths={config.log.directory} under [Service]"
        yield wrong(f"disk {config.log.directory}", "the recorder, as a service, may not write there", hint)


def _card(config: Config) -> Iterator[Finding]:
    yield from judge_storage.judge_card(probe_system.card(config.log.directory))


def _chrony(path: Path) -> Iterator[Finding]:
    yield judge_machine.judge_chrony(path, is_there=path.is_socket())
