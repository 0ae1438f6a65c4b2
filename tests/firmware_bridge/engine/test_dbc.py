"""DBC decoder: third-party files against cantools, damaged frames, damaged files."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path

import cantools.database
import pytest
from cantools.database.can import Database
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import dbc
from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples

CORPUS = Path(__file__).parents[3] / "../shared/corpus/dbc"
FILES = sorted(CORPUS.glob("*.dbc"))

HEAD = 'VERSION ""\nNS_ :\nBS_:\nBU_: ECU\n'
ENGINE = (
    HEAD
    + """
BO_ 256 ENGINE: 8 ECU
 SG_ RPM : 0|16@1+ (0.25,0) [0|16383] "1/min" ECU
 SG_ TEMP : 16|8@1+ (1,-40) [-40|215] "degC" ECU
 SG_ GEAR : 24|4@1+ (1,0) [0|15] "" ECU
BO_ 2566844926 PRESSURES: 8 ECU
 SG_ OIL_BAR : 0|16@1+ (0.001,0) [0|65] "bar" ECU
 SG_ TEMP : 16|8@1+ (1,-40) [-40|215] "degC" ECU
VAL_ 256 GEAR 0 "neutral" 1 "first" 15 "reverse" ;
"""
)
MULTIPLEXED = (
    HEAD
    + """
BO_ 512 TURNS: 8 ECU
 SG_ WHICH M : 0|8@1+ (1,0) [0|0] "" ECU
 SG_ FUEL_BAR m0 : 8|8@1+ (0.1,0) [0|25] "bar" ECU
 SG_ BOOST_BAR m1 : 8|32@1+ (0.01,0) [0|2] "bar" ECU
