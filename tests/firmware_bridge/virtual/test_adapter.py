"""Virtual CAN adapter: behaviour of each firmware, and the recorder's opener and poller with each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.obd2_frames import PIDS
from firmware_bridge.engine.obd2_poller import Poller
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import BusSettings, Decoder, protocol
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.obd import ANSWER_DELAY_US, EngineComputer
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from firmware_bridge.virtual.traffic import Traffic
from tests.firmware_bridge.dialogues import run_opening
from tests.firmware_bridge.virtual.courses import lively

ENGINE = Engine(lively())
BEGIN_S = 300.0


def adapter(name: str = "slcan", dialect: str = "lawicel", rate: float = 200.0) -> CanAdapter:
    return CanAdapter(ENGINE, Traffic(ENGINE, rate=rate), name, dialect)


def opened(device: CanAdapter, *, listen_only: bool = False) -> bytes:
    """Open it as the recorder would, without waiting; return its answer."""
    dialogue = protocol(device.protocol).opening(BusSettings(500_000, listen_only=listen_only))
    return run_opening(dialogue, lambda sent: device.feed(sent, BEGIN_S)).heard


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"V\r", b"V1013\r"),
        (b"N\r", b"NVCAR\r"),
        (b"F\r", b"F00\r"),
        (b"S6\r", b"\r"),
        (b"S9\r", b"\a"),
        (b"S\r", b"\a"),
        (b"Z1\r", b"\r"),
        (b"Z7\r", b"\a"),
        (b"O\r", b"\r"),
        (b"O\rO\r", b"\r\a"),
        (b"O\rS6\r", b"\r\a"),
        (b"O\rC\r", b"\r\r"),
        (b"L\r", b"\r"),
        (b"C\r", b"\r"),
        (b"M1\r", b"\a"),
        (b"\r\r\r", b""),
        (b"what is this\r", b"\a"),
        (b"\xff\xfe\r", b"\a"),
        (b"O\rt10021122\r", b"\rz\r"),
        (b"O\rT0000010021122\r", b"\rZ\r"),
        (b"O\rT0000010011\r", b"\r\a"),
        (b"O\rT00000100111\r", b"\rZ\r"),
        (b"t10021122\r", b"\a"),
        (b"L\rt10021122\r", b"\r\a"),
        (b"O\rt1009\r", b"\r\a"),
        (b"x" * 1000 + b"\rV\r", b"\aV1013\r"),
    ],
)
def test_lawicels_commands(sent: bytes, answer: bytes) -> None:
    assert adapter().feed(sent, BEGIN_S) == answer
    by_bytes = adapter()
    assert b"".join(by_bytes.feed(sent[i : i + 1], BEGIN_S) for i in range(len(sent))) == answer


@pytest.mark.parametrize(
    ("dialect", "sent", "answer"),
    [
        ("canable2", b"C\rS6\rM1\rO\rt10021122\rnonsense\r", b""),
        ("canable2.5", b"C\rS6\rL\r", b""),
        ("canable2.5", b"MF\rL\rOS\rC\rOS\r", b"#\r#2\r#\r"),
        ("esp32s3", b"M1\rL\rO\r", b"#\r#2\r#\r"),
        ("weact", b"L\rM1\rO\rO\r", b"\a\r\r\a"),
        ("mintynet", b"L\rM1\r", b"\a\r"),
        ("wican", b"M1\rO\r", b""),
        ("wican", b"M00000000\rO\r", b"\r\r"),
        ("nakakiyo", b"L\rY2\r", b"\r\a"),
        ("esp32ret", b"V\r", b"V1013\n"),
        ("esp32ret", b"S6\r", b"\r"),
        ("usbtin", b"V\r", b"V0101\r"),
    ],
)
def test_dialects(dialect: str, sent: bytes, answer: bytes) -> None:
    assert adapter(dialect=dialect).feed(sent, BEGIN_S) == answer


def test_nothing_is_reported_before_it_is_opened_and_after_it_is_closed() -> None:
    device = adapter()
    assert device.bytes_between(BEGIN_S, BEGIN_S + 1) == b""
    device.feed(b"S6\rO\r", BEGIN_S)
    assert device.bytes_between(BEGIN_S + 1, BEGIN_S + 2).count(b"\r") == 200
    device.feed(b"C\r", BEGIN_S)
    assert device.bytes_between(BEGIN_S + 2, BEGIN_S + 3) == b""
    device.feed(b"O\r", BEGIN_S)
    device.restart()
    assert not device.is_open


def test_timestamps_appear_on_request_in_the_dialects_format() -> None:
    plain, stamped, lower = adapter(), adapter(), adapter(dialect="esp32ret")
    plain.feed(b"O\r", BEGIN_S)
    stamped.feed(b"Z1\rO\r", BEGIN_S)
    lower.feed(b"Z1\rO\r", BEGIN_S)
    without, with_stamps, small = (d.bytes_between(65.0, 65.5) for d in (plain, stamped, lower))
    assert [line[:-4] for line in with_stamps.split(b"\r")] == [*without.split(b"\r")[:-1], b""]
    first_ms = [int(data.split(b"\r")[0][-4:], 16) for data in (with_stamps, small)]
    assert first_ms == [5000, 65_000]  # Lawicel's wraps at 60 s, ESP32RET's at 65.536 s
    assert small != small.upper()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_recorder_opens_every_dialect_to_poll(dialect: str) -> None:
    device = adapter(dialect=dialect)
    decoder = protocol("slcan").decoder(0)
    decoder.feed(opened(device), 0)
    assert device.is_open
    batch = decoder.feed(device.bytes_between(BEGIN_S, BEGIN_S + 2), 2_000_000)
    assert len(batch.frames) == 400
    device.feed(b"t7DF802010C0000000000\r", BEGIN_S + 2)
    batch = decoder.feed(device.bytes_between(BEGIN_S + 2, BEGIN_S + 3), 3_000_000)
    assert any(frame.can_id == 0x7E8 for frame in batch.frames)
    assert decoder.bad == 0


def polled(name: str, seconds: float = 12.0) -> tuple[dict[str, float], Poller, Decoder]:
    """The last value of each reading that the recorder's poller gets out of an adapter."""
    device, decoder, poller, readings = adapter(name), protocol(name).decoder(0), Poller(), Obd2Decoder()
    encode = protocol(name).encode
    assert encode is not None
    opened(device)
    values = {}
    for tick in range(int(seconds * 100)):
        t_s = BEGIN_S + tick / 100
        for frame in poller.due(int(t_s * 1e6)):
            decoder.feed(device.feed(encode(frame), t_s), int(t_s * 1e6))
        batch = decoder.feed(device.bytes_between(t_s, t_s + 0.01), int(t_s * 1e6) + 10_000)
        poller.feed(batch.frames)
        for frame in batch.frames:
            for reading in readings.decode(frame.t_us, frame.can_id, frame.data):
                values[reading.channel.name] = reading.value
    return values, poller, decoder


