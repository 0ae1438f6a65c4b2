"""F11: frames dropped silently under load. A saturated bus while the card stalls for five seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logger.config import configuration as configs
from logger.logfile import store
from logger.logfile.verify import verify
from logger.recorder import writer
from logger.recorder.daemon import Recorder
from tests.field_failures.recorder_process import NumberedBus, has_rows, numbers, query, until, write_config
from tests.figures import Figures

SATURATED_FRAMES_PER_S = 9_000
"""Frame rate of a full 1 Mbit/s bus."""
STALL_S = 5.0
WHOLE_QUEUE, SMALL_QUEUE = writer.QUEUE_BYTES, 2_000_000


class StallingCard:
    """Delays a commit while it is stalled, like a card that is busy with its own housekeeping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._works = threading.Event()
        self._works.set()
        real = store.Log.commit

        def commit(log: store.Log) -> None:
            self._works.wait()
            real(log)

        monkeypatch.setattr(store.Log, "commit", commit)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Stall during the body."""
        self._works.clear()
        try:
            yield
        finally:
            self._works.set()


@pytest.mark.parametrize("queue_bytes", [WHOLE_QUEUE, SMALL_QUEUE])
def test_f11_a_stall_loses_nothing_or_what_exceeds_the_queue_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue_bytes: int, figures: Figures
) -> None:
    monkeypatch.setattr(writer, "QUEUE_BYTES", queue_bytes)
    card = StallingCard(monkeypatch)
    log = tmp_path / "logs" / "test-5-001.db"
    with NumberedBus(rate=SATURATED_FRAMES_PER_S) as bus:
        recorder = Recorder(configs.load(write_config(tmp_path, bus.port, stage=5)))
        stop = threading.Event()
        thread = threading.Thread(target=recorder.run, args=(stop,))
        thread.start()
        until(has_rows(log, 1000))
        with card.stalled():
            time.sleep(STALL_S)
            if queue_bytes == SMALL_QUEUE:  # a loaded machine fills it later
                until(lambda: recorder.status().writer.dropped > 0)
        time.sleep(2.0)
        lag_s = recorder.status().writer.lag_s
        bus.silence()
        stop.set()
        thread.join(60)
        dropped = recorder.status().writer.dropped
    recorded = numbers(log)
    missing = max(len(bus.sent_at), recorded[-1] + 1) - recorded[0] - len(recorded)
    counted = sum(
        int(str(row[0]))
        for row in query(log, "SELECT json_extract(detail, '$.frame') FROM event WHERE kind = 'dropped'")
    )
    figures.note(
        f"{STALL_S:.0f} s stall at {SATURATED_FRAMES_PER_S} frames/s, queue {queue_bytes / 1e6:.0f} MB: {missing} of"
        f" {len(bus.sent_at)} frames lost, {counted} counted in the log, lag afterwards {lag_s:.2f} s"
    )
    assert missing == counted
    assert dropped >= counted
    assert recorded == sorted(set(recorded))
    if queue_bytes == WHOLE_QUEUE:
        assert missing == 0
    else:
        assert missing > 0
    assert verify(log) == []
