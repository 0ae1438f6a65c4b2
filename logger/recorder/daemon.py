"""The recorder's threads: create, name and stop every one of them.

    port NAME   one per port: reads, stamps, queues (firmware_bridge.devices.ports)
    decoder     the thread that calls `run`: decodes, makes rows and live state, polls OBD-II
    writer      owns the log's only connection (logger.recorder.writer)
    live socket serves the live state, takes the crew's commands (logger.recorder.live_socket)
    housekeeper keeps space free on the card (logger.retention)
    protect     for a moment: exempts a log from removal (logger.recorder.protection)

    port threads --Inbox--> decoder --Writer.put--> writer --> log
    live socket  --Inbox-->    |  ----publish-----> live socket

Bytes flow one way. A port with a fault delays only its own thread, and a slow card only the writer. On `stop` the
ports close first, the decoder processes what they queued, the writer writes it and closes the log: no byte that was
read is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from firmware_bridge.devices.ports import PortReader
from firmware_bridge.printable import printable
from logger.config.configuration import Config, for_log, with_absolute_paths
from logger.logfile import naming
from logger.logfile.directory_lock import Hold
from logger.logfile.open_or_quarantine import begin_log, open_again
from logger.logfile.rows import EventRow, Rows
from logger.logfile.store import Log, SessionStart
from logger.recorder.chrony import ChronySource
from logger.recorder.decoder_loop import DecoderLoop
from logger.recorder.inbox import CrewOrder, Inbox
from logger.recorder.link_state import LinkState
from logger.recorder.live_socket import LiveSocket
from logger.recorder.power import REQUEST, PowerOff
from logger.recorder.protection import COMMAND as PROTECT
from logger.recorder.protection import Protection
from logger.recorder.publish_schedule import PublishSchedule
from logger.recorder.restart_state import Origin, resume
from logger.recorder.setup import PortPlan, Setup, prepare
from logger.recorder.writer import Writer
from logger.recorder.writer_status import WriterStatus
from logger.retention.housekeeper import Housekeeper, Removed
from logger.retention.log_directory import delivered
from logger.stage.conditions import parse

log = logging.getLogger(__name__)

_STOP_S = 10.0
"""Time for the writer to store everything at shutdown, within systemd's own 90 s."""


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """An immutable view of the recorder."""

    t_us: int
    utc_us: int | None
    writer: WriterStatus
    links: Mapping[str, LinkState]


