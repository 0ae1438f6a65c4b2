"""The recorder: every thread it has is created, named and stopped here.

    port NAME   one a port: reads, stamps, queues (firmware_bridge.ports)
    decoder     the thread that calls `run`: decodes, makes rows and live state, polls OBD-II
    writer      owns the log's one connection (logger.recording.writer)
    live socket serves the live state, takes the crew's commands (logger.recording.live)

    port threads --Inbox--> decoder --Writer.put--> writer --> log
    live socket  --Inbox-->    |  ----publish-----> live socket

Bytes go one way. A port in trouble is its own thread's business; a slow card is the writer's; neither is
waited for by anybody else. On `stop` the ports close first, the decoder takes what they left, the writer
writes it, and the log is closed: nothing that was read is lost.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Chunk, LinkChange, PortReader
from logger.config import Config, for_log
from logger.recording import naming
from logger.recording.inbox import CrewOrder, Inbox
from logger.recording.live import LiveSocket
from logger.recording.rows import EventRow, Rows
from logger.recording.setup import PortPlan, Setup, prepare
from logger.recording.store import STATE_KEY, Log, SessionStart, open_log, set_aside
from logger.recording.writer import Writer, WriterStatus

log = logging.getLogger(__name__)

_ROUND_S = 0.02
"""The decoder looks into the inbox this often: 50 wake-ups a second cost next to nothing, and 20 ms are lost in the
150 ms that a value may take to the crew."""
_ROUND_BYTES = 1024 * 1024
"""Decoded in one round at most: a backlog is worked off in pieces that the writer keeps up with."""
_SETTLE_US = 20_000
"""A beat waits so long for what was stamped before it and is still on its way from a port's thread."""
_HEALTH_EVERY_US = 500_000
"""How often the alarms learn of the recorder's own state; they are to speak within 3 s."""
_GOOD_STATES = frozenset({"opening", "open"})
_STOP_S = 10.0
"""The writer's time to put everything on the card at shutdown, under systemd's own 90 s."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """A port as others see it."""

    state: str
    detail: str
    since_t_us: int
    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """One immutable view of the recorder."""

    t_us: int
    utc_us: int | None
    writer: WriterStatus
    links: Mapping[str, LinkState]


class Recorder:
    """Records what the ports of a configuration say, until told to stop."""

    def __init__(self, config: Config) -> None:
        """Prepare everything and begin a session. Raises ConfigurationError or LogError; opens no port yet."""
        self._config = config
        self._began_ns = time.monotonic_ns()
        self._setup = prepare(config)
        self._pipeline = self._setup.pipeline
        self._start = SessionStart(
            boot_id=_boot_id(),
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            software=self._setup.meta["software"],
            config=for_log(config),
        )
        self._inbox = Inbox()
        self._links: dict[str, LinkChange] = {}
        self._live: LiveSocket | None = None
        self._publish_at_us = self._health_at_us = 0
        first = self._open(self._path(self._setup), self._setup)
        self._resume(first)
        self.writer = Writer(
            first,
            max_loss_s=config.log.max_loss_s,
            fresh_log=lambda path: self._open(path, self._setup, damaged=True),
            clock_us=self.clock_us,
        )
        self._readers = {plan.name: self._reader(plan) for plan in self._setup.ports}
        self._pollers = {plan.name: plan.poller for plan in self._setup.ports if plan.poller is not None}
        self._encode = {plan.name: plan.protocol.encode for plan in self._setup.ports if plan.protocol.encode}

    def _reader(self, plan: PortPlan) -> PortReader:
        return PortReader(
            plan.name,
            plan.url,
            plan.baud,
            plan.protocol,
            clock_us=self.clock_us,
            sink=self._inbox.put,
            opening=plan.protocol.opening(plan.bitrate, plan.listen_only),
            init=plan.init,
            neighbours={other.protocol.name: other.name for other in self._setup.ports if other is not plan},
        )

    def clock_us(self) -> int:
        """Session time: microseconds of the monotonic clock since the recorder began."""
        return (time.monotonic_ns() - self._began_ns) // 1000

    def run(self, stop: threading.Event, on_round: Callable[[], None] = lambda: None) -> None:
        """Record until `stop` is set, then drain and close. `on_round` is called some fifty times a second."""
        ports_stop = threading.Event()
        threads = [
            threading.Thread(target=reader.run, args=(ports_stop,), name=f"port {name}", daemon=True)
            for name, reader in self._readers.items()
        ]
        writer_thread = threading.Thread(target=self.writer.run, name="writer", daemon=True)
        writer_thread.start()
        live_thread = self._start_live_socket()
        for thread in threads:
            thread.start()
        try:
            while not stop.wait(self._patience_s()):
                self._round()
                on_round()
        finally:
            ports_stop.set()
            for thread in threads:
                thread.join(_STOP_S)
            if self._live is not None:
                self._live.close()
                live_thread.join(_STOP_S)
            self._round()
            while len(self._inbox):
                time.sleep(self._patience_s())
                self._round()
            self._finish()
            self.writer.close()
            writer_thread.join(_STOP_S)
            if writer_thread.is_alive():
                log.error("the card did not take the last rows within %g s", _STOP_S)

    def change_stage(self, config: Config) -> None:
        """Go on in the log of another stage: rows decoded so far stay in the present one, none is lost.

        Only the stage and the car may differ: other ports need a restart. Raises ConfigurationError or
        LogError, and recording goes on as before.
        """
        setup = prepare(config)
        if setup.log_stem == self._setup.log_stem:
            log.info("the stage is the same: going on in the same log")
            return
        follower = self._open(self._path(setup), setup)
        self._pipeline.event(
            self.clock_us(), "session_end", {"reason": "next stage", "next": follower.path.name}
        )
        self.writer.put(self._pipeline.take())
        self.writer.change_log(follower)
        self._setup, self._config = replace(setup, ports=self._setup.ports), config
        self._pipeline.live = setup.pipeline.live
        self._resume(follower)
        log.info("recording into %s", follower.path)

    def status(self) -> RecorderStatus:
        """The present state, for the live line and the crew."""
        now = self.clock_us()
        links = {
            port: LinkState(change.state, change.detail, change.t_us, *self._pipeline.counts(port))
            for port, change in self._links.items()
        }
        return RecorderStatus(now, self._pipeline.clock.utc_us(now), self.writer.status(), links)

    # -- the decoder's thread ---------------------------------------------------------------------------

    def _patience_s(self) -> float:
        behind = len(self._inbox) > _ROUND_BYTES and not self.writer.is_crowded()
        return 0.0 if behind else _ROUND_S

    def _round(self) -> None:
        """Decode what has arrived, obey the crew, poll the engine, hand the rows on, publish."""
        now = self.clock_us()
        items, lost = self._inbox.take(0 if self.writer.is_crowded() else _ROUND_BYTES)
        for item in sorted(items, key=attrgetter("t_us")):
            if isinstance(item, Chunk):
                frames = self._pipeline.feed(item.port, item.t_us, item.data)
                if (poller := self._pollers.get(item.port)) is not None:
                    poller.feed(frames)
            elif isinstance(item, CrewOrder):
                self._obey(item)
            else:
                self._link_changed(item)
        if lost:
            self._pipeline.event(now, "bytes_dropped", lost)
        for port, poller in self._pollers.items():
            for request in poller.due(now):
                self._readers[port].write(self._encode[port](request))
        if now >= self._health_at_us:
            self._health_at_us = now + _HEALTH_EVERY_US
            self._tell_health(now)
        if not len(self._inbox):
            self._pipeline.advance(now - _SETTLE_US)
        rows = self._pipeline.take()
        if rows.progress:
            rows.state = self._state(rows.progress[-1].t_us)
        self.writer.put(rows)
        if self._live is not None and (rows.fix or now >= self._publish_at_us):
            self._publish_at_us = now + int(1e6 / self._config.live.rate_hz)
            self._live.publish(self.snapshot())

    def _obey(self, order: CrewOrder) -> None:
        try:
            self._pipeline.command(order.t_us, order.name, order.arguments)
        except ValueError as error:
            order.reply(str(error))
        else:
            order.reply(None)

    def _tell_health(self, now: int) -> None:
        """What the alarms ask of the recorder itself."""
        status = self.writer.status()
        live = self._pipeline.live
        live.health("can_age_s", self._pipeline.can_age_s(now))
        live.health("writer_lag_s", status.lag_s)
        live.health("disk_free_mb", _free_mb(status.path))
        live.health("clock_error_s", self._pipeline.clock.error_s)

    def _link_changed(self, change: LinkChange) -> None:
        self._links[change.port] = change
        self._pipeline.event(
            change.t_us, "link", {"port": change.port, "state": change.state, "detail": change.detail}
        )
        level = logging.INFO if change.state in _GOOD_STATES else logging.WARNING
        log.log(level, "%s: %s", change.port, change.detail or change.state)

    def _finish(self) -> None:
        now = self.clock_us()
        self._pipeline.finish(now)
        self._pipeline.event(now, "session_end", {"reason": "stopped"})
        rows = self._pipeline.take()
        rows.state = self._state(now)
        self.writer.put(rows)

    # -- live -------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The live state as the socket serves it."""
        now = self.clock_us()
        status = self.writer.status()
        live = self._pipeline.live.snapshot(now)
        return {
            **live,
            "session": status.session,
            "recording": {
                "path": str(status.path),
                "rows": status.rows,
                "frames": status.frames,
                "lag_s": round(status.lag_s, 3),
                "dropped": status.dropped,
                "free_mb": _free_mb(status.path),
                "ok": status.ok,
                "trouble": status.trouble or None,
            },
            "links": {
                port: {
                    "state": link.state,
                    "detail": link.detail,
                    "age_s": round((now - link.since_t_us) / 1e6, 3),
                    "good": link.good,
                    "bad": link.bad,
                }
                for port, link in self.status().links.items()
            },
        }

    def _start_live_socket(self) -> threading.Thread:
        """The live socket's thread; without a place for the socket the log goes on alone, and says so."""

        def on_command(fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
            name = fields.pop("command")
            self._inbox.put(CrewOrder(self.clock_us(), name, fields, reply))

        try:
            self._live = LiveSocket(self._config.live.socket, on_command)
        except OSError as error:
            log.warning(
                "%s: no live socket: %s; recording goes on, the crew page will be empty",
                self._config.live.socket,
                error.strerror or error,
            )
            return threading.Thread()
        thread = threading.Thread(target=self._live.run, name="live socket", daemon=True)
        thread.start()
        return thread

    def _state(self, t_us: int) -> str:
        saved = {
            "boot_id": self._start.boot_id,
            "boot_us": self._boot_us(t_us),
            "live": self._pipeline.live.state(),
        }
        return json.dumps(saved, separators=(",", ":"))

    def _boot_us(self, t_us: int) -> int:
        """A moment of this session on the clock that runs from the power-on."""
        return self._began_ns // 1000 + t_us

    def _resume(self, opened: Log) -> None:
        """Go on where the log's last session ended."""
        text = opened.meta().get(STATE_KEY)
        if text is None:
            return
        try:
            saved = json.loads(text)
            same_boot = saved["boot_id"] == self._start.boot_id
            gap_s = (self._boot_us(0) - saved["boot_us"]) / 1e6 if same_boot else None
            done = self._pipeline.live.restore(saved["live"], gap_s)
        except (ValueError, TypeError, KeyError):
            log.warning("the log's state cannot be read: the stage begins anew, the rows are all there")
            return
        self._pipeline.event(0, "resumed", {"ok": done, "gap_s": gap_s, "live": saved["live"]})

    # -- logs -------------------------------------------------------------------------------------------

    def _path(self, setup: Setup) -> Path:
        resume_any = setup.stage.key is not None
        return naming.choose(
            self._config.log.directory, setup.log_stem, boot_id=None if resume_any else self._start.boot_id
        )

    def _open(self, path: Path, setup: Setup, *, damaged: bool = False) -> Log:
        """A log with its session begun; `damaged` sets what is there aside first. Raises LogError."""
        aside = set_aside(path) if damaged else None
        opened, found_damaged = open_log(path)
        aside = aside or found_damaged
        opened.begin_session(self._start, setup.meta)
        began = Rows(event=[EventRow(self.clock_us(), "session_begin", {"log": path.name})])
        if aside is not None:
            log.error(
                "%s was damaged: set aside as %s, recording goes on in a fresh one", path.name, aside.name
            )
            began.event.append(EventRow(self.clock_us(), "log_set_aside", {"as": aside.name}))
        opened.write(began)
        opened.commit()
        return opened


def _free_mb(path: Path) -> int | None:
    """Room left beside a log, in megabytes."""
    try:
        return shutil.disk_usage(path.parent).free // 1_000_000
    except OSError:
        return None


def _boot_id() -> str:
    """The kernel's name for this power-on; tells a restart from a power-cycle."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
