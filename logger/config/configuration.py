"""The configuration `stagelog.toml`: one car's set-up, read once into frozen values.

Every rule of the file is here, so that a mistake is reported with its line before a port is opened; other modules
receive checked values. Relative paths start from the file's own folder. The one secret, the crew page's pin, never
appears in a repr or in the log.
"""

from __future__ import annotations

import ipaddress
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from firmware_bridge.engine import preset
from firmware_bridge.errors import ConfigurationError
from logger.config.input_files import read_text
from logger.config.sources import Can, Gps
from logger.stage.declared import Alarm
from logger.stage.file_role import require_role
from logger.tomlconfig.schema import SECRET, UNWRITTEN, Flaw, Places, TomlFile, dumps, empty, named, within

MIN_PIN_LENGTH = 4
"""A shorter pin can be guessed within minutes even with rate-limited guesses."""

MAX_LOSS_S = 10
"""A writer that pauses for longer looks stuck to the watchdog of the shipped systemd unit, which allows 20 s."""

MAX_SOCKET_PATH_BYTES = 107
"""Linux reserves 108 bytes for a Unix socket's path, the last of them a NUL."""


@dataclass(frozen=True, slots=True)
class Car:
    """The car and its crew; all of it goes into the log's meta."""

    number: int | None = field(default=None, metadata=within(0, 99_999))
    name: str = ""
    class_name: str = field(default="", metadata=named("class"))
    crew: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """The log folder, the loss that a power cut may cause, the disk space kept free.

    Space is freed by removing old logs that have been downloaded; with `last_resort`, in the end, other logs as well.
    """

    directory: Path = Path("/var/lib/stagelog")
    max_loss_s: float = field(default=1.0, metadata=within(0.05, MAX_LOSS_S))
    min_free_mb: int = field(default=512, metadata=within(0, 1_000_000))
    last_resort: bool = False


@dataclass(frozen=True, slots=True)
class StageRef:
    """The stage to record, and its rules; `reset_odometer` sets the distance to the roadbook's at waypoints."""

    itinerary: Path
    rules: Path | None = None
    reset_odometer: bool = True


@dataclass(frozen=True, slots=True)
class Live:
    """The recorder's live socket and how often its snapshot is replaced."""

    socket: Path = Path("/run/stagelog/live.sock")
    rate_hz: float = field(default=10.0, metadata=within(0.5, 50))

    def flaws(self) -> Iterable[Flaw]:
        length = len(os.fsencode(self.socket))
        if length > MAX_SOCKET_PATH_BYTES:
            what = f"a path of {length} bytes is too long for a socket"
            yield Flaw(("socket",), what, f"choose one of at most {MAX_SOCKET_PATH_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Serve:
    """The crew server's address, and the folder of its state. Clients on other machines need the pin."""

    host: str = "127.0.0.1"
    port: int = field(default=8040, metadata=within(0, 65_535))
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    compliance: bool = True
    """Whether position and heading are hidden during a timed section."""
    state: Path = Path("/var/lib/stagelog-crew")

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("host", self.host))
        if self.pin is None and not is_loopback(self.host):
            what = f"missing: host = {self.host!r} can be reached from other machines"
            yield Flaw(("pin",), what, 'add pin = "...", or set host = "127.0.0.1"')
        if self.pin is not None and len(self.pin) < MIN_PIN_LENGTH:
            yield Flaw(("pin",), "too short", f"use at least {MIN_PIN_LENGTH} characters")


