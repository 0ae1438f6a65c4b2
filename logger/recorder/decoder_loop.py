"""The decoder loop: turn queued bytes and commands into rows and live state, round by round.

Knows no thread and no log: takes from an Inbox, feeds the pipeline and puts rows into the Writer. The ports get the
OBD-II requests, the live socket gets the snapshots. Only the thread that calls `round` touches the pipeline.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.ports import LinkChange, PortReader
from firmware_bridge.records import Fix
from logger.live.document import document
from logger.live.encoding import LineEncoder
from logger.recorder.card_state import CardState, megabytes
from logger.recorder.inbox import CrewOrder, Inbox, Item
from logger.recorder.link_state import LinkState
from logger.recorder.pipeline import Pipeline
from logger.recorder.power import PowerOff
from logger.recorder.restart_state import Origin, state_text
from logger.recorder.setup import PortPlan
from logger.recorder.stick_news import StickNews
from logger.recorder.writer import Writer

log = logging.getLogger(__name__)

ROUND_US = 20_000
"""Shortest interval between rounds, a small part of the 150 ms within which a value reaches the crew. Input after a
longer pause is decoded at once."""
_LONGEST_US = 70_000
"""Longest pause between rounds: chunks of timed frames wait for one, and their rows must reach the writer in time."""
_ROUND_BYTES = 1024 * 1024
"""Bytes decoded per round at most: a backlog is processed in portions that the writer can keep up with."""
_SETTLE_US = 10_000
"""Delay of a beat, for input stamped before it that a port's thread still holds: usually under a millisecond. Input
that arrives later counts as after the beat."""
_HEALTH_EVERY_US = 500_000
"""Interval at which the alarms receive the recorder's own state; they must warn within 3 s."""
_NAME_CHARS = 40
"""Characters of a command's name in the journal and the log: the name may be of any length."""
_NO_LINK = LinkChange("", 0, "", "")
_GOOD_STATES = frozenset({"opening", "open"})


