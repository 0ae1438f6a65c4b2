"""`stagelog.toml`: what one car's set-up says, read once into frozen values.

Every rule of the file stands here, so that a wrong one is found with its line before a port is opened: parts
of the program are handed the values they need and check nothing again. Relative paths start from the file's
own folder. The one secret, the crew page's pin, never appears in a repr or in the log.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from firmware_bridge.can_interface import SCHEME
from firmware_bridge.engine.presets import PRESET_NAMES, preset
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import PROTOCOL_NAMES
from logger.stage.declared import Alarm
from logger.tomlfile import SECRET, UNWRITTEN, Flaw, Places, TomlFile, dumps, empty, named, one_of, within

CAN_PROTOCOLS = tuple(name for name in PROTOCOL_NAMES if name != "nmea")

MIN_PIN_LENGTH = 4
"""Fewer digits are guessed within minutes even when guesses are rate-limited."""

MAX_LOSS_S = 10
"""A writer that rests for longer looks stuck to the watchdog of the shipped unit, which has 20 s."""

MAX_SOCKET_PATH_BYTES = 107
"""Linux keeps 108 bytes for a Unix socket's path, the last of them a NUL."""

_BAUD = within(300, 12_000_000)  # from the slowest GPS ever sold to the fastest USB serial chip
_BITRATE = within(5_000, 1_000_000)  # what a classic CAN controller can be set to
_DATA_BITRATE = within(5_000, 8_000_000)  # the same of CAN FD, up to what transceivers carry
OBD2_BITRATES = (500_000, 250_000)
"""Of ISO 15765-4: the only ones at which an ELM327 asks."""
DATA_BITRATE_PROTOCOLS = ("slcan", "socketcan")
"""Protocols that have a command for the data bit rate of CAN FD."""
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", re.ASCII)
"""Names of interfaces: the kernel takes 15 characters."""


@dataclass(frozen=True, slots=True)
class Car:
    """Who drives; all of it goes into the log's meta."""

    number: int | None = field(default=None, metadata=within(0, 99_999))
    name: str = ""
    class_name: str = field(default="", metadata=named("class"))
    crew: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """Where logs go, how much a power cut may cost, how much room is kept free.

    Room is made by removing old logs that have been downloaded; with `last_resort`, in the end, others as well.
    """

    directory: Path = Path("/var/lib/stagelog")
    max_loss_s: float = field(default=1.0, metadata=within(0.05, MAX_LOSS_S))
    min_free_mb: int = field(default=512, metadata=within(0, 1_000_000))
    last_resort: bool = False


@dataclass(frozen=True, slots=True)
class Gps:
    """The GPS receiver. `port` is a device, a pyserial URL or gpsd://HOST:PORT; each of `init` is sent at every
    opening. Sentences without a checksum are taken where it is optional."""

    port: str
    name: str = "gps"
    baud: int | Literal["auto"] = field(default="auto", metadata=_BAUD)
    init: tuple[str, ...] = ()
    checksum: str = field(default="required", metadata=one_of(("required", "optional")))

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("port", self.port), ("name", self.name))
        if self.is_gpsd:
            yield from self._gpsd_flaws()
        yield from _no_interface(self.port)
        for index, sentence in enumerate(self.init):
            body, star, checksum = sentence.removeprefix("$").partition("*")
            right = f"{reduce(xor, body.encode(), 0):02X}"
            if not sentence.isascii() or not sentence.isprintable():
                what = "has characters that a receiver does not take"
                yield Flaw(("init", index), what, "write it in plain ASCII; the line end is added")
            elif star and checksum.upper() != right:
                what = f"the checksum is {checksum or 'missing'}, so the receiver would ignore it"
                yield Flaw(("init", index), what, f"end it with *{right}")

    @property
    def is_gpsd(self) -> bool:
        """Whether gpsd has the receiver."""
        return self.port.lower().startswith("gpsd://")

    def _gpsd_flaws(self) -> Iterable[Flaw]:
        try:
            urlsplit(self.port).port  # noqa: B018 - reading it is the check
        except ValueError:
            yield Flaw(("port",), "has no number for a port", 'write it as "gpsd://localhost:2947"')
        if self.init:
            yield Flaw(
                ("init",),
                "gpsd does not pass it on to the receiver",
                "leave it out: gpsd sets the receiver up",
            )


