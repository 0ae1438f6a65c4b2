"""F12: one damaged byte loses many frames (python-can).

One flipped, lost or added byte in a stream costs at most two frames and never raises; all later frames are decoded as
sent. The damage is counted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols import protocol, slcan
from firmware_bridge.records import EFF_FLAG, FD_FLAG, CanFrame
from tests.examples import examples
from tests.figures import Figures
from tests.firmware_bridge.wire import CAN_PROTOCOLS, chunks, feed, ids_and_data

FRAMES = 30
MAX_LOST = 2
# Frames between two faults, so that one frame is not lost to both.
APART = 8


def traffic(name: str, seed: int) -> list[CanFrame]:
    """Distinct frames of several lengths and kinds."""
    rng = random.Random(seed)
    sent = []
    for number in range(FRAMES):
        can_id = rng.choice((0x100 + number, 0x18DA_0000 + number | EFF_FLAG))
        length = 8 if name == "realdash" else rng.choice((8, 8, 8, 4, 2))
        if name != "canserial" and rng.random() < 0.1:
            can_id, length = can_id | FD_FLAG, 16
        sent.append(CanFrame(number * 250, 0, can_id, bytes([number]) + rng.randbytes(length - 1)))
    return sent


def damaged(wire: bytes, kind: str, place: int, value: int) -> bytes:
    if kind == "flip":
        return wire[:place] + bytes([wire[place] ^ (value % 255 + 1)]) + wire[place + 1 :]
    if kind == "delete":
        return wire[:place] + wire[place + 1 :]
    return wire[:place] + bytes([value]) + wire[place:]


def lost(sent: Sequence[CanFrame], got: Sequence[CanFrame]) -> int:
    """Number of sent frames that were not decoded unchanged."""
    came = set(ids_and_data(got))
    return sum(frame not in came for frame in ids_and_data(sent))


def kinds_of_stream() -> list[tuple[str, int]]:
    return [(name, 0) for name in CAN_PROTOCOLS] + [("slcan", 4), ("slcan", 8)]


def wire_of(name: str, stamp_digits: int, sent: list[CanFrame]) -> list[bytes]:
    report = protocol(name).report
    assert report is not None
    if stamp_digits:
        return [slcan.report(frame, stamp_digits) for frame in sent]
    return [report(frame) for frame in sent]


@pytest.mark.parametrize(("name", "stamp_digits"), kinds_of_stream())
def test_one_damaged_byte_costs_at_most_two_frames(name: str, stamp_digits: int, figures: Figures) -> None:
    @examples(100)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        sent = traffic(name, data.draw(st.integers(0, 20)))
        wire = b"".join(wire_of(name, stamp_digits, sent))
        kind = data.draw(st.sampled_from(("flip", "delete", "insert")))
        damaged_wire = damaged(
            wire, kind, data.draw(st.integers(0, len(wire) - 1)), data.draw(st.integers(0, 255))
        )
        sizes = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=3))
        decoder = protocol(name).decoder(0)
        batch = feed(decoder, chunks(damaged_wire, sizes))
        figures.measured("frames lost per damaged byte", lost(sent, batch.frames), "frames")
        assert lost(sent, batch.frames) <= MAX_LOST
        times = [frame.t_us for frame in batch.frames]
        assert times == sorted(times)

    holds()


@pytest.mark.parametrize(("name", "stamp_digits"), kinds_of_stream())
def test_many_faults_cost_two_frames_each(name: str, stamp_digits: int, figures: Figures) -> None:
    rng = random.Random(12)
    sent = [frame for seed in range(40) for frame in traffic(name, seed)]
    pieces = wire_of(name, stamp_digits, sent)
    faults = range(0, len(pieces), APART)
    for number in faults:
        piece = pieces[number]
        kind = rng.choice(("flip", "delete", "insert"))
        pieces[number] = damaged(piece, kind, rng.randrange(len(piece)), rng.randrange(256))
    decoder = protocol(name).decoder(0)
    batch = feed(decoder, chunks(b"".join(pieces), (rng.randrange(1, 900), 64, 1)))
    assert lost(sent, batch.frames) <= MAX_LOST * len(faults)
    figures.tried("faults in streams with many", len(faults))
    figures.measured(
        "frames lost per fault in streams with many", lost(sent, batch.frames) / len(faults), "frames"
    )
    assert (
        decoder.bad > len(faults) / 4
    )  # some damage is not detectable: a changed digit of SLCAN is still a digit


def test_a_lost_line_end_loses_no_frame() -> None:
    """Two SLCAN lines without a line end between them are both decoded."""
    sent = [frame for frame in traffic("slcan", 3) if not frame.can_id & FD_FLAG]
    wire = wire_of("slcan", 4, sent)
    wire[7] = wire[7].rstrip(b"\r")
    decoder = protocol("slcan").decoder(0)
    batch = feed(decoder, [b"".join(wire)])
    assert ids_and_data(batch.frames) == ids_and_data(sent)
    assert decoder.bad == 0
