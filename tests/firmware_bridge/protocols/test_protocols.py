"""Protocol registry, and properties common to all frame protocols."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import PROTOCOL_NAMES, BusSettings, Protocol, protocol, slcan
from firmware_bridge.protocols.framing import MAX_NOTICES_PER_S, MAX_REJECTED_BYTES, Account
from firmware_bridge.records import CanFrame
from tests.examples import examples
from tests.firmware_bridge.dialogues import run_opening
from tests.firmware_bridge.wire import CAN_PROTOCOLS, T_US, chunks, feed, frames, ids_and_data


def reporter(name: str) -> Protocol:
    chosen = protocol(name)
    assert chosen.report is not None
    return chosen


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_each_protocol_is_complete(name: str) -> None:
    chosen = protocol(name)
    decoder = chosen.decoder(0)
    assert (chosen.name, decoder.good, decoder.bad) == (name, 0, 0)
    assert (chosen.encode is None) == (chosen.report is None) == (name == "nmea")
    assert len(set(chosen.bauds)) == len(chosen.bauds) != 1
    assert (not chosen.bauds) == (name == "socketcan"), "all but an interface of the kernel have rates to try"
    for settings in (BusSettings(500_000), BusSettings(listen_only=False)):
        assert all(run_opening(chosen.opening(settings)).sent)


def test_error_of_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match='no protocol "slcam"; did you mean "slcan"') as caught:
        protocol("slcam")
    assert caught.value.exit_code == 64
    with pytest.raises(ConfigurationError, match="it is one of slcan, gvret"):
        protocol("j1850")


def test_only_the_requested_protocol_is_imported() -> None:
    code = (
        "import sys; from firmware_bridge.protocols import protocol; protocol('canserial');"
        "print(*(m for m in sys.modules if m.startswith('firmware_bridge.protocols.')))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {m.rpartition(".")[2] for m in seen.split()} == {"canserial", "columns", "devicetime", "framing"}


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
@examples(60)
@given(data=st.data())
def test_built_frames_decode_in_any_chunks(name: str, data: st.DataObject) -> None:
    """Long runs of equal frames and mixed frames take different paths through the decoder."""
    chosen = reporter(name)
    assert chosen.report is not None
    sent = data.draw(st.lists(frames(name), min_size=1, max_size=8))
    repeated = [frame for frame in sent for _ in range(data.draw(st.sampled_from((1, 1, 6))))]
    wire = b"".join(map(chosen.report, repeated))
    sizes = data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=5) | st.just([len(wire)]))
    decoder = chosen.decoder(0)
    batch = feed(decoder, chunks(wire, sizes))
    assert ids_and_data(batch.frames) == ids_and_data(repeated)
    assert (decoder.good, decoder.bad) == (len(repeated), 0)
    assert not batch.rejected


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
@examples(100)
@given(data=st.data())
def test_arbitrary_bytes_never_raise(name: str, data: st.DataObject) -> None:
    starts = st.sampled_from(
        (b"\xf1\x00", b"\xf1\x14", b"\xaa", b"CAN\x10", b"\x44\x33\x22\x11", b"\x66\x33\x22\x11")
    )
    text = st.text("tTrRdDbBszZVF#0123456789ABCDEFabcdef\r\n\a", max_size=60).map(str.encode)
    pieces = data.draw(st.lists(st.binary(max_size=60) | starts | text, max_size=12))
    decoder = protocol(name).decoder(0)
    batch = feed(decoder, pieces)
    times = [frame.t_us for frame in batch.frames]
    assert times == sorted(times)
    assert all(len(record.data) <= MAX_REJECTED_BYTES for record in batch.rejected)
    assert len(batch.rejected) <= decoder.bad <= len(batch.rejected) + 1
    assert decoder.good == len(batch.frames)


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
def test_garbage_before_between_and_after(name: str) -> None:
    chosen = reporter(name)
    assert chosen.report is not None
    good = [CanFrame(0, 0, 0x123, bytes([n, *range(7)])) for n in range(6)]
    wire = [chosen.report(frame) for frame in good]
    noise = b"\x00\xff\x99garbage\x88"
    line_end = b"\r" if name == "slcan" else b""
    stream = noise + line_end + wire[0] + wire[1] + wire[2][:7] + line_end + wire[3] + wire[4] + noise
    decoder = chosen.decoder(0)
    batch = feed(decoder, [stream, line_end, wire[5]])
    # A binary frame right before noise is rejected: its end cannot be distinguished from the noise.
    kept = [0, 1, 3, 4, 5] if name == "slcan" else [0, 1, 3, 5]
    assert ids_and_data(batch.frames) == ids_and_data(good[n] for n in kept)
    assert decoder.bad == len(batch.rejected) == 3
    assert all(record.t_us <= T_US + 2_000 for record in batch.rejected)


@pytest.mark.parametrize(
    ("name", "noise"), [("gvret", b""), ("realdash", b"\x44"), ("canserial", b""), ("socketcan", b"C")]
)
def test_uniform_block_is_checked_to_its_end(name: str, noise: bytes) -> None:
    chosen = reporter(name)
    assert chosen.report is not None
    run = [CanFrame(0, 0, 0x123, bytes([n] * 8)) for n in range(6)]
    batch = feed(chosen.decoder(0), [b"".join(map(chosen.report, run)) + noise + b"noise"])
    assert ids_and_data(batch.frames) == ids_and_data(run[:-1])


@pytest.mark.parametrize("name", ["gvret", "realdash", "canserial", "socketcan"])
@examples(40)
@given(st.integers(1, 7), st.integers(0, 10_000), st.binary(max_size=40), st.integers(0, 20))
def test_a_damaged_uniform_block_is_as_its_frames_one_by_one(
    name: str, count: int, place: int, noise: bytes, lost: int
) -> None:
    chosen = reporter(name)
    assert chosen.report is not None
    wire = b"".join(chosen.report(CanFrame(0, 0, 0x123, bytes([n] * 8))) for n in range(count))
    place %= len(wire) + 1
    wire = wire[:place] + noise + wire[place + lost :]
    at_once, one_by_one = chosen.decoder(0), chosen.decoder(0)
    one_by_one._uniform = lambda buffer, at: 0  # type: ignore[attr-defined]
    results = [feed(decoder, [wire, wire]) for decoder in (at_once, one_by_one)]
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["slcan", "gvret", "canserial"])
@pytest.mark.parametrize("is_running", [True, False])
def test_a_counter_that_stands_still_stamps_no_frames(name: str, is_running: bool) -> None:
    """Firmware that always sends 0: the time of arrival is used, so these frames must be read at once."""
    chosen, decoder = reporter(name), protocol(name).decoder(0)
    for t_us in range(0, 500_000, 10_000):
        frame = CanFrame(t_us if is_running else 0, 0, 0x123, b"x")
        wire = slcan.report(frame, 4) if name == "slcan" else chosen.report and chosen.report(frame)
        assert wire
        decoder.feed(wire, t_us)
    assert decoder.is_stamped == is_running


@pytest.mark.parametrize("name", CAN_PROTOCOLS)
def test_endless_garbage_is_bounded_and_counted(name: str) -> None:
    """A wrong baud rate: at most a few short records per second, and memory is bounded."""
    decoder = protocol(name).decoder(0)
    batch = feed(decoder, [bytes([0x80, 0xFE, 0x07 ^ 0x80, 0x99] * 16)] * 2_000)
    assert 10 < len(batch.rejected) <= 128_000 / 4096 + 1
    assert {len(record.data) for record in batch.rejected} == {MAX_REJECTED_BYTES}
    assert decoder.good == 0


def test_stretch_is_one_record_in_any_chunks() -> None:
    account = Account()
    account.reject(b"ab", "noise", 1)
    account.reject(b"c", "frame", 2)
    assert (account.bad, account.batch([]).rejected) == (1, [])
    account.settle()
    account.settle()
    assert account.batch([]).rejected == [(1, "noise", b"abc")]
    account.reject(b"d", "frame", 3)
    assert account.bad == 2


def test_notices_are_limited_and_the_surplus_counted() -> None:
    account = Account()
    for _ in range(100):
        account.notice(1_500_000, "bus_error", errors=["ack"])
    account.notice(1_600_000, "bus_state", state="off")
    account.notice(2_000_000, "bus_error", errors=["ack"])
    notices = account.batch([]).notices
    assert [notice.kind for notice in notices] == ["bus_error"] * MAX_NOTICES_PER_S + [
        "bus_state",
        "bus_error",
    ]
    assert notices[-1].detail == {"errors": ["ack"], "left_out": 100 - MAX_NOTICES_PER_S}


@pytest.mark.parametrize(
    ("sample", "whole"),
    [
        (b"0\rt1230\rt12", b"t1230\r"),
        (b"t1230\r", b"t1230\r"),
        (b"\r\r", b"\r"),
        (b"noise", b"noise"),
        (b"", b""),
    ],
)
def test_a_sample_is_cut_to_whole_lines(sample: bytes, whole: bytes) -> None:
    assert protocol("slcan").whole_lines(sample) == whole
    assert protocol("gvret").whole_lines(sample) == sample
