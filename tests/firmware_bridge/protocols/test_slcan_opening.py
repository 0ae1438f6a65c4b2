"""Opening of SLCAN adapters: commands and confirmations per firmware, refusals, bit rates, damaged answers."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, Opened, Step
from firmware_bridge.protocols.slcan import Decoder
from firmware_bridge.protocols.slcan_opening import opening
from firmware_bridge.protocols.slcan_timing import (
    MCP2515,
    SJA1000,
    WEACT,
    Controller,
    Timing,
    described_controller,
    elmue,
    lawicel,
    same_rate,
    solve,
    usbtin,
    weact,
)
from firmware_bridge.virtual.slcan_canables import Elmue
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from tests.firmware_bridge.dialogues import Transcript, run_opening, run_opening_late
from tests.firmware_bridge.wire import feed

LISTENING = ("lawicel", "usbtin", "esp32ret", "canable2.5", "esp32s3", "weact", "nakakiyo", "wican")
CANNOT = ("canable", "canable2", "mintynet", "slcanuino")
SILENT = ("mute", "mute normal")


def opened(adapter: SlcanDialogue, **settings: object) -> Transcript:
    """Run the dialogue with an adapter that answers at once."""
    bus_settings = BusSettings(**{"bitrate": 500_000, **settings})  # type: ignore[arg-type]
    return run_opening(opening(bus_settings), lambda sent: adapter.feed(sent, 0).answer)


def test_every_dialect_is_of_one_kind() -> None:
    assert sorted((*LISTENING, *CANNOT, *SILENT)) == sorted(DIALECTS)


@pytest.mark.parametrize("dialect", LISTENING)
@pytest.mark.parametrize("listen_only", [True, "try"])
def test_adapters_that_can_listen_only_confirm_it(dialect: str, listen_only: object) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter, listen_only=listen_only)
    assert transcript.opened == Opened()
    assert adapter.is_open
    assert adapter.is_listening
    assert not adapter.been_normal
    assert adapter.bitrate_code == "6"


@pytest.mark.parametrize("dialect", CANNOT)
def test_adapter_that_cannot_listen_only_is_refused_with_a_hint(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    with pytest.raises(NotOpenedError) as caught:
        opened(adapter)
    assert caught.value.state == "normal_only"
    assert "not opened" in str(caught.value)
    assert 'listen_only = "try" or false' in str(caught.value)
    assert not adapter.is_open
    assert not adapter.been_normal


@pytest.mark.parametrize("dialect", SILENT)
def test_mute_adapter_gets_no_opening_command_except_l(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter)
    assert transcript.opened is not None
    assert "answers nothing" in transcript.opened.doubt
    assert 'listen_only = "try" or false' in transcript.opened.doubt
    assert not adapter.been_normal
    assert adapter.is_open is (dialect == "mute"), "it listens, if it understands L"


def test_frames_after_l_confirm_it_on_a_mute_adapter() -> None:
    adapter = DIALECTS["mute"]()

    def answer(sent: bytes) -> bytes:
        adapter.feed(sent, 0)
        return b"t1230\rt4561AA\r" if adapter.is_open else b""

    assert run_opening(opening(BusSettings(500_000)), answer).opened == Opened()
    assert not adapter.been_normal


@pytest.mark.parametrize("dialect", (*CANNOT, *SILENT))
def test_try_opens_them_with_a_warning(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter, listen_only="try")
    assert transcript.opened is not None
    assert "acknowledges" in transcript.opened.warning
    assert adapter.is_open


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("left", [b"", b"S6\rL\r", b"S6\rM1\rO\r", b"S6\rOS\r", b"t12"])
def test_normal_mode_transmits_with_every_adapter_in_any_previous_state(dialect: str, left: bytes) -> None:
    adapter = DIALECTS[dialect]()
    adapter.feed(left, 0)
    transcript = opened(adapter, listen_only=False)
    assert transcript.opened == Opened()
    assert adapter.is_open
    assert not adapter.is_listening
    assert adapter.feed(b"t7DF803010C0000000000\r", 0).transmit


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_adapter_that_was_left_open_normal_is_closed_before_anything_else(dialect: str) -> None:
    """Its last frames and an incomplete one arrive before and among the answers."""
    adapter, pick = DIALECTS[dialect](), random.Random(dialect)
    adapter.feed(b"S6\rM0\rO\r", 0)
    adapter.been_normal = False
    rest = [b"0011223344\r" + b"t1238DEADBEEF01234567\r" * pick.randrange(4) for _ in range(2)]

    def answer(sent: bytes) -> bytes:
        received = adapter.feed(sent, 0).answer
        return (rest.pop(0) if rest else b"") + received

    transcript = Transcript()
    try:
        run_opening(opening(BusSettings(500_000)), answer, transcript)
    except NotOpenedError as refusal:
        assert refusal.state == "normal_only"
        assert dialect in CANNOT
    assert not adapter.been_normal
    assert not adapter.is_open or adapter.is_listening


@pytest.mark.parametrize("seed", range(40))
def test_late_or_lost_answers_never_open_in_normal_mode(seed: int) -> None:
    """A slow UART, Wi-Fi: an answer may be lost, late by some commands, or joined with the next one."""
    pick = random.Random(seed)
    for dialect, make in DIALECTS.items():
        adapter, waiting = make(), [b""] * 3

        def answer(sent: bytes, adapter: SlcanDialogue = adapter, waiting: list[bytes] = waiting) -> bytes:
            waiting[pick.randrange(3)] += adapter.feed(sent, 0).answer
            due, waiting[:] = waiting[0], [*waiting[1:], b""]
            return due if pick.random() < 0.9 else b""

        transcript = Transcript()
        with suppress(NotOpenedError):
            run_opening(opening(BusSettings(500_000)), answer, transcript)
        assert not adapter.been_normal, (dialect, transcript.sent)


@pytest.mark.parametrize("late_s", [0.0, 0.04, 0.1, 0.15, 0.25, 0.4])
@pytest.mark.parametrize("listen_only", [True, "try"])
@pytest.mark.parametrize("dialect", (*LISTENING, *CANNOT))
def test_constantly_late_answers_change_nothing(dialect: str, listen_only: object, late_s: float) -> None:
    """An adapter behind Wi-Fi: no late answer is taken for the answer to L."""
    adapter = DIALECTS[dialect]()
    dialogue = opening(BusSettings(500_000, None, listen_only))  # type: ignore[arg-type]
    if dialect in LISTENING:
        assert run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s) == Opened()
        assert adapter.is_listening
    elif listen_only == "try":
        assert (
            "acknowledges"
            in run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s).warning
        )
    else:
        with pytest.raises(NotOpenedError) as caught:
            run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s)
        assert caught.value.state == "normal_only"
        assert "cannot listen only" in str(caught.value)
    assert adapter.is_open is (dialect in LISTENING or listen_only == "try")
    assert adapter.been_normal is (dialect in CANNOT and listen_only == "try")


def test_decoder_knows_all_answers() -> None:
    for dialect, make in DIALECTS.items():
        batch = feed(Decoder(), [opened(make(), listen_only="try").heard])
        assert not batch.rejected, dialect
        assert not batch.frames


def test_no_opening_sends_an_empty_line() -> None:
    """Stock CANables would repeat their last frame."""
    for make in DIALECTS.values():
        for sent in opened(make(), listen_only="try").sent:
            assert sent.endswith(b"\r")
            assert b"" not in sent.split(b"\r")[:-1]


def test_a_step_waits_for_the_whole_answer_and_not_for_frames() -> None:
    dialogue = opening(BusSettings(500_000))
    step: Step = next(dialogue)
    while step.send != b"L\r":
        step = dialogue.send(b"")
    assert not step.is_answer(b"t1238DEADBEEF01234567\rt12")
    assert not step.is_answer(b"z\r")
    assert step.is_answer(b"t1238DEADBEEF01234567\r\r")
    assert step.is_answer(b"t1230\r\a")


# -- bit rates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "bitrate", "command"),
    [
        *((dialect, 500_000, "6") for dialect in DIALECTS),
        *((dialect, 1_000_000, "8") for dialect in DIALECTS),
        ("lawicel", 800_000, "7"),
        ("canable2", 750_000, "7"),  # S7 differs between firmwares
        ("canable2", 83_300, "9"),
        ("weact", 83_333, "9"),
        ("weact", 33_300, "C"),
        ("esp32s3", 83_333, "9"),
        ("lawicel", 33_333, None),
        ("lawicel", 83_333, None),
        ("lawicel", 95_238, None),
        ("usbtin", 83_333, None),
        ("usbtin", 33_333, None),
        ("weact", 95_238, None),
        ("canable2.5", 33_333, None),
        ("canable2.5", 83_300, None),
        ("canable2.5", 95_238, None),
    ],
)
@pytest.mark.parametrize("listen_only", [True, False])
def test_bit_rates(dialect: str, bitrate: int, command: str | None, listen_only: bool) -> None:
    adapter = DIALECTS[dialect]()
    try:
        opened(adapter, bitrate=bitrate, listen_only=listen_only)
    except NotOpenedError as refusal:
        assert refusal.state == "normal_only"  # the rate was accepted before
    if command is None:
        assert same_rate(bitrate, rate_of(adapter.bitrate_code)), adapter.bitrate_code
    else:
        assert adapter.bitrate_code == command


def rate_of(command: str) -> float:
    """The bit rate of a command, computed from the register values."""
    if command.startswith("S"):
        prescaler, seg1, seg2 = bytes.fromhex(command[1:])
        return 60e6 / prescaler / (1 + seg1 + seg2)
    if "," in command:
        prescaler, seg1, seg2, jump = map(int, command[1:].split(","))
        assert 1 <= jump <= seg2
        return 160e6 / prescaler / (1 + seg1 + seg2)
    registers = bytes.fromhex(command[1:])
    prescaler = (registers[0] & 0x3F) + 1
    if len(registers) == 2:
        return 8e6 / prescaler / (3 + (registers[1] & 0x0F) + (registers[1] >> 4 & 7))
    assert registers[1] & 0x80, "phase segment 2 is set by CNF3"
    quanta = 1 + (registers[1] & 7) + 1 + (registers[1] >> 3 & 7) + 1 + (registers[2] & 7) + 1
    return 12e6 / prescaler / quanta


@pytest.mark.parametrize(
    ("dialect", "bitrate"),
    [
        ("canable", 83_333),
        ("canable2", 33_333),
        ("canable2", 800_000),
        ("lawicel", 750_000),
        ("esp32ret", 33_333),  # accepts any custom bit rate but sets none
        ("wican", 33_333),  # would swallow the next bytes
        ("mintynet", 33_333),
        ("mintynet", 10_000),
        ("slcanuino", 800_000),
        ("nakakiyo", 33_333),
        ("esp32s3", 33_333),
        ("mute", 33_333),
    ],
)
@pytest.mark.parametrize("listen_only", [True, "try", False])
def test_unsupported_bit_rate_is_one_line_and_opens_nothing(
    dialect: str, bitrate: int, listen_only: object
) -> None:
    adapter = DIALECTS[dialect]()
    with pytest.raises(NotOpenedError, match=f"has no bit rate {bitrate}; it has 10000, .*1000000") as caught:
        opened(adapter, bitrate=bitrate, listen_only=listen_only)
    assert caught.value.state == "unusable"
    assert not adapter.is_open
    assert not adapter.been_normal


def test_without_a_bit_rate_the_adapter_keeps_its_own() -> None:
    adapter = DIALECTS["lawicel"]()
    assert not [sent for sent in opened(adapter, bitrate=None).sent if sent[:1] in (b"S", b"s")]
    assert adapter.is_listening


@pytest.mark.parametrize(
    ("dialect", "rates"),
    [
        ("canable2", (1_000_000, 2_000_000, 4_000_000, 5_000_000)),
        ("canable2.5", (500_000, 1_000_000, 2_000_000, 4_000_000, 5_000_000, 8_000_000)),
        ("nakakiyo", (500_000, 1_000_000, 2_000_000, 4_000_000, 5_000_000, 8_000_000)),
        ("weact", (1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000)),
    ],
)
def test_data_bit_rates(dialect: str, rates: tuple[int, ...]) -> None:
    for rate in rates:
        adapter = DIALECTS[dialect]()
        opened(adapter, data_bitrate=rate, listen_only="try")
        assert adapter.data_bitrate_code == {500_000: "0"}.get(rate, str(rate // 1_000_000))
    with pytest.raises(NotOpenedError, match="has no data bit rate 6000000; it has"):
        opened(DIALECTS[dialect](), data_bitrate=6_000_000)


@pytest.mark.parametrize("dialect", ["lawicel", "usbtin", "esp32ret", "wican", "mintynet", "esp32s3", "mute"])
def test_firmware_without_can_fd_never_gets_y(dialect: str) -> None:
    """A WiCAN takes it as: open, and acknowledge."""
    adapter, transcript = DIALECTS[dialect](), Transcript()
    with pytest.raises(NotOpenedError, match="does not know CAN FD: leave data_bitrate out"):
        run_opening(
            opening(BusSettings(500_000, 2_000_000)),
            lambda sent: adapter.feed(sent, 0).answer,
            transcript,
        )
    assert not [sent for sent in transcript.sent if sent[:1] == b"Y"]
    assert not adapter.been_normal


@pytest.mark.parametrize("controller", [SJA1000, MCP2515, WEACT])
@pytest.mark.parametrize("bitrate", [33_333, 33_300, 83_333, 83_300, 95_238, 62_500, 100_000])
def test_timing_fits_the_controller_and_reads_at_four_fifths_of_a_bit(
    controller: Controller, bitrate: int
) -> None:
    timing = solve(controller, bitrate)
    assert timing is not None
    quanta = 1 + timing.seg1 + timing.seg2
    assert same_rate(bitrate, controller.clock_hz / timing.prescaler / quanta)
    assert 0.74 <= (1 + timing.seg1) / quanta <= 0.88
    assert timing.prescaler <= controller.prescaler
    assert 2 <= timing.seg1 <= controller.seg1
    assert 2 <= timing.seg2 <= controller.seg2
    assert 1 <= timing.jump <= min(controller.jump, timing.seg2)


def test_registers_match_the_manuals() -> None:
    """Lawicel's manual gives 031C for 125 kbit/s; USBtin's firmware sets CNF1..3 of 125k to 05 B8 05 at 24 MHz."""
    assert lawicel(Timing(4, 13, 2, 1)) == b"s031C\r"
    assert usbtin(Timing(6, 9, 6, 1)) == b"s05B805\r"
    assert weact(Timing(2, 0xD1, 0x1E, 1)) == b"S02D11E\r"
    assert elmue(Timing(8, 29, 10, 9)) == b"s8,29,10,9\r"


def test_controller_from_the_canable_2_5_version_line() -> None:
    assert described_controller(Elmue.version.rstrip(b"\r")) == Controller(160e6, 512, 256, 128, 128, 385)
    assert described_controller(b"+Board: x\tClock: 0\tLimits: 1,1,1,1") is None
    assert described_controller(b"+Board: x") is None
