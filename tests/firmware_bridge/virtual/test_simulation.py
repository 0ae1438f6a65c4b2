"""A drive's bytes at full speed, through the recorder's own decoders."""

from __future__ import annotations

import pytest

from firmware_bridge.protocols import protocol
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.simulation import CAN_CHUNK_S, simulate_bytes
from firmware_bridge.virtual.traffic import Traffic
from tests.firmware_bridge.virtual.courses import lively

DRIVE = lively()


def test_chunks_come_in_order_and_no_port_is_left_waiting() -> None:
    last_us = dict.fromkeys(("gps", "engine"), 0)
    latest_us = 0
    for port, t_us, data in simulate_bytes(DRIVE, 5, 100.0):
        assert data
        assert t_us >= latest_us
        assert t_us - last_us[port] < (CAN_CHUNK_S + 0.3) * 1e6
        last_us[port] = latest_us = t_us
    assert all(DRIVE.end_s - t_us / 1e6 < 1.0 for t_us in last_us.values())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.7, 40.0, 900.0])
def test_every_frame_is_there_once_at_its_time(rate: float) -> None:
    decoder = protocol("slcan").decoder(3)
    frames: list[CanFrame] = []
    for port, t_us, data in simulate_bytes(DRIVE, 1, rate, 0.0, 130.0):
        if port == "engine":
            frames += decoder.feed(data, t_us).frames
    sent = Traffic(Engine(DRIVE), rate=rate).between(0.0, 130.0).records(3)
    assert [frame[1:] for frame in frames] == [frame[1:] for frame in sent]
    assert max(abs(got.t_us - true.t_us) for got, true in zip(frames, sent, strict=True)) <= 600_000
    late = [got.t_us - true.t_us for got, true in zip(frames, sent, strict=True)][len(sent) // 2 :]
    assert max(late) - min(late) < 5_000  # device stamps tell the frames of a chunk apart


def test_a_part_begins_and_ends_where_it_should() -> None:
    chunks = list(simulate_bytes(DRIVE, 1, 10.0, 100.0, 110.0))
    assert 100.0 <= chunks[0][1] / 1e6 < 101.1
    assert 109.0 < chunks[-1][1] / 1e6 < 110.1
    assert sum(data.count(b"RMC") for port, _, data in chunks if port == "gps") == 10


def test_a_car_without_an_adapter_has_a_receiver_only() -> None:
    assert {port for port, _, _ in simulate_bytes(DRIVE, 5, 0, 0.0, 60.0)} == {"gps"}


def test_it_is_the_same_every_time() -> None:
    first, second = (list(simulate_bytes(DRIVE, 5, 50.0, 0.0, 100.0)) for _ in range(2))
    assert first == second