@dataclass(frozen=True, slots=True)
class Can:
    """A CAN adapter and what is read from its bus. With `poll` it also asks the engine over OBD-II.

    For "socketcan" `port` is an interface such as can0; `bitrate` and `listen_only` are what it is to be set to.
    """

    name: str
    port: str
    protocol: str = field(metadata=one_of(CAN_PROTOCOLS))
    baud: int | Literal["auto"] = field(default="auto", metadata=_BAUD)
    bitrate: int | None = field(default=None, metadata=_BITRATE)
    data_bitrate: int | None = field(default=None, metadata=_DATA_BITRATE)
    listen_only: bool | Literal["try"] = True
    dbc: tuple[Path, ...] = ()
    preset: str | None = field(default=None, metadata=one_of(PRESET_NAMES))
    poll: bool = False

    @property
    def is_interface(self) -> bool:
        """Whether `port` is a CAN interface of the kernel, and no path."""
        return self.protocol == "socketcan"

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("port", self.port), ("name", self.name))
        if self.data_bitrate is not None and self.protocol not in DATA_BITRATE_PROTOCOLS:
            what = f"{self.protocol} has no command for it"
            yield Flaw(("data_bitrate",), what, "leave it out: the adapter's own setting holds")
        elif self.data_bitrate is not None and self.data_bitrate < (self.bitrate or 0):
            what = f"{self.data_bitrate} is less than bitrate"
            yield Flaw(("data_bitrate",), what, "a CAN FD frame's data is not slower than its head")
        if self.is_interface:
            if self.port and not _INTERFACE.fullmatch(self.port):
                what = f"{self.port!r} is no name of a CAN interface"
                yield Flaw(("port",), what, 'socketcan reads an interface, such as port = "can0"')
            if self.baud != "auto":
                yield Flaw(
                    ("baud",), "a CAN interface has no baud rate", "remove it; the bus has a `bitrate`"
                )
        else:
            yield from _no_interface(self.port)
        if self.poll and self.listen_only:
            word = "true" if self.listen_only is True else f'"{self.listen_only}"'
            what = f"OBD-II polling transmits, and listen_only = {word} forbids that"
            yield Flaw(("poll",), what, "set poll = false, or listen_only = false")
        if self.protocol == "elm327":
            yield from self._dongle_flaws()
        if self.poll and self.preset != "obd2":
            yield Flaw(("poll",), "nothing reads the OBD-II answers", 'add preset = "obd2"')

    def _dongle_flaws(self) -> Iterable[Flaw]:
        """An ELM327 either asks or listens, and finds a bit rate only by asking."""
        if not self.poll and self.listen_only is False:
            what = "an ELM327 that does not listen only asks"
            yield Flaw(("listen_only",), what, "set poll = true, or listen_only = true")
        if not self.poll and self.bitrate is None:
            what = "missing: an ELM327 finds the bit rate of the bus only by asking"
            yield Flaw(("bitrate",), what, "add bitrate = 500000, or the rate of this bus")
        if self.poll and self.bitrate not in (None, *OBD2_BITRATES):
            what = f"OBD-II has no bit rate {self.bitrate}"
            yield Flaw(("bitrate",), what, "set it to 500000 or 250000, or leave it out: both are tried")


