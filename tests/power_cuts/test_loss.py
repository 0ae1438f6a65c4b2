"""Loss: only what the guest had received is lost, as far as it has reported that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power_cuts.loss import Loss
from tests.power_cuts.machine import Adapter
from tests.power_cuts.pulse import Beat, Pulse

CUT_AT = 103.0
ALL_RECEIVED = [Beat(101.0, 1.0, 1), Beat(101.5, 1.5, 45), Beat(102.6, 2.6, 67), Beat(102.9, 2.9, 89)]


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with four frames of 22 bytes since its plug, after one answer, and five of an earlier boot."""
    adapter = Adapter(tmp_path / "engine.socket", rate=1)
    adapter.first = 5
    adapter.sent_at = [10.0, 11.0, 12.0, 13.0, 14.0, 101.0, 101.2, 101.4, 103.1]
    adapter.ends = [23, 45, 67, 89, 111, 23, 45, 67, 89]
    return adapter


@pytest.mark.parametrize(
    ("beats", "kept", "lost"),
    [
        pytest.param(ALL_RECEIVED, 3, Loss(3, 3, 0.0, 0.0), id="nothing"),
        pytest.param(ALL_RECEIVED, 2, Loss(3, 2, 1.5, 1.6), id="received-after-the-report-of-101.5"),
        pytest.param(ALL_RECEIVED[:2], 2, Loss(3, 2, 1.5, 1.6), id="not-received-at-the-last-report"),
        pytest.param(ALL_RECEIVED, 0, Loss(3, 0, 2.0, 2.0), id="received-between-two-reports"),
        pytest.param(
            [*ALL_RECEIVED[:1], Beat(102.9, 2.9, 45)], 2, Loss(3, 2, 0.1, 1.6), id="still-in-the-host"
        ),
        pytest.param([], 2, Loss(3, 2, 1.6, 1.6, is_reported=False), id="no-report"),
    ],
)
def test_a_loss_counts_from_the_receipt_of_the_first_lost_frame(
    tmp_path: Path, adapter: Adapter, beats: list[Beat], kept: int, lost: Loss
) -> None:
    pulse = Pulse(tmp_path / "pulse.socket")
    pulse.beats = beats
    assert Loss.of(adapter, pulse, kept, CUT_AT) == pytest.approx(lost)