@dataclass(frozen=True, slots=True)
class Clock:
    """Where GPS time goes: `chrony` is the socket of its SOCK reference clock. The recorder sets no clock itself."""

    chrony: Path | None = None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Power off the machine when the car is stationary and `when` has held for `for_s` seconds without a break."""

    when: str
    for_s: float = field(default=30.0, metadata=within(5, 3600))

    @property
    def alarm(self) -> Alarm:
        """The condition as an alarm: both are written and evaluated alike."""
        return Alarm("shutdown", self.when, for_s=self.for_s)

    def flaws(self) -> Iterable[Flaw]:
        yield from self.alarm.flaws()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. It has at least one source: a GPS receiver or a CAN adapter."""

    car: Car = Car()
    log: Log = Log()
    gps: Gps | None = None
    can: tuple[Can, ...] = ()
    stage: StageRef | None = None
    live: Live = Live()
    serve: Serve = Serve()
    clock: Clock = Clock()
    shutdown: Shutdown | None = None
    alarms: tuple[Alarm, ...] = field(default=(), metadata=named("alarm"))
    places: Places = field(default=Places("stagelog.toml"), compare=False, repr=False, metadata=UNWRITTEN)
    """Lines of the keys, for errors in the files that they name."""

    def flaws(self) -> Iterable[Flaw]:
        sources: list[tuple[tuple[str | int, ...], Gps | Can]] = [
            *([(("gps",), self.gps)] if self.gps else []),
            *((("can", index), can) for index, can in enumerate(self.can)),
        ]
        if not sources:
            yield Flaw(
                ("gps",), "no source: neither a [gps] nor a [[can]] table", "add the one that is plugged in"
            )
        names = Counter(source.name for _, source in sources)
        ports = Counter(source.port for _, source in sources)
        for place, source in sources:
            if source.name and names[source.name] > 1:
                yield Flaw((*place, "name"), f'"{source.name}" names two sources', "give each its own name")
            if source.port and ports[source.port] > 1:
                yield Flaw((*place, "port"), "two sources read this port", "give each its own port")
        alarms = Counter(alarm.name for alarm in self.alarms)
        for index, alarm in enumerate(self.alarms):
            if alarm.name and alarms[alarm.name] > 1:
                yield Flaw(
                    ("alarm", index, "name"), f'"{alarm.name}" names two alarms', "give each its own name"
                )
        if not any(can.dbc for can in self.can):  # channels of DBC files are known only once those are read
            channels = {
                channel.name for can in self.can if can.preset for channel in preset(can.preset).channels
            }
            for place, alarm in self.conditions():
                for flaw in alarm.unknown_channels(channels):
                    yield flaw._replace(key=(*place, *flaw.key))

    def conditions(self) -> Iterable[tuple[tuple[str | int, ...], Alarm]]:
        """Every condition on the car's channels, each with its place in the file."""
        yield from ((("alarm", index), alarm) for index, alarm in enumerate(self.alarms))
        if self.shutdown is not None:
            yield ("shutdown",), self.shutdown.alarm


def load(path: Path) -> Config:
    """Read the configuration from a file. Raises ConfigurationError, or TomlError for wrong text."""
    text = read_text(path, hint="name the configuration with -c FILE")
    return loads(text, str(path), path.parent)


def loads(text: str, name: str, folder: Path) -> Config:
    """Parse the configuration; relative paths and ports start from `folder`. Raises TomlError."""
    require_role(text, name, "configuration")
    file = TomlFile(text, name, folder)
    config = file.build(Config)
    return replace(
        config,
        places=file.places,
        gps=replace(config.gps, port=_port_from(folder, config.gps.port)) if config.gps else None,
        can=tuple(
            can if can.is_interface else replace(can, port=_port_from(folder, can.port)) for can in config.can
        ),
    )


def for_log(config: Config) -> str:
    """The configuration as TOML for the log: with defaults, keys in fixed order, without the pin."""
    return dumps(replace(config, serve=replace(config.serve, pin=None)))


def with_absolute_paths(config: Config) -> Config:
    """The same configuration with absolute paths, for a reader in another folder."""
    absolute: Config = _with_absolute_paths(config)
    return absolute


def served_at(config: Config, host: str | None, port: int | None) -> Serve:
    """[serve] with another host or port, under the same rules. Raises ConfigurationError."""
    serve = config.serve
    if host is not None:
        serve = replace(serve, host=host)
    if port is not None:
        serve = replace(serve, port=port)
    for flaw in serve.flaws():
        raise ConfigurationError(
            f"serve.{flaw.key[0]}: {flaw.what}", where=config.places.name, hint=flaw.hint
        )
    return serve


def is_loopback(host: str) -> bool:
    """Whether a server on `host` can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _with_absolute_paths(value: Any) -> Any:
    if isinstance(value, Path):
        return value.resolve()
    if isinstance(value, tuple):
        return tuple(_with_absolute_paths(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: _with_absolute_paths(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **changes)
    return value


def _port_from(folder: Path, port: str) -> str:
    return port if "://" in port else str(folder / port)