@dataclass(frozen=True, slots=True)
class StageRef:
    """The stage to record, and by which rules; `reset_odometer` sets the distance to the roadbook's at waypoints."""

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
    """The crew server's address, and where it keeps what it must not forget. Whoever can reach it from another
    machine must know the pin."""

    host: str = "127.0.0.1"
    port: int = field(default=8040, metadata=within(0, 65_535))
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    compliance: bool = True
    """Whether position and heading are hidden while a timed section is driven."""
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
    """Who is told the time of GPS: `chrony` is the socket of its SOCK reference clock. The recorder sets no clock."""

    chrony: Path | None = None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The machine is switched off when the car stands and `when` has held for `for_s` seconds without a break."""

    when: str
    for_s: float = field(default=30.0, metadata=within(5, 3600))

    @property
    def alarm(self) -> Alarm:
        """Its condition is written and judged as an alarm's."""
        return Alarm("shutdown", self.when, for_s=self.for_s)

    def flaws(self) -> Iterable[Flaw]:
        yield from self.alarm.flaws()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. It names at least one source: a GPS receiver or a CAN adapter."""

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
    places: Places = field(default=Places("stagelog.toml", {}), compare=False, repr=False, metadata=UNWRITTEN)
    """Where its keys stand, for what is wrong with the files that it names."""

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
        files: dict[str, Path] = {}
        for index, can in enumerate(self.can):
            for number, path in enumerate(can.dbc):
                if files.setdefault(path.name, path) != path:
                    what = f"{files[path.name]} has this file name too"
                    mend = "rename one: the log keeps each DBC under its file name"
                    yield Flaw(("can", index, "dbc", number), what, mend)
        alarms = Counter(alarm.name for alarm in self.alarms)
        for index, alarm in enumerate(self.alarms):
            if alarm.name and alarms[alarm.name] > 1:
                yield Flaw(
                    ("alarm", index, "name"), f'"{alarm.name}" names two alarms', "give each its own name"
                )
        if not any(can.dbc for can in self.can):  # what DBC files tell is known when they are read
            channels = {
                channel.name for can in self.can if can.preset for channel in preset(can.preset).channels
            }
            for place, alarm in self.conditions():
                for flaw in alarm.unheard(channels):
                    yield flaw._replace(key=(*place, *flaw.key))

    def conditions(self) -> Iterable[tuple[tuple[str | int, ...], Alarm]]:
        """Whatever has a condition on the car's channels, each with its place in the file."""
        yield from ((("alarm", index), alarm) for index, alarm in enumerate(self.alarms))
        if self.shutdown is not None:
            yield ("shutdown",), self.shutdown.alarm


def load(path: Path) -> Config:
    """The configuration in a file. Raises ConfigurationError: TomlError where the text is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        mend = "name the configuration with -c FILE"
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path), mend=mend) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        mend = "save the file in UTF-8"
        raise ConfigurationError("not UTF-8 text", where=f"{path}:{line}", mend=mend) from error
    return loads(text, str(path), path.parent)


def loads(text: str, name: str, folder: Path) -> Config:
    """The configuration in a text; relative paths and ports start from `folder`. Raises TomlError."""
    file = TomlFile(text, name, folder)
    config = file.build(Config)
    return replace(
        config,
        places=file.places,
        gps=replace(config.gps, port=_from(folder, config.gps.port)) if config.gps else None,
        can=tuple(
            can if can.is_interface else replace(can, port=_from(folder, can.port)) for can in config.can
        ),
    )


def for_log(config: Config) -> str:
    """The configuration as TOML for the log: defaults written out, keys in fixed order, without the pin."""
    return dumps(replace(config, serve=replace(config.serve, pin=None)))


def from_the_root(config: Config) -> Config:
    """The same with whole paths: whoever reads it elsewhere stands in another folder."""
    whole: Config = _from_the_root(config)
    return whole


def is_loopback(host: str) -> bool:
    """Whether a server on `host` can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _from_the_root(value: Any) -> Any:
    if isinstance(value, Path):
        return value.resolve()
    if isinstance(value, tuple) and not isinstance(value, Places):
        return tuple(_from_the_root(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: _from_the_root(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **changes)
    return value


def _no_interface(port: str) -> Iterable[Flaw]:
    """Flaws of a port that must not be a CAN interface, whose URL is the recorder's own."""
    if port.lower().startswith(f"{SCHEME}:"):
        what = "no serial port, and no URL of one"
        yield Flaw(("port",), what, 'a CAN interface is port = "can0" with protocol = "socketcan"')


def _from(folder: Path, port: str) -> str:
    return port if "://" in port else str(folder / port)
