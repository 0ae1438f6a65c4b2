"""J1939: messages for any source are decoded from every source, with separate channels per source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_bridge.engine import dbc
from firmware_bridge.engine.j1939 import Address, address
from firmware_bridge.engine.readings import MAX_LOOKED_UP_IDS, EngineReadings
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame, Channel

CASES = Path(__file__).parents[2] / "field_cases/can"
HEAD = 'VERSION ""\nBU_: E\n'
EEC1, CCVS, TSC1 = 0x0CF004FE | EFF_FLAG, 0x18FEF1FE | EFF_FLAG, 0x0C0000FE | EFF_FLAG
SPEED = bytes.fromhex("FFFFFF6813FFFFFF")


def message(can_id: int, name: str, signal: str = "V") -> str:
    return f'BO_ {can_id} {name}: 8 E\n SG_ {signal} : 24|16@1+ (0.125,0) [0|0] "rpm" E\n'


def values(decoder: dbc.DbcDecoder, can_id: int) -> dict[str, float]:
    return {reading.channel.name: reading.value for reading in decoder.decode(1, can_id | EFF_FLAG, SPEED)}


def test_field_case() -> None:
    text = (CASES / "j1939.dbc").read_text()
    engine, frames = EngineReadings([dbc.load(text, "j1939.dbc")]), []
    for number, (can_id, data) in enumerate(
        re.findall(r"can0 (\w+)#(\w*)", (CASES / "j1939.log").read_text())
    ):
        flag = EFF_FLAG if len(can_id) == 8 else 0
        frames.append(CanFrame(number, 0, int(can_id, 16) | flag, bytes.fromhex(data)))
    engine.feed(frames)
    read = {reading.channel: reading.value for reading in engine.tick(100)}
    assert read == {
        Channel("EngineSpeed", "rpm", "j1939.dbc:EEC1@0x00"): 621.0,
        Channel("WheelSpeed", "km/h", "j1939.dbc:CCVS@0x00"): 50.0,
    }


@pytest.mark.parametrize(
    ("can_id", "parts"),
    [
        (0x18FEF131, Address(0xFEF1, None, 0x31)),
        (0x0CF00400, Address(0xF004, None, 0)),
        (0x0C0003FD, Address(0, 3, 0xFD)),
        (0x18EFFF27, Address(0xEF00, 0xFF, 0x27)),
        (0x19F00400, Address(0x1F004, None, 0)),
        (0x1BEF0301, Address(0x3EF00, 3, 1)),
    ],
)
def test_the_parts_of_an_identifier(can_id: int, parts: Address) -> None:
    assert address(can_id) == address(can_id | EFF_FLAG) == address(can_id ^ 0x1C00_0000) == parts


def test_priority_and_destination_are_ignored_and_each_source_has_its_channels() -> None:
    decoder = dbc.load(HEAD + message(EEC1, "EEC1", "N") + message(TSC1, "TSC1", "T"), "a.dbc")
    assert values(decoder, 0x0CF00431) == values(decoder, 0x18F00431) == {"N": 621}
    assert values(decoder, 0x0CF00400) == {"N@0x00": 621}
    assert values(decoder, 0x0CF00431) == {"N": 621}
    assert values(decoder, 0x0C000331) == values(decoder, 0x0CFF0331 & ~0xFF0000) == {"T": 621}
    assert values(decoder, 0x0CF00500) == {}
    for flags in (RTR_FLAG, ERR_FLAG):
        assert decoder.decode(1, 0x0CF00431 | EFF_FLAG | flags, SPEED) == []
    assert decoder.decode(1, 0x4F00431, SPEED) == []
    assert decoder.decode(1, 0x0CF00431 | EFF_FLAG | FD_FLAG, SPEED)


def test_message_with_source_takes_precedence() -> None:
    text = HEAD + message(EEC1, "ANY", "N") + message(0x0CF00417 | EFF_FLAG, "DASH", "D")
    decoder = dbc.load(text + message(CCVS, "CCVS", "W"), "a.dbc")
    assert values(decoder, 0x0CF00417) == values(decoder, 0x18F00417) == {"D": 621}
    assert values(decoder, 0x0CF00400) == {"N": 621}


def test_message_with_destination_takes_precedence() -> None:
    text = HEAD + message(TSC1, "ENGINE", "E") + message(0x0C0003FE | EFF_FLAG, "GEARBOX", "G")
    decoder = dbc.load(text, "a.dbc")
    assert (values(decoder, 0x0C000327), values(decoder, 0x0C000027)) == ({"G": 621}, {"E": 621})


J1939_DEFINED = 'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";\n'
OWN = message(0x18FEF100 | EFF_FLAG, "ONE", "O") + message(0x18FEF200 | EFF_FLAG, "TWO", "P")


@pytest.mark.parametrize(
    ("text", "is_j1939"),
    [
        (message(EEC1, "EEC1"), True),
        (message(EEC1, "EEC1") + OWN, False),
        (
            message(EEC1, "EEC1") + OWN + 'BA_DEF_ "ProtocolType" STRING ;\nBA_ "ProtocolType" "J1939";\n',
            True,
        ),
        (
            message(EEC1, "EEC1")
            + OWN
            + 'BA_DEF_ "ProtocolType" STRING ;\nBA_DEF_DEF_ "ProtocolType" "J1939";\n',
            True,
        ),
        (message(EEC1, "EEC1") + 'BA_DEF_ "ProtocolType" STRING ;\nBA_ "ProtocolType" "CAN";\n', False),
        (message(EEC1, "EEC1") + OWN + J1939_DEFINED + f'BA_ "VFrameFormat" BO_ {EEC1} 3;\n', True),
        (message(EEC1, "EEC1") + OWN + J1939_DEFINED + 'BA_DEF_DEF_ "VFrameFormat" "J1939PG";\n', True),
        (message(EEC1, "EEC1") + J1939_DEFINED + f'BA_ "VFrameFormat" BO_ {EEC1} 1;\n', False),
        (message(EEC1, "EEC1") + J1939_DEFINED + 'BA_DEF_DEF_ "VFrameFormat" "ExtendedCAN";\n', True),
    ],
)
def test_which_files_are_j1939(text: str, is_j1939: bool) -> None:
    decoder = dbc.load(HEAD + text, "a.dbc")
    assert decoder.notices == ()
    assert values(decoder, 0x0CF00400) == ({"V": 621} if is_j1939 else {})
    assert values(decoder, EEC1) == {"V": 621}


def test_a_plain_file_keeps_its_exact_identifiers() -> None:
    decoder = dbc.load(HEAD + OWN, "a.dbc")
    assert not decoder.has_groups
    assert (values(decoder, 0x18FEF100), values(decoder, 0x1CFEF100), values(decoder, 0x18FEF101)) == (
        {"O": 621},
        {},
        {},
    )


def frames(*sources: int) -> list[CanFrame]:
    return [CanFrame(n, 0, 0x0CF00400 | source | EFF_FLAG, SPEED) for n, source in enumerate(sources)]


def names(engine: EngineReadings, *sources: int) -> dict[int, str]:
    engine.feed(frames(*sources))
    return {int(r.channel.source[-2:], 16): r.channel.name for r in engine.tick(1000)}


def test_first_source_keeps_the_plain_name() -> None:
    engine = EngineReadings([dbc.load(HEAD + message(EEC1, "EEC1", "N"), "a.dbc")])
    assert names(engine, 0x31, 0x00, 0x31) == {0x31: "N", 0x00: "N@0x00"}
    assert names(engine, 0x00, 0x31, 0x05) == {0x31: "N", 0x00: "N@0x00", 0x05: "N@0x05"}


def test_resumed_log_keeps_its_channel_names() -> None:
    text = HEAD + message(EEC1, "EEC1", "N")
    first, second = (EngineReadings([dbc.load(text, "a.dbc")]) for _ in range(2))
    first.feed(frames(0x31, 0x00))
    channels = [reading.channel for reading in first.tick(100)]
    second.begin_log(
        [*channels, Channel("x", "", "other.dbc:EEC1@0x07"), Channel("N", "", "a.dbc:EEC1@0xZZ")]
    )
    assert names(second, 0x00, 0x31) == {0x31: "N", 0x00: "N@0x00"}
    second.begin_log([])
    assert names(second, 0x00, 0x31) == {0x00: "N", 0x31: "N@0x31"}


def test_multiplexed_messages_by_group_keep_all_their_frames() -> None:
    text = (
        HEAD
        + f'BO_ {CCVS} M: 8 E\n SG_ W M : 0|8@1+ (1,0) [0|0] "" E\n'
        + "".join(f' SG_ S{n} m{n} : 8|8@1+ (1,0) [0|0] "" E\n' for n in range(3))
    )
    engine = EngineReadings([dbc.load(text, "a.dbc")])
    for _ in range(2):
        engine.feed([CanFrame(n, 0, 0x18FEF100 | EFF_FLAG, bytes([n, 7])) for n in range(3)])
        read = {reading.channel.name for reading in engine.tick(100)}
    assert read == {"W", "S0", "S1", "S2"}


def test_a_bus_of_random_identifiers_loses_no_reading_and_no_memory() -> None:
    engine = EngineReadings([dbc.load(HEAD + message(EEC1, "EEC1", "N"), "a.dbc")])
    size = MAX_LOOKED_UP_IDS // 4
    for start in range(0, 10 * size, size):
        engine.feed([CanFrame(n, 0, start + n << 8 | EFF_FLAG, SPEED) for n in range(size)])
        assert names(engine, 0x31) == {0x31: "N"}
    assert len(engine._looked_up) <= MAX_LOOKED_UP_IDS + size + 1
