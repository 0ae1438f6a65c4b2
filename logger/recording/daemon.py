"""The recorder: every thread it has is created, named and stopped here.

    port NAME   one a port: reads, stamps, queues (firmware_bridge.ports)
    decoder     the thread that calls `run`: decodes, makes rows, polls OBD-II
    writer      owns the log's one connection (logger.recording.writer)

    port threads --Inbox--> decoder --Writer.put--> writer --> log

Bytes go one way. A port in trouble is its own thread's business; a slow card is the writer's; neither is
waited for by anybody else. On `stop` the ports close first, the decoder takes what they left, the writer
writes it, and the log is closed: nothing that was read is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from firmware_bridge.ports import Chunk, LinkChange, PortReader
from logger.config import Config, for_log
from logger.recording import naming
from logger.recording.inbox import Inbox
from logger.recording.pipeline import Pipeline
from logger.recording.rows import EventRow, Rows
from logger.recording.setup import PortPlan, Setup, prepare
from logger.recording.store import Log, SessionStart, open_log, set_aside
from logger.recording.writer import Writer, WriterStatus

log = logging.getLogger(__name__)

_ROUND_S = 0.02
"""The decoder looks into the inbox this often: 50 wake-ups a second cost next to nothing, and 20 ms are lost in the
150 ms that a value may take to the crew."""
_ROUND_BYTES = 1024 * 1024
"""Decoded in one round at most: a backlog is worked off in pieces that the writer keeps up with."""
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
        self._start = SessionStart(
            boot_id=_boot_id(),
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            software=self._setup.meta["software"],
            config=for_log(config),
        )
        self._inbox = Inbox()
        self._links: dict[str, LinkChange] = {}
        first = self._open(self._path(self._setup), self._setup)
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
        self._setup = replace(setup, ports=self._setup.ports, pipeline=self._pipeline)
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

    @property
    def _pipeline(self) -> Pipeline:
        return self._setup.pipeline

    def _patience_s(self) -> float:
        behind = len(self._inbox) > _ROUND_BYTES and not self.writer.is_crowded()
        return 0.0 if behind else _ROUND_S

    def _round(self) -> None:
        """Decode what has arrived, poll the engine, hand the rows on."""
        items, lost = self._inbox.take(0 if self.writer.is_crowded() else _ROUND_BYTES)
        for item in items:
            if isinstance(item, Chunk):
                frames = self._pipeline.feed(item.port, item.t_us, item.data)
                if (poller := self._pollers.get(item.port)) is not None:
                    poller.feed(frames)
            else:
                self._link_changed(item)
        now = self.clock_us()
        if lost:
            self._pipeline.event(now, "bytes_dropped", lost)
        for port, poller in self._pollers.items():
            for request in poller.due(now):
                self._readers[port].write(self._encode[port](request))
        # With a backlog, time has only come as far as the bytes have: a tick ahead of them would end epochs early.
        reached = now if not len(self._inbox) else max((item.t_us for item in items), default=None)
        if reached is not None:
            self._pipeline.tick(reached)
        self.writer.put(self._pipeline.take())

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
        self._pipeline.event(self.clock_us(), "session_end", {"reason": "stopped"})
        self.writer.put(self._pipeline.take())

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


def _boot_id() -> str:
    """The kernel's name for this power-on; tells a restart from a power-cycle."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