@pytest.mark.parametrize("name", ["slcan", "gvret", "canserial", "realdash"])
def test_obd_through_the_recorders_own_poller(name: str) -> None:
    values, poller, decoder = polled(name)
    assert poller.supported >= set(PIDS)
    assert set(values) == {pid.channel.name for pid in PIDS.values()}
    truth = ENGINE.sample(np.array([BEGIN_S + 11.9]))
    for channel, near in {
        "rpm": 600,
        "speed_kmh": 15,
        "coolant_c": 3,
        "oil_c": 3,
        "battery_v": 0.1,
        "fuel_pct": 0.5,
    }.items():
        assert values[channel] == pytest.approx(getattr(truth, channel)[0], abs=near), channel
    assert decoder.bad == 0


def answer_to(can_id: int, data: bytes) -> CanFrame | None:
    answers = EngineComputer(ENGINE).answer(CanFrame(0, 0, can_id, data), BEGIN_S)
    assert len(answers) <= 1
    return answers[0] if answers else None


def test_a_long_answer_waits_for_flow_control() -> None:
    computer = EngineComputer(ENGINE)
    question = CanFrame(0, 0, 0x7DF, bytes.fromhex("07010C0D05112F42"))
    [first] = computer.answer(question, BEGIN_S)
    assert first.data[:4] == bytes.fromhex("100F410C")
    go_on = CanFrame(0, 0, 0x7E0, bytes.fromhex("3000000000000000"))
    rest = computer.answer(go_on, BEGIN_S + 0.02)
    assert [frame.data[0] for frame in rest] == [0x21, 0x22]
    assert computer.answer(go_on, BEGIN_S + 0.03) == []
    computer.answer(question, BEGIN_S)
    assert computer.answer(go_on, BEGIN_S + 1.5) == []  # too late