class Recorder:
    """Records the ports of a configuration until stopped."""

    def __init__(self, config: Config) -> None:
        """Prepare everything and begin a session. Opens no port yet. Raises ConfigurationError or LogError.

        Holds the lock of the log directory until `run` ends.
        """
        self._config = config
        self.origin = Origin.now()
        self._setup = prepare(config)
        self._start = SessionStart(
            boot_id=self.origin.boot_id,
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            software=self._setup.meta["software"],
            config=for_log(with_absolute_paths(config)),
        )
        self._inbox = Inbox()
        self._hold = Hold(config.log.directory)
        self._in_use: tuple[Path, ...] = (self._path(self._setup),)
        self._housekeeper = Housekeeper(
            config.log.directory,
            config.log.min_free_mb * 1_000_000,
            last_resort=config.log.last_resort,
            delivered=lambda: delivered([config.log.directory, config.serve.state]),
            in_use=lambda: self._in_use,
            on_removed=self._log_removed,
        )
        removed = self._housekeeper.before_first_log()
        first = self._open(self._in_use[0], self._setup)
        resume(self._setup.pipeline, first, self.origin)
        self.writer = Writer(
            first,
            max_loss_s=config.log.max_loss_s,
            open_again=self._open_again,
            clock_us=self.origin.t_us,
        )
        for removal in removed:
            self._log_removed(removal)
        plans = self._setup.ports
        self._readers = {plan.name: self._reader(plan) for plan in plans}
        self.decoder_loop = DecoderLoop(
            self._setup.pipeline, self._inbox, self.writer, self._readers, plans, self.origin
        )
        self.decoder_loop.card.room_h = lambda: self._housekeeper.room_h
        if config.clock.chrony is not None:
            self.decoder_loop.on_fixes = ChronySource(config.clock.chrony, self.origin.zero_us).take
        if config.shutdown is not None:
            self.decoder_loop.power_off = PowerOff(parse(config.shutdown.when), config.shutdown.for_s)
            self.decoder_loop.request_power_off = self._request_power_off
            with suppress(OSError):  # an earlier run left it: not a request of this session
                config.live.socket.with_name(REQUEST).unlink()

    def run(self, stop: threading.Event, on_round: Callable[[], None] = lambda: None) -> None:
        """Record until `stop` is set, then drain and close. Calls `on_round` 10 to 50 times per second.

        A signal handler may set `stop`. So this thread never waits for it: the wait would hold the lock of `stop`, and
        the handler would wait for that lock for ever.
        """
        ports_stop = threading.Event()
        ports = [_start(f"port {name}", reader.run, ports_stop) for name, reader in self._readers.items()]
        writer = _start("writer", self.writer.run)
        housekeeper = _start("housekeeper", self._housekeeper.run, ports_stop)
        live = self._live_socket()
        live_thread = None if live is None else _start("live socket", live.run)
        schedule = PublishSchedule(self._config.live.rate_hz)
        try:
            while not stop.is_set():
                has_fix = self.decoder_loop.round()
                now_us = self.origin.t_us()
                if live is not None and schedule.is_due(
                    now_us, has_fix, self.decoder_loop.to_beat_us(now_us)
                ):
                    live.publish(self.decoder_loop.line)
                on_round()
                self.decoder_loop.wait(schedule.wait_us(self.origin.t_us()))
        finally:
            ports_stop.set()
            for thread in (*ports, housekeeper):
                thread.join(_STOP_S)
            if live is not None and live_thread is not None:
                live.close()
                live_thread.join(_STOP_S)
            self.decoder_loop.finish("stopped", time.sleep)
            self.writer.close()
            writer.join(_STOP_S)
            if writer.is_alive():
                log.error("the card did not take the last rows within %g s", _STOP_S)
            else:
                self._hold.release()

    def change_stage(self, config: Config) -> None:
        """Continue in the log of another stage. Rows decoded so far stay in the present log; none is lost.

        Takes only the stage, the car and the alarms from `config`: other changes need a restart. Raises
        ConfigurationError or LogError; recording then continues unchanged.
        """
        config = replace(self._config, car=config.car, stage=config.stage, alarms=config.alarms)
        setup = prepare(config)
        start = replace(self._start, config=for_log(with_absolute_paths(config)))
        if setup.log_stem == self._setup.log_stem:
            log.info("the stage is the same: recording continues in the same log")
            return
        with self._housekeeper.paused():
            follower = self._open(self._path(setup), setup, start)
            self._in_use = (follower.path, *self._in_use)  # the writer may still have rows for earlier logs
        pipeline = self._setup.pipeline
        self.decoder_loop.end_log(pipeline.t_us, {"reason": "next stage", "next": follower.path.name})
        self.writer.change_log(follower)
        pipeline.change_stage(setup.pipeline.live)
        resume(pipeline, follower, self.origin)
        self._setup, self._config = replace(setup, ports=self._setup.ports, pipeline=pipeline), config
        log.info("recording into %s", follower.path)

    def status(self) -> RecorderStatus:
        """The present state, for the status line."""
        now = self.origin.t_us()
        utc_us = self._setup.pipeline.clock.utc_us(now)
        return RecorderStatus(now, utc_us, self.writer.status(), self.decoder_loop.links())

    def pulses(self) -> dict[str, int]:
        """A counter for each thread, which increases while the thread runs."""
        ports = {f"port {name}": reader.rounds for name, reader in self._readers.items()}
        return {"writer": self.writer.rounds, **ports}

    def _request_power_off(self) -> None:
        request = self._config.live.socket.with_name(REQUEST)
        try:
            request.touch()
            log.warning("the condition of [shutdown] holds and the car is stationary: requesting power-off")
        except OSError as error:
            log.error("%s: cannot request power-off: %s", request, error.strerror)  # noqa: TRY400

    def _log_removed(self, removed: Removed) -> None:
        self.writer.put(Rows(event=[EventRow(self.origin.t_us(), "log_removed", removed._asdict())]))

    def _log_protected(self, name: str, on: bool) -> None:
        detail = {"log": printable(name), "on": on}
        self.writer.put(Rows(event=[EventRow(self.origin.t_us(), "log_protected", detail)]))

    def _reader(self, plan: PortPlan) -> PortReader:
        return PortReader(
            plan.name,
            plan.url,
            plan.baud,
            plan.protocol,
            clock_us=self.origin.t_us,
            sink=self._inbox.put,
            opening=partial(plan.protocol.opening, plan.bus),
            init=plan.init,
            neighbours={other.protocol.name: other.name for other in self._setup.ports if other is not plan},
        )

    def _live_socket(self) -> LiveSocket | None:
        """The live socket; None with a warning where the socket cannot be created: recording continues without it."""

        protection = Protection(self._config.log.directory, self._log_protected)

        def on_command(fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
            name = fields.pop("command")
            if name == PROTECT:
                protection.take(fields, reply)
                return
            self._inbox.put(CrewOrder(self.origin.t_us(), name, fields, reply))

        def on_refused(count: int) -> None:
            self.writer.put(Rows(event=[EventRow(self.origin.t_us(), "commands_refused", {"count": count})]))

        path = self._config.live.socket
        try:
            return LiveSocket(path, on_command, on_refused)
        except OSError as error:
            why = error.strerror or error
            log.warning("%s: no live socket: %s; recording continues, the crew page stays empty", path, why)
            return None

    def _path(self, setup: Setup) -> Path:
        has_stage = setup.stage.key is not None
        boot_id = None if has_stage else self.origin.boot_id
        return naming.choose(self._config.log.directory, setup.log_stem, boot_id=boot_id)

    def _open(self, path: Path, setup: Setup, start: SessionStart | None = None) -> Log:
        """Open a log and begin its session. Raises LogError."""
        first_rows = partial(self._first_rows, path, self._setup.pipeline.t_us)
        opened, _ = begin_log(path, start or self._start, setup.meta, first_rows)
        return opened

    def _open_again(self, lost: Log, damage_count: int, begins_us: int) -> Log:
        """Replace a log whose connection the writer has given up. Raises LogError."""
        self._hold.renew()
        first_rows = partial(self._first_rows, lost.path, begins_us)
        opened, _ = open_again(lost, first_rows, called_damaged=damage_count)
        return opened

    def _first_rows(self, path: Path, begins_us: int, quarantine: Path | None) -> Rows:
        began = Rows(
            event=[EventRow(self.origin.t_us(), "session_begin", {"log": path.name, "begins_us": begins_us})]
        )
        if quarantine is not None:
            log.error(
                "%s is damaged or not a log: quarantined as %s, recording continues in a new one",
                path.name,
                quarantine.name,
            )
            began.event.append(EventRow(self.origin.t_us(), "log_set_aside", {"as": quarantine.name}))
        return began


def _start(name: str, body: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=body, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
