"""Run all checks of the doctor and yield the findings in the order in which to fix them.

A running recorder is observed over its socket; the ports are opened only if none runs. A part that cannot be checked,
for lack of permission or because of a damaged file, is reported, and the other parts are still checked.
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
from logger.doctor.port_observation import PortObservation
from logger.install.plan import CONFIGURATION, STARTED, UNITS
from logger.install.reach import out_of_reach
from logger.recorder import setup
from logger.recorder.setup import PortPlan

if TYPE_CHECKING:
    from firmware_bridge.engine.dbc import DbcDecoder

FULL_ID = EFF_FLAG | EXTENDED_MASK
MIN_LOSS_PERIODS = 2
"""A recorder is observed for at least this many times `max_loss_s`: rows reach the log within one of them."""
SOURCES = frozenset({"gps", "can"})
"""Tables that configure the sources."""
NOT_FOR_RECORDER = frozenset({"serve"})
"""Tables that only the crew server uses."""


def examine(path: Path, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    """Yield all findings about the set-up in a configuration file; `stop` ends it early."""
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
    """Yield the findings of one part, and a note if it cannot be checked."""
    try:
        yield from findings
    except PermissionError:
        yield note(where, "cannot be checked without permission", SUDO)
    except (OSError, sqlite3.Error) as error:
        yield note(where, f"cannot be checked: {error}")


def _is_denied(error: BaseException | None) -> bool:
    """Whether a PermissionError is among the causes of an error."""
    return error is not None and (isinstance(error, PermissionError) or _is_denied(error.__cause__))


def _sources(config: Config, seconds: float, stop: threading.Event) -> Iterator[Finding]:
    try:
        plans = setup.prepare(_without_files(config)).ports
    except ConfigurationError:  # already reported
        plans = ()
    longer_s = max(seconds, MIN_LOSS_PERIODS * config.log.max_loss_s)
    recorder = probe_recorder.observe(config.live.socket, plans, longer_s, stop)
    recording = recorder.last.get("recording", {})
    yield judge_machine.judge_recorder(recorder.state, recorder.why, recording)
    if recorder.state == "running" and longer_s > seconds:
        why = f"rows may take {config.log.max_loss_s:g} s to reach the log (max_loss_s)"
        yield note("recorder", f"observed for {longer_s:g} s: {why}")
    yield from judge_machine.judge_rows(recorder.rows)
    changed = _changed(recorder, config, plans)
    yield from judge_machine.judge_configuration(changed)
    ports: Sequence[PortObservation] = ()
    if not plans:
        yield note("ports", "not checked: fix the configuration first")
    elif SOURCES & set(changed):
        yield note("ports", "the recorder reads other ports: restart it, then run the doctor again")
    elif recorder.state == "running":
        ports = recorder.ports
    elif recorder.state == "absent":
        ports = probe_ports.listen_all(plans, seconds, stop)
    yield from _ports(config, ports)
    offsets = [port.utc_offset_s for port in ports if port.protocol == "nmea"]
    yield judge_gps.judge_clock(next(iter(offsets), None), has_rtc=probe_system.has_rtc())
    yield from _part(f"disk {config.log.directory}", _disk(config, recording))
    yield from _part("logs", _logs(config, recording))


def _without_files(config: Config) -> Config:
    """The configuration without the files it names, so that an error in one does not prevent the port checks."""
    cans = tuple(replace(can, dbc=()) for can in config.can)
    return replace(config, can=cans, stage=None, alarms=(), shutdown=None)


def _ports(config: Config, ports: Sequence[PortObservation]) -> Iterator[Finding]:
    for port in ports:
        others = {other.protocol: other.name for other in ports if other.name != port.name}
        yield from judge_port.judge(port, others)
        if port.protocol == "nmea":
            yield from judge_gps.judge(port)
    for can in config.can:
        if can.is_interface:
            yield from _part(f"interface {can.port}", _interface(can))
        for port in (port for port in ports if port.name == can.name):
            yield from _bus(can, port)


def _interface(can: Can) -> Iterator[Finding]:
    expected = Expected(can.port, can.bitrate, can.listen_only, can.data_bitrate)
    yield from judge_interface.judge(expected, can_interface.ask(can.port))


def _disk(config: Config, recording: Mapping[str, Any]) -> Iterator[Finding]:
    disk = probe_system.disk(config.log.directory)
    yield from judge_storage.judge_disk(disk, config.log.min_free_mb, recording.get("room_h"))


def _logs(config: Config, recording: Mapping[str, Any]) -> Iterator[Finding]:
    in_use = {Path(recording["path"]).resolve()} if recording else set()
    ledgers = [config.log.directory, config.serve.state]
    yield from judge_storage.judge_logs(probe_logs.probe(config.log.directory.resolve(), ledgers, in_use))


def _changed(recorder: probe_recorder.Recorder, config: Config, plans: Sequence[PortPlan]) -> list[str]:
    """The tables of the configuration that have changed since the running recorder read it."""
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
        and table.name not in NOT_FOR_RECORDER
        and getattr(recorder.config, table.name) != getattr(present, table.name)
    ]


def _bus(can: Can, port: PortObservation) -> Iterator[Finding]:
    wiring = judge_bus.Wiring(can.bitrate, bool(can.listen_only), can.preset)
    yield from judge_bus.judge(port, wiring)
    if port.frames is None:
        return
    known = {can_id & FULL_ID for can_id in (preset(can.preset).ids if can.preset else ())}
    for path in can.dbc:
        decoder = _decoder(path)
        if decoder is None:
            yield note(f"dbc {path.name}", "not compared with the bus: it cannot be read")
            return
        named = [(key, decoder.ids_in_file(key[0])) for key in port.frames]
        frames = {
            (can_id, key[1]): port.frames[key] for key, can_ids in named for can_id in can_ids or key[:1]
        }
        messages = [judge_bus.Message(*name) for name in decoder.names]
        yield from judge_bus.judge_dbc(path.name, messages, frames, port.seconds)
        known |= {key[0] & FULL_ID for key, can_ids in named if can_ids} | {
            name.can_id for name in decoder.names
        }
    yield from judge_bus.judge_unknown(can.name, port.frames, known)


def _decoder(path: Path) -> DbcDecoder | None:
    """The decoder of a DBC file; None if it cannot be read, which has already been reported."""
    from firmware_bridge.engine import dbc  # noqa: PLC0415 - only for a DBC file

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
        if (properties := probe_system.unit(unit)) is not None:
            yield judge_machine.judge_unit(unit, properties)
    if config.shutdown is not None and (properties := probe_system.unit(STARTED["power-off"])) is not None:
        yield judge_machine.judge_power_off(properties)
    if config.clock.chrony is not None:
        yield from _part("chrony", _chrony(config.clock.chrony))


def _reach(path: Path, config: Config) -> Iterator[Finding]:
    """Files, directories and networks that the recorder service cannot reach, even if the doctor's user can."""
    properties = probe_system.unit(UNITS[0]) if str(path.absolute()) == CONFIGURATION else None
    if properties is None or properties.get("LoadState") != "loaded":
        return
    for file, what, hint in out_of_reach(config):
        yield wrong(str(file), what, hint)
    if (
        config.gps is not None
        and config.gps.is_gpsd
        and "AF_INET" not in properties.get("RestrictAddressFamilies", "").split()
    ):
        what = "the recorder service has no network access, so it cannot reach gpsd"
        yield wrong(f"port {config.gps.name}", what, "sudo stagelog install --with gpsd")
    writable = [entry.lstrip("-+") for entry in properties.get("ReadWritePaths", "").split()]
    if not any(config.log.directory.resolve().is_relative_to(entry) for entry in writable):
        hint = f"sudo systemctl edit {UNITS[0]}: ReadWritePaths={config.log.directory} under [Service]"
        yield wrong(f"disk {config.log.directory}", "the recorder service may not write there", hint)


def _card(config: Config) -> Iterator[Finding]:
    yield from judge_storage.judge_card(probe_system.card(config.log.directory))


def _chrony(path: Path) -> Iterator[Finding]:
    yield judge_machine.judge_chrony(path, exists=path.is_socket())
