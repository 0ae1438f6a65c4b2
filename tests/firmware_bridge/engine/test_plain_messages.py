"""Plain DBC messages: decoded without cantools, with its results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.engine import dbc
from tests.examples import examples

ROOT = Path(__file__).parents[3]
HEAD = 'VERSION ""\nBU_: ECU\nBO_ 256 ENGINE: 8 ECU\n'
PLAIN = HEAD + ' SG_ RPM : 0|16@1+ (0.25,0) [0|0] "1/min" ECU\n SG_ TEMP : 23|8@0- (1,-40) [0|0] "" ECU\n'
OVERLAPPING = PLAIN + ' SG_ COLD : 4|16@1+ (1,0) [0|0] "" ECU\n'
MULTIPLEXED = HEAD + ' SG_ WHICH M : 0|8@1+ (1,0) [0|0] "" ECU\n SG_ FUEL m0 : 8|8@1+ (1,0) [0|0] "" ECU\n'
FLOATING = PLAIN + ' SG_ BAR : 32|32@1- (1,0) [0|0] "" ECU\nSIG_VALTYPE_ 256 BAR : 1;\n'

NUMBERS = st.sampled_from(["1", "0", "-1", "0.1", "-40", "1e-3", "2.5", "1e30", "18014398509481985", ".25"])


@st.composite
def messages(draw: st.DrawFn) -> str:
    """A message of any length with signals in any place, overlapping ones too."""
    length = draw(st.integers(1, 16))
    text = f'VERSION ""\nBO_ 256 ANY: {length} ECU\n'
    for number in range(draw(st.integers(1, 6))):
        order, sign = draw(st.sampled_from("01")), draw(st.sampled_from("+-"))
        first = draw(st.integers(0, 8 * length - 1))
        bits = draw(st.integers(1, 8 * length - first))
        start = first if order == "1" else 8 * (first // 8) + 7 - first % 8
        scaling = f"({draw(NUMBERS)},{draw(NUMBERS)})"
        text += f' SG_ S{number} : {start}|{bits}@{order}{sign} {scaling} [0|0] "" ECU\n'
    return text


@examples(300)
@given(text=messages(), data=st.binary(max_size=18))
@example(
    text='VERSION ""\nBO_ 256 ANY: 8 ECU\n SG_ S0 : 7|61@0+ (-40,0.1) [0|0] "" ECU\n',
    data=bytes.fromhex("01 00 00 00 00 00 00 08"),
)
def test_decodes_like_cantools(text: str, data: bytes) -> None:
    decoder = dbc.load(text, "any.dbc")
    (known,) = decoder.of(256)
    assert known.plain is not None
    expected: dict[str, float] = {}
    for part in known.parts:
        expected.update(cast(dict[str, float], part.decode(data, decode_choices=False, allow_truncated=True)))
    readings = decoder.decode(7, 256, data)
    assert {reading.channel.name: reading.value for reading in readings} == {
        name: float(value) for name, value in expected.items()
    }
    assert [channel.name for channel in decoder.channels if channel.name in expected] == [
        reading.channel.name for reading in readings
    ]
    assert decoder.bad == (len(data) < known.length)


@pytest.mark.parametrize(
    ("text", "needs_cantools"),
    [(PLAIN, False), (OVERLAPPING, False), (MULTIPLEXED, True), (FLOATING, True)],
    ids=["plain", "overlapping", "multiplexed", "floating"],
)
def test_imports_cantools_only_for_other_messages(text: str, needs_cantools: bool) -> None:
    program = (
        "import sys; from firmware_bridge.engine import dbc; decoder = dbc.load(sys.argv[1], 'any.dbc');"
        "known = {'cantools', 'can', 'asammdf'}; loaded = known & sys.modules.keys();"
        "readings = [decoder.decode(0, 256, bytes(size)) for size in (8, 3)];"
        "print(*loaded, *(known & sys.modules.keys()) - loaded)"
    )
    command = [sys.executable, "-c", program, text]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    assert output.split() == ["cantools"] * needs_cantools
