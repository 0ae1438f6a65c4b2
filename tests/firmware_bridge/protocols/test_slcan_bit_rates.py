"""Bit rates of SLCAN adapters: standard ones, register values, CAN FD data rates."""

from __future__ import annotations

import pytest

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings
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
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from tests.firmware_bridge.dialogues import Transcript, run_opening
from tests.firmware_bridge.protocols.slcan_adapters import opened

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
    rates = "(it has|it refuses S[07]; try one of) [12]0000, .*1000000"
    with pytest.raises(NotOpenedError, match=f"has no bit rate {bitrate}; {rates}") as caught:
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


def test_a_refused_code_is_named_and_its_rate_is_not_recommended() -> None:
    with pytest.raises(NotOpenedError, match="has no bit rate 10000; it refuses S0; try one of 20000, "):
        opened(DIALECTS["mintynet"](), bitrate=10_000)