class DecoderLoop:
    """Everything between the inbox and the writer."""

    def __init__(
        self,
        pipeline: Pipeline,
        inbox: Inbox,
        writer: Writer,
        readers: Mapping[str, PortReader],
        plans: Sequence[PortPlan],
        origin: Origin,
    ) -> None:
        self.pipeline = pipeline
        self._inbox = inbox
        self._writer = writer
        self.card = CardState(writer)
        self._readers = readers
        self._askers = {plan.name: asker for plan in plans if (asker := plan.asker()) is not None}
        self._origin = origin
        self._links: dict[str, LinkChange] = {}
        self._round_us = 0
        self._health_at_us = 0
        self._stick = StickNews()
        self._encoder = LineEncoder()
        self._failed_commands = 0
        self.on_fixes: Callable[[Sequence[Fix]], None] = lambda _: None
        """Receives the fixes of each round. Set by the daemon, for chrony."""
        self.power_off: PowerOff | None = None
        self.request_power_off: Callable[[], None] = lambda: None
        """Requests the power-off when `power_off` reports that its condition holds."""

    def wait(self, longest_us: int) -> None:
        """Wait for the next round: until input comes or a beat is due, at most `longest_us`."""
        if self._is_behind():
            return
        if not self._askers:  # else their next requests may be due
            now_us = self._origin.t_us()
            rest_us = self._round_us + ROUND_US - now_us
            wait_us = max(rest_us, min(self.to_beat_us(now_us), longest_us, _LONGEST_US))
            self._inbox.wait(max(0, wait_us) / 1e6)
        rest_us = self._round_us + ROUND_US - self._origin.t_us()
        if rest_us > 0:
            time.sleep(rest_us / 1e6)

    def to_beat_us(self, now_us: int) -> int:
        """Time until the round of the next beat, which has new engine readings."""
        return self.pipeline.next_beat_us + _SETTLE_US - now_us

    def _is_behind(self) -> bool:
        return len(self._inbox) > _ROUND_BYTES and not self._writer.is_crowded()

    def round(self) -> bool:
        """Decode the queue, run commands, poll the engine, pass the rows on. Whether there is a new fix."""
        now_us = self._round_us = self._origin.t_us()
        items, lost = self._inbox.take(0 if self._writer.is_crowded() else _ROUND_BYTES)
        for item in sorted(items, key=attrgetter("t_us")):
            self._take(item)
        if lost:
            self.pipeline.event(now_us, "bytes_dropped", lost)
        for port, asker in self._askers.items():
            if self._links.get(port, _NO_LINK).state != "open":
                continue  # a request that cannot be sent would count as unanswered
            for request in asker.due(now_us):
                self._readers[port].write(request)
        if now_us >= self._health_at_us:
            self._health_at_us = now_us + _HEALTH_EVERY_US
            self._update_health(now_us)
        if not len(self._inbox):
            self.pipeline.advance(now_us - _SETTLE_US)
        rows = self.pipeline.take()
        self.on_fixes(rows.fix)
        if rows.progress or rows.event:  # a power cut must not undo what just happened
            rows.state = self._state()
        self._writer.put(rows)
        return bool(rows.fix)

    def _take(self, item: Item) -> None:
        if isinstance(item, Chunk):
            frames = self.pipeline.feed(item.port, item.t_us, item.data)
            if (asker := self._askers.get(item.port)) is not None:
                asker.feed(item.data, frames)
        elif isinstance(item, CrewOrder):
            self._run_command(item)
        else:
            self._link_changed(item)

    def finish(self, reason: str, wait: Callable[[float], None]) -> None:
        """Process what is queued and end the session."""
        self.round()
        while len(self._inbox):
            wait(0.0 if self._is_behind() else ROUND_US / 1e6)
            self.round()
        self.end_log(self._origin.t_us(), {"reason": reason})

    def end_log(self, t_us: int, detail: Mapping[str, Any]) -> None:
        """End open sections and alarms at `t_us`, and the session in the writer's log; `detail` gives the reason."""
        self.pipeline.finish(t_us)
        self.pipeline.event(t_us, "session_end", detail)
        rows = self.pipeline.take()
        rows.state = self._state()
        self._writer.put(rows)

    def links(self) -> dict[str, LinkState]:
        """The state of each port by name. Any thread."""
        links = {}
        for port, change in self._links.copy().items():
            counts = self.pipeline.evidence(port)
            counted = (counts.good, counts.damaged, counts.foreign_bytes)
            links[port] = LinkState(change.state, change.detail, change.t_us, *counted, change.warning)
        return links

    def snapshot(self) -> dict[str, Any]:
        """The live state, as the socket's clients read it."""
        now_us = self._origin.t_us()
        status = self._writer.status()
        return {
            **document(self.pipeline.live.snapshot(now_us)),
            "session": status.session,
            "recording": self.card.recording(now_us, status),
            "links": {
                port: {
                    "kind": "gps" if self.pipeline.is_gps(port) else "can",
                    "state": link.state,
                    "detail": link.detail,
                    "warning": link.warning or None,
                    "age_s": round((now_us - link.since_t_us) / 1e6, 3),
                    "good": link.good,
                    "bad": link.bad,
                    "foreign_bytes": link.foreign_bytes,
                }
                for port, link in self.links().items()
            },
            "stick": self._stick.snapshot(now_us),
        }

    def line(self) -> bytes:
        """The live state as the socket sends it."""
        return self._encoder.line(self.snapshot())

    def _state(self) -> str:
        """The live state, dated by its own clock, which may be ahead of the last beat or behind the present."""
        clock = self.pipeline.live.clock
        return state_text(self.pipeline, self._origin, clock.t_us(clock.state().at_us))

    def _run_command(self, order: CrewOrder) -> None:
        try:
            if order.name == "stick":  # not from the crew: the USB copy process reports its state
                if self._stick.take(order.t_us, order.arguments):
                    self.pipeline.event(order.t_us, "stick", order.arguments)
            else:
                self.pipeline.command(order.t_us, order.name, order.arguments)
        except ValueError as error:
            order.reply(str(error))
        except Exception:  # no command may stop the recording
            self._failed_commands += 1
            log.exception("the command %r failed", order.name[:_NAME_CHARS])
            self.pipeline.event(
                order.t_us,
                "command_failed",
                {"name": order.name[:_NAME_CHARS], "count": self._failed_commands},
            )
            order.reply(f"{order.name[:_NAME_CHARS]} failed in the recorder: see its journal")
        else:
            order.reply(None)

    def _update_health(self, now_us: int) -> None:
        """Pass the recorder's own state to the alarms, and whether their frames are stamped to the ports."""
        for port, reader in self._readers.items():
            # Answers to requests are read at once all the same: the next request waits for them.
            can_wait = self._writer.schedule.allows_long_reads and port not in self._askers
            reader.note_stamps(is_stamped=can_wait and self.pipeline.is_stamped(port))
        status = self._writer.status()
        live = self.pipeline.live
        live.health("can_age_s", self.pipeline.can_age_s(now_us))
        live.health("writer_lag_s", self.card.overdue_s(status))
        live.health("disk_free_mb", megabytes(self.card.free_bytes(now_us, status.path)))
        live.health("disk_room_h", self.card.room_h())
        live.health("clock_error_s", self.pipeline.clock.error_s)
        if self.power_off is not None and self.power_off.tick(now_us, live.values(now_us)):
            self.pipeline.event(now_us, "power_off", {"for_s": self.power_off.for_s})
            self.request_power_off()

    def _link_changed(self, change: LinkChange) -> None:
        self._links[change.port] = change
        detail = {"port": change.port, "state": change.state, "detail": change.detail}
        if change.warning:
            detail["warning"] = change.warning
        self.pipeline.event(change.t_us, "link", detail)
        is_good = change.state in _GOOD_STATES and not change.warning
        level = logging.INFO if is_good else logging.WARNING
        log.log(level, "%s: %s", change.port, change.detail or change.state)
