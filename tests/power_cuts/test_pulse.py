"""Pulse: what the guest had received and when, from reports that arrive late."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.power_cuts.pulse import Beat, Pulse


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    """A pulse that has received two reports and noise."""
    path = tmp_path / "pulse.socket"
    with socket.socket(socket.AF_UNIX) as machine:
        machine.bind(str(path))
        machine.listen()
        pulse = Pulse(path)
        pulse.listen()
        guest, _ = machine.accept()
        with guest:
            guest.sendall(b"\r\nnoise\r\n1000000 0\r\n1050000 22\r\n11000")
    pulse.stop()
    return pulse


def test_reports_are_read_and_noise_is_ignored(pulse: Pulse) -> None:
    assert [(beat.guest_s, beat.received) for beat in pulse.beats] == [(1.0, 0), (1.05, 22)]


def test_a_late_report_counts_from_when_the_guest_made_it(pulse: Pulse) -> None:
    pulse.beats = [Beat(101.0, 1.0, 0), Beat(101.9, 1.5, 22), Beat(102.0, 2.0, 44), Beat(109.0, 3.0, 44)]
    assert pulse.last_before(22) == pytest.approx(101.0)
    assert pulse.last_before(23) == pytest.approx(101.5), "received at 101.9, made at 101.5"
    assert pulse.last_before(45) == pytest.approx(103.0)
    assert pulse.longest_pause_s(103.2) == pytest.approx(1.0)
    assert pulse.longest_pause_s(109.0) == pytest.approx(6.0)


def test_without_a_report_nothing_is_known(pulse: Pulse) -> None:
    pulse.beats.clear()
    assert pulse.last_before(1) is None
    assert pulse.longest_pause_s(5.0) == 0.0
