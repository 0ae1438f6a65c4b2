"""Build the recorder's parts from a configuration: ports, decoders, stage, and the log's `meta`.

Every error in the files that a configuration names is raised here, before a port is opened.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from firmware_bridge.engine import preset
from firmware_bridge.engine.readings import EngineDecoder, EngineReadings
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import Asker, BusSettings, Protocol, protocol
from firmware_bridge.records import Notice
from logger.config.configuration import Config
from logger.config.sources import Can, Gps
from logger.logfile.naming import stem
from logger.logfile.rows import BUSES_PER_PORT
from logger.recorder import dbc_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from logger.recorder.stage_files import Stage, load_stage
from logger.tomlconfig.schema import TomlError
from logger.version import SOFTWARE

if TYPE_CHECKING:
    from firmware_bridge.engine.obd2_poller import Poller

log = logging.getLogger(__name__)

_NODE_CHANNEL = re.compile(r"[\w.:-]+@0x[0-9A-F]{2}")
"""Channel of one J1939 node among several that send the same message: known once the node sends."""
LOG_FORMAT = "1"
"""Version of the log's meaning, for a change that the schema does not show."""


@dataclass(frozen=True, slots=True)
class PortPlan:
    """A port to read: its address, its protocol, and its poller."""

    name: str
    url: str
    baud: int | Literal["auto"]
    protocol: Protocol
    bus: BusSettings = field(default_factory=BusSettings)
    init: tuple[str, ...] = ()
    poller: Poller | None = None

    def asker(self) -> Asker | None:
        """A new asker that sends the poller's requests through this port's adapter; None if the port is not polled."""
        if self.poller is None:
            return None
        if self.protocol.asker is not None:
            return self.protocol.asker(self.poller, self.bus.bitrate)
        if self.protocol.encode is None:
            return None
        from firmware_bridge.engine.obd2_poller import FrameAsker  # noqa: PLC0415 - only for a polled port

        return FrameAsker(self.poller, self.protocol.encode)


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything the recorder needs, built from a configuration."""

    ports: tuple[PortPlan, ...]
    pipeline: Pipeline
    stage: Stage
    log_stem: str
    meta: dict[str, str]


def prepare(config: Config) -> Setup:
    """Read the files that a configuration names and build the recorder's parts. Raises ConfigurationError.

    An error in a DBC file raises nothing: what is left out becomes an event in the log.
    """
    ports: list[PortPlan] = []
    sources: list[Source] = []
    if config.gps is not None:
        ports.append(_gps_plan(config.gps))
        sources.append(Source(config.gps.name, ports[-1].protocol.decoder(0), FixBuilder()))
    for index, can in enumerate(config.can):
        plan = _can_plan(config, index)
        ports.append(plan)
        sources.append(Source(can.name, plan.protocol.decoder(BUSES_PER_PORT * index)))
    dbcs = dbc_files.read_all(config)
    decoders = dbcs.decoders + [preset(can.preset) for can in config.can if can.preset]
    unknown = _unknown_channels(config, decoders)
    if unknown and not dbcs.problems:
        raise TomlError(unknown)
    stage = load_stage(config)
    live = stage.live(config.car.class_name, config.alarms)
    live.health("dbc_left_out", dbcs.left_out)
    pipeline = Pipeline(sources, EngineReadings(decoders), live)
    for notice in (*dbcs.notices, *map(_alarm_notice, unknown)):
        log.warning("%s", ": ".join(str(value) for value in notice.detail.values() if value is not None))
        pipeline.event(0, notice.kind, notice.detail)
    name = stem(stage.key, config.car.number)
    return Setup(tuple(ports), pipeline, stage, name, describe(config, stage, dbcs.texts))


def problems(config: Config) -> list[ConfigurationError]:
    """Every problem in the files that a configuration names; `prepare` stops at the first.

    Each file is checked independently. Alarm conditions are checked only if all files are good: they need the channels
    of all.
    """
    parts: list[Callable[[], object]] = [
        partial(_can_plan, config, index) for index in range(len(config.can))
    ]
    parts.append(partial(load_stage, config))
    errors = [problem for part in parts for problem in _problems(part)]
    dbcs = dbc_files.read_all(config)
    if not errors:
        decoders = dbcs.decoders + [preset(can.preset) for can in config.can if can.preset]
        errors = _unknown_channels(config, decoders)
    return dbcs.problems + errors


def _problems(part: Callable[[], object]) -> list[ConfigurationError]:
    try:
        part()
    except ConfigurationError as error:
        return each_problem(error)
    return []


def each_problem(error: ConfigurationError) -> list[ConfigurationError]:
    """The individual problems of an error that may hold several."""
    return list(getattr(error, "problems", None) or [error])


def _unknown_channels(config: Config, decoders: Iterable[EngineDecoder]) -> list[ConfigurationError]:
    """Problems of alarms that use a channel which no source provides: they would never sound."""
    channels = {channel.name for decoder in decoders for channel in decoder.channels}
    used = (
        name
        for _, alarm in config.conditions()
        for name in _NODE_CHANNEL.findall(f"{alarm.when} {alarm.while_}")
    )
    channels |= {name for name in used if name.rpartition("@")[0] in channels}
    return [
        config.places.fault((*place, *flaw.key), flaw.what, flaw.hint)
        for place, alarm in config.conditions()
        for flaw in alarm.unknown_channels(channels)
    ]


def _alarm_notice(problem: ConfigurationError) -> Notice:
    """Notice of an alarm whose channel may be in a part that was left out of a DBC file."""
    return Notice(0, "alarm_quiet", {"where": problem.where, "what": problem.what, "then": "it stays quiet"})


def _gps_plan(gps: Gps) -> PortPlan:
    nmea = protocol("nmea")
    if gps.checksum == "optional":
        from firmware_bridge.protocols.nmea import LenientDecoder  # noqa: PLC0415 - only for this option

        nmea = replace(nmea, decoder=LenientDecoder)
    return PortPlan(gps.name, gps.port, gps.baud, nmea, init=gps.init)


def _can_plan(config: Config, index: int) -> PortPlan:
    can = config.can[index]
    chosen = protocol(can.protocol)
    poller = None
    if can.poll:
        if chosen.encode is None:
            what = f"protocol {can.protocol} cannot transmit"
            raise config.places.fault(("can", index, "poll"), what, "set poll = false")
        from firmware_bridge.engine.obd2_poller import Poller  # noqa: PLC0415 - only for a polled port

        poller = Poller(has_prompt=chosen.asker is not None)
    bus = BusSettings(can.bitrate, can.data_bitrate, can.listen_only)
    return PortPlan(can.name, _url(can), can.baud, chosen, bus, poller=poller)


def _url(can: Can) -> str:
    """The URL of a CAN source."""
    if not can.is_interface:
        return can.port
    from firmware_bridge.devices.can_interface import Expected  # noqa: PLC0415 - only for an interface

    return Expected(can.port, can.bitrate, can.listen_only, can.data_bitrate).url


def engine_decoders(dbc_texts: Mapping[str, str], presets: Iterable[str]) -> list[EngineDecoder]:
    """Decoders for DBC texts by name, and for presets. Raises ConfigurationError."""
    decoders: list[EngineDecoder] = []
    for name, text in dbc_texts.items():
        from firmware_bridge.engine import dbc  # noqa: PLC0415 - only for a DBC file

        decoder = dbc.load(text, name)
        for notice in decoder.notices:
            log.warning("%s", ": ".join(str(value) for value in notice.detail.values()))
        decoders.append(decoder)
    return decoders + [preset(name) for name in presets]


def describe(config: Config, stage: Stage, dbc_texts: dict[str, str]) -> dict[str, str]:
    """The log's `meta`: everything needed to read the log years later."""
    meta = {
        "format": LOG_FORMAT,
        "software": SOFTWARE,
        "car": json.dumps(
            {
                "number": config.car.number,
                "name": config.car.name,
                "class": config.car.class_name,
                "crew": list(config.car.crew),
            },
            ensure_ascii=False,
        ),
        "ports": json.dumps(
            ([{"name": config.gps.name, "protocol": "nmea"}] if config.gps else [])
            + [{"name": can.name, "protocol": can.protocol} for can in config.can]
        ),
        "buses": json.dumps({BUSES_PER_PORT * index: can.name for index, can in enumerate(config.can)}),
        "presets": json.dumps([can.preset for can in config.can if can.preset]),
    }
    meta |= {f"dbc:{name}": text for name, text in dbc_texts.items()}
    if stage.itinerary is not None:
        described = stage.itinerary.stage
        meta |= {
            "stage_key": stage.key or "",
            "stage": f"{described.event} {described.number} {described.name}".strip(),
            "stage_date": str(described.date or ""),
            "itinerary": stage.text,
            "rules": stage.rules_text,
            "reset_odometer": json.dumps(stage.reset_odometer),
        }
    return meta