def test_an_answer_has_the_values_of_its_request_and_comes_some_milliseconds_later() -> None:
    answer = answer_to(0x7DF, bytes.fromhex("02010c0000000000"))
    assert answer is not None
    assert answer[:3] == (int(BEGIN_S * 1e6) + ANSWER_DELAY_US, 0, 0x7E8)
    assert answer.data[:3] == b"\x04\x41\x0c"
    rpm = int.from_bytes(answer.data[3:5], "big") / 4
    assert rpm == pytest.approx(ENGINE.sample(np.array([BEGIN_S])).rpm[0], abs=0.125)


def test_extended_requests_have_extended_answers() -> None:
    answer = answer_to(0x18DB33F1 | EFF_FLAG, b"\x02\x01\x05")
    assert answer is not None
    assert answer.can_id == 0x18DAF110 | EFF_FLAG


@pytest.mark.parametrize(
    ("can_id", "data"),
    [
        (0x7DF, b"\x02\x01\x99"),
        (0x7DF, b"\x02\x01\x60"),
        (0x7DF, b"\x02\x09\x02"),
        (0x7DF, b"\x02\x01"),
        (0x7DF, b""),
        (0x100, b"\x02\x01\x0c"),
        (0x7DF | EFF_FLAG, b"\x02\x01\x0c"),
    ],
)
def test_unsupported_requests_get_no_answer(can_id: int, data: bytes) -> None:
    assert answer_to(can_id, data) is None


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\xf1\x09", b"\xf1\x09\xde\xad"),
        (b"\xe7\xe7\xf1\x0c", b"\xf1\x0c\x02"),
        (b"\xf1\x01", b"\xf1\x01" + int(BEGIN_S * 1e6).to_bytes(4, "little")),
        (b"\xf1\x06", bytes.fromhex("f1060020a107000020a10700")),
        (b"\xf1\x07", bytes.fromhex("f1076a0220000000")),
        (b"\xf1\x0d", b"\xf1\x0d" + bytes(15)),
        (b"\xf1\x05" + bytes(8) + b"\xf1\x09", b"\xf1\x09\xde\xad"),
        (b"\xf1\x77\xf1\x09", b"\xf1\x09\xde\xad"),
        (b"\x00\x13\xf1\x09", b"\xf1\x09\xde\xad"),
    ],
)
def test_gvrets_queries(sent: bytes, answer: bytes) -> None:
    assert adapter("gvret").feed(sent, BEGIN_S) == answer
    by_bytes = adapter("gvret")
    assert b"".join(by_bytes.feed(sent[i : i + 1], BEGIN_S) for i in range(len(sent))) == answer


def test_gvret_is_silent_before_e7() -> None:
    device = adapter("gvret")
    assert device.bytes_between(0.0, 1.0) == b""
    opened(device)
    assert device.bytes_between(1.0, 2.0)[:2] == b"\xf1\x00"


@pytest.mark.parametrize("name", ["slcan", "gvret", "canserial"])
@pytest.mark.parametrize("step_s", [0.003, 0.01, 0.33, 2.7])
def test_any_intervals_give_every_frame_once(name: str, step_s: float) -> None:
    device, decoder = adapter(name), protocol(name).decoder(0)
    opened(device)
    edges = [*np.arange(BEGIN_S, BEGIN_S + 6.0, step_s).tolist(), BEGIN_S + 6.0]
    data = b"".join(device.bytes_between(a, b) for a, b in pairwise(edges))
    frames = decoder.feed(data, 6_100_000).frames
    sent = Traffic(ENGINE, rate=200.0).between(BEGIN_S, BEGIN_S + 6.0).records()
    assert [(frame.can_id, frame.data) for frame in frames] == [(frame.can_id, frame.data) for frame in sent]


def test_an_unknown_protocol_or_dialect_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match='speaks "morse"'):
        adapter("morse")
    with pytest.raises(ConfigurationError, match='dialect "bavarian"'):
        adapter(dialect="bavarian")