"""
)


def value_of(decoder: dbc.DbcDecoder, can_id: int, data: bytes) -> dict[str, float]:
    return {reading.channel.name: reading.value for reading in decoder.decode(5, can_id, data)}


def peer(text: str) -> Database:
    database = cantools.database.load_string(text, database_format="dbc")
    assert isinstance(database, Database)
    return database


@pytest.mark.skipif(not FILES, reason="the corpus is not beside this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_corpus_decodes_like_cantools(path: Path) -> None:
    text = dbc.text_of(path.read_bytes())
    decoder, reference = dbc.load(text, path.name), peer(text)
    assert decoder.notices == ()
    assert len(decoder.channels) == sum(len(message.signals) for message in reference.messages)
    assert len({(channel.name, channel.source) for channel in decoder.channels}) == len(decoder.channels)
    chance, compared = random.Random(path.name), 0
    for message in reference.messages:
        can_id = message.frame_id | (EFF_FLAG if message.is_extended_frame else 0)
        assert can_id in decoder.ids
        for _ in range(20):
            length = chance.choice([message.length, message.length, chance.randrange(65)])
            data = chance.randbytes(length)
            readings = decoder.decode(1, can_id, data)
            assert {reading.channel.source for reading in readings} <= {f"{path.name}:{message.name}"}
            try:
                expected = message.decode(data, decode_choices=False)
            except (ValueError, cantools.database.DecodeError):
                continue
            assert isinstance(expected, dict)
            finite = [number for value in expected.values() if math.isfinite(number := float(value))]  # type: ignore[arg-type]
            assert [reading.value for reading in readings] == finite
            compared += 1
    assert compared > 0


@pytest.mark.skipif(not FILES, reason="the corpus is not beside this checkout")
@examples(20)
@given(st.data())
def test_damaged_file_raises_only_configuration_error(data: st.DataObject) -> None:
    text = dbc.text_of((CORPUS / "multiplex.dbc").read_bytes())
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    damaged = text[:begin] + data.draw(st.text(max_size=5)) + text[end:]
    try:
        decoder = dbc.load(damaged, "damaged.dbc")
    except ConfigurationError as error:
        assert str(error).startswith("damaged.dbc")
        assert "\n" not in str(error)
        return
    for can_id in decoder.ids:
        decoder.decode(0, can_id, bytes(8))


def test_signals_become_channels_with_unit_and_source() -> None:
    decoder = dbc.load(ENGINE, "engine.dbc")
    assert {(c.name, c.unit, c.source) for c in decoder.channels} == {
        ("RPM", "1/min", "engine.dbc:ENGINE"),
        ("ENGINE.TEMP", "degC", "engine.dbc:ENGINE"),
        ("GEAR", "", "engine.dbc:ENGINE"),
        ("OIL_BAR", "bar", "engine.dbc:PRESSURES"),
        ("PRESSURES.TEMP", "degC", "engine.dbc:PRESSURES"),
    }


def test_choices_stay_numbers() -> None:
    decoder = dbc.load(ENGINE, "engine.dbc")
    assert value_of(decoder, 256, bytes.fromhex("F8 1A 82 0F 00 00 00 00")) == {
        "RPM": 1726.0,
        "ENGINE.TEMP": 90.0,
        "GEAR": 15.0,
    }
    assert [reading.t_us for reading in decoder.decode(5, 256, bytes(8))] == [5, 5, 5]


def test_short_frame_gives_its_complete_signals() -> None:
    decoder = dbc.load(ENGINE, "engine.dbc")
    assert value_of(decoder, 256, bytes.fromhex("F8 1A")) == {"RPM": 1726.0}
    assert value_of(decoder, 256, b"") == {}
    assert decoder.bad == 2


def test_extended_and_standard_identifiers_differ() -> None:
    decoder = dbc.load(ENGINE, "engine.dbc")
    pressures = 2566844926 & 0x1FFF_FFFF | EFF_FLAG
    assert value_of(decoder, pressures, b"\x88\x13\x50\0\0\0\0\0") == {"OIL_BAR": 5.0, "PRESSURES.TEMP": 40.0}
    for unknown in (pressures ^ EFF_FLAG, 256 | EFF_FLAG, 256 | RTR_FLAG, 257):
        assert unknown not in decoder.ids
        assert decoder.decode(0, unknown, bytes(8)) == []
    assert decoder.bad == 0


def test_fd_frames_of_known_messages_are_decoded() -> None:
    engine = EngineReadings([dbc.load(ENGINE, "engine.dbc")])
    engine.feed([CanFrame(1, 0, 256 | FD_FLAG | BRS_FLAG, bytes.fromhex("F8 1A 82 01 00 00 00 00"))])
    assert {reading.channel.name: reading.value for reading in engine.tick(10)} == {
        "RPM": 1726.0,
        "ENGINE.TEMP": 90.0,
        "GEAR": 1.0,
    }


@pytest.mark.parametrize(
    ("data", "expected", "bad"),
    [
        ("00 64 00 00 00 00 00 00", {"WHICH": 0.0, "FUEL_BAR": 10.0}, 0),
        ("01 64 00 00 00 00 00 00", {"WHICH": 1.0, "BOOST_BAR": 1.0}, 0),
        ("07 64 00 00 00 00 00 00", {}, 1),  # a multiplexer value that is not in the file
        ("", {}, 1),
    ],
)
def test_multiplexed(data: str, expected: dict[str, float], bad: int) -> None:
    decoder = dbc.load(MULTIPLEXED, "multiplexed.dbc")
    assert value_of(decoder, 512, bytes.fromhex(data)) == pytest.approx(expected)
    assert decoder.bad == bad


def test_multiplexed_frames_within_one_tick_are_all_read() -> None:
    engine = EngineReadings([dbc.load(MULTIPLEXED, "multiplexed.dbc")])
    engine.feed([CanFrame(1, 0, 512, b"\x00\x64" + bytes(6)), CanFrame(2, 0, 512, b"\x01\x64" + bytes(6))])
    assert {reading.channel.name for reading in engine.tick(10)} == {"WHICH", "FUEL_BAR", "BOOST_BAR"}


def test_nan_and_infinity_give_no_reading() -> None:
    text = HEAD + 'BO_ 1 F: 8 ECU\n SG_ X : 0|32@1- (1,0) [0|0] "" ECU\nSIG_VALTYPE_ 1 X : 1;\n'
    decoder = dbc.load(text, "float.dbc")
    assert value_of(decoder, 1, bytes.fromhex("0000C03F00000000")) == {"X": 1.5}
    assert value_of(decoder, 1, bytes.fromhex("0000C07F00000000")) == {}
    assert value_of(decoder, 1, bytes.fromhex("0000807F00000000")) == {}
    assert decoder.bad == 2


OVERLAPPING = HEAD + (
    'BO_ 1 A: 8 ECU\n SG_ LOW : 0|8@1+ (1,0) [0|0] "" ECU\n SG_ ALSO_LOW : 4|8@1+ (1,0) [0|0] "" ECU\n'
)


def test_overlapping_signals_load_with_a_notice() -> None:
    decoder = dbc.load(OVERLAPPING, "sloppy.dbc")
    assert value_of(decoder, 1, b"\x21\x43" + bytes(6)) == {"LOW": 0x21, "ALSO_LOW": 0x32}
    [notice] = decoder.notices
    assert notice.kind == "dbc_not_strict"
    assert notice.detail["file"] == "sloppy.dbc"
    assert "LOW" in str(notice.detail["what"])


def test_signal_beyond_its_message_is_left_out_alone() -> None:
    text = HEAD + (
        'BO_ 1 A: 2 ECU\n SG_ FITS : 0|8@1+ (1,0) [0|0] "" ECU\n SG_ RUNS_OVER : 12|8@1+ (1,0) [0|0] "" ECU\n'
        'BO_ 2 B: 8 ECU\n SG_ SOUND : 0|8@1+ (1,0) [0|0] "" ECU\n'
    )
    decoder = dbc.load(text, "sloppy.dbc")
    assert value_of(decoder, 1, b"\x21\x43") == {"FITS": 0x21}
    assert value_of(decoder, 2, b"\x07" + bytes(7)) == {"SOUND": 7.0}


def test_overlapping_signals_keep_their_multiplexer() -> None:
    text = MULTIPLEXED + ' SG_ ALSO_BAR m1 : 12|8@1+ (1,0) [0|0] "bar" ECU\n'
    decoder = dbc.load(text, "sloppy.dbc")
    assert value_of(decoder, 512, b"\x01\x64\x01" + bytes(5)) == pytest.approx(
        {"WHICH": 1.0, "BOOST_BAR": 3.56, "ALSO_BAR": 0x16}
    )
    assert value_of(decoder, 512, b"\x00\x64" + bytes(6)) == pytest.approx({"WHICH": 0.0, "FUEL_BAR": 10.0})


@pytest.mark.parametrize("place", ["-8|8@1-", "-3|8@0+", "-1|8@1+", "-70|8@1+"])
def test_signal_before_its_message_is_left_out_with_a_notice(place: str) -> None:
    """cantools accepts a negative start bit, and then decodes no signal of the message."""
    text = HEAD + f'BO_ 1 A: 8 ECU\n SG_ X : {place} (1,0) [0|0] "" ECU\n SG_ Y : 8|8@1+ (1,0) [0|0] "" ECU\n'
    decoder = dbc.load(text, "sloppy.dbc")
    assert value_of(decoder, 1, bytes(range(8))) == {"Y": 1.0}
    assert decoder.bad == 0
    (notice,) = decoder.notices
    assert notice.detail["what"] == "the signal X begins before its message A"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD + "BO_ 1 A: 8 ECU\n SG_ X : 0|8@1+ (1,0) [0|0 ECU\n", "engine.dbc:6:1: "),
        (HEAD + "BO_ 1 A: 8 ECU\nFOO\n", "engine.dbc:6:1: "),
        ("", "engine.dbc:1:1: "),
        ("PK\x03\x04\x00\x1b[2J", "engine.dbc:1:1: "),
        ('BA_ "NobodyDefinedMe" 3;\n', "engine.dbc:1:1: "),
        (HEAD + 'BO_ 99999999999 A: 8 ECU\n SG_ X : 0|8@1+ (1,0) [0|0] "" ECU\n', "engine.dbc:5:1: "),
    ],
)
def test_error_of_an_unreadable_file_has_position_and_hint(text: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        dbc.load(text, "engine.dbc")
    assert str(caught.value).startswith(where + "no readable DBC: ")
    assert caught.value.hint
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 64


def test_text_in_utf_8_and_cp1252() -> None:
    assert dbc.text_of("°C".encode()) == "°C"
    assert dbc.text_of(b"\xef\xbb\xbfVERSION") == "VERSION"
    assert dbc.text_of("°C".encode("cp1252")) == "°C"
    assert dbc.text_of(b"\x81\xb0") == "\ufffd°"


def test_two_messages_with_one_identifier_are_both_decoded() -> None:
    text = HEAD + "".join(f'BO_ 1 {n}: 8 ECU\n SG_ {n}_X : 0|8@1+ (1,0) [0|0] "" ECU\n' for n in ("A", "B"))
    decoder = dbc.load(text, "twice.dbc")
    assert value_of(decoder, 1, b"\x07" + bytes(7)) == {"A_X": 7.0, "B_X": 7.0}


@pytest.mark.parametrize("scale", ["1e308", "1e400", "-1e308", "0"])
def test_huge_scale_does_not_raise(scale: str) -> None:
    decoder = dbc.load(ENGINE.replace("(0.25,0)", f"({scale},0)"), "engine.dbc")
    values = value_of(decoder, 256, bytes.fromhex("FF FF 82 0F 00 00 00 00"))
    assert values["GEAR"] == 15
    assert all(math.isfinite(value) for value in values.values())


def test_cantools_loads_without_python_can_and_tester_can_be_imported_later() -> None:
    """python-can imports every MF4 reader it finds, which adds half a second to a recorder's start."""
    program = (
        "import sys, firmware_bridge.engine.dbc_codecs; print(*{'can', 'asammdf', 'pandas'} & sys.modules.keys());"
        "import cantools.tester; print(cantools.tester.Tester.__name__)"
    )
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output == "\nTester\n"
