"""Flaws in DBC files: other messages still decode, and a notice names the line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import dbc
from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, statements
from firmware_bridge.errors import ConfigurationError
from tests.examples import examples

CASES = Path(__file__).parents[2] / "field_cases/can"
ENGINE = bytes.fromhex("A00F5AFF00000000")
HEAD = 'VERSION ""\nNS_ :\n\tCM_\n\tBA_\n\tVAL_\nBS_:\nBU_: E E\n'
BEFORE = 'BO_ 1 A: 8 E\n SG_ X : 0|8@1+ (1,0) [0|0] "" E\n'
AFTER = 'BO_ 2 B: 8 E\n SG_ Y : 8|8@1+ (1,0) [0|0] "" E\n'
LINE = HEAD.count("\n") + BEFORE.count("\n") + 1


def values(decoder: dbc.DbcDecoder, can_id: int, data: bytes = bytes(range(1, 9))) -> dict[str, float]:
    return {reading.channel.name: reading.value for reading in decoder.decode(1, can_id, data)}


def notices_of(decoder: dbc.DbcDecoder) -> list[tuple[str, int]]:
    return [(notice.kind, notice.detail["line"]) for notice in decoder.notices]


@pytest.mark.parametrize(
    ("case", "expected", "notices"),
    [
        ("digit_name", {"Rpm": 1000, "Tmp": 50}, []),
        ("dot_factor", {"Rpm": 1000, "Tmp": 50}, []),
        ("dup_id", {"Rpm": 1000, "Tmp": 50, "Oil": 255}, []),
        ("ext29_noflag", {"Rpm": 1000, "Tmp": 50}, [("dbc_not_strict", 8)]),
        ("unused_val", {"Rpm": 1000, "Tmp": 50}, [("dbc_left_out", 8)]),
        ("utf16", {"Rpm": 1000, "Tmp": 50}, []),
    ],
)
def test_field_cases(case: str, expected: dict[str, float], notices: list[tuple[str, int]]) -> None:
    decoder = dbc.load(dbc.text_of((CASES / f"{case}.dbc").read_bytes()), f"{case}.dbc")
    assert values(decoder, 291, ENGINE) == expected
    assert notices_of(decoder) == notices
    assert values(decoder, 292, ENGINE) == {"dot_factor": {"Oil": 63.75}, "digit_name": {"0_CTR": 255}}.get(
        case, {}
    )
    assert values(decoder, 419360512 | 1 << 31, ENGINE) == ({"X": 160} if case == "ext29_noflag" else {})


SIGNAL = ' SG_ Z : {} [0|0] "" E\n'
LEFT_OUT = {
    "decimal commas": SIGNAL.format("16|8@1+ (0,25,0)"),
    "a name with a blank": ' SG_ Z Z : 16|8@1+ (1,0) [0|0] "" E\n',
    "no factor": ' SG_ Z : 16|8@1+ [0|0] "" E\n',
    "beyond the message": SIGNAL.format("60|8@1+ (1,0)"),
    "far beyond the message": SIGNAL.format("0|1000000000@1+ (1,0)"),
    "no bits": SIGNAL.format("16|0@1+ (1,0)"),
    "a unit without its second quotation mark": ' SG_ Z : 16|8@1+ (1,0) [0|0] "rpm E\n',
    "a name given twice": SIGNAL.format("16|8@1+ (1,0)").replace("Z", "X"),
    "a multiplexer that is not there": SIGNAL.format("16|8@1+ (1,0)").replace("Z", "Z m1")
    + "SG_MUL_VAL_ 1 Z W 1-1;\n",
    "values of no signal": 'VAL_ 1 Gone 0 "off" ;\n',
    "values of no message": 'VAL_ 77 X 0 "off" ;\n',
    "a number format of no signal": "SIG_VALTYPE_ 1 Gone : 1;\n",
    "a number format of an odd width": "SIG_VALTYPE_ 2 Y : 1;\n",
    "values without their second quotation mark": 'VAL_ 1 X 0 "off 1 "on" ;\n',
    "endless multiplexer values": "SG_MUL_VAL_ 1 X X 0-4294967295;\n",
    "multiplexer values of no signal": "SG_MUL_VAL_ 1 Gone X 0-1, 3-4;\n",
    "an attribute that nothing defines": 'BA_ "Nobody" BO_ 1 3;\n',
    "a word": "FOO\n",
    "another language": "<html>\n",
    "a quotation mark alone": '"\n',
    "a message whose keyword is damaged": "BOX 3 C: 8 E\n" + SIGNAL.format("16|8@1+ (1,0)"),
    "a message whose keyword is cut": "_ 3 C: 8 E\n" + SIGNAL.format("16|8@1+ (1,0)"),
    "a comment without its second quotation mark": 'CM_ SG_ 1 X "half;\n',
    "a comment with one mark more": 'CM_ SG_ 1 X "5" wide";\n',
    "a message of a million bytes": "BO_ 3 C: 1000000 E\n",
    "a message without identifier": "BO_ C: 8 E\n" + SIGNAL.format("16|8@1+ (1,0)"),
    "an identifier of 30 bits": "BO_ 4294967295 C: 8 E\n" + SIGNAL.format("16|8@1+ (1,0)"),
}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("wrong", LEFT_OUT)
def test_only_the_faulty_line_is_left_out(wrong: str, ends: str) -> None:
    text = (HEAD + BEFORE + LEFT_OUT[wrong] + AFTER).replace("\n", ends)
    decoder = dbc.load(text, "a.dbc")
    assert values(decoder, 1) == {"X": 1}
    if wrong == "a number format of an odd width":
        assert values(decoder, 2) == {}
        assert notices_of(decoder) == [("dbc_left_out", LINE + 2)]
        return
    assert values(decoder, 2) == {"Y": 2}
    if wrong != "a comment with one mark more":
        assert ("dbc_left_out", LINE) in notices_of(decoder)


SOUND = {
    "comments with statements in them": 'CM_ BO_ 1 "was\nBO_ 9 Old: 8 E\n SG_ O : 0|8@1+ (1,0) E" ;\n',
    "a comment with escaped quotation marks": 'CM_ SG_ 1 X "say \\"no; BO_ 7 A: 8\\" twice";\n',
    "a comment that ends in a backslash": 'CM_ BU_ E "C:\\dbc\\";\nCM_ "done";\n',
    "nodes given twice": "BU_: E F E\n",
    "environment variables": 'EV_ V: 0 [0|1] "" 0 1 DUMMY_NODE_VECTOR0 E;\nVAL_ V 0 "a" ;\n',
    "exponents": ' SG_ Z : 16|8@1+ (1E-3,-1.5e+2) [0|1E3] "" E\n',
    "tabs": '\tSG_\tZ\t:\t16|8@1+\t(1,0)\t[0|0]\t""\tE\n',
    "no range": ' SG_ Z : 16|8@1+ (1,0) "" E\n',
    "decimal commas in the range": ' SG_ Z : 16|8@1+ (1,0) [0,5|1,5] "" E\n',
    "a range of no numbers": ' SG_ Z : 16|8@1+ (1,0) [-inf|nan] "" E\n',
    "receivers on the next line": ' SG_ Z : 16|8@1+ (1,0) [0|0] "" E,\n  F\n',
    "a line comment": "// BO_ 5 Z: 8 E\n",
    "signals of no message": "BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 E\n"
    + SIGNAL.format("0|8@1+ (1,0)"),
}


@pytest.mark.parametrize("what", SOUND)
def test_common_deviations_are_not_flaws(what: str) -> None:
    decoder = dbc.load(HEAD + BEFORE + SOUND[what] + AFTER, "a.dbc")
    assert decoder.notices == ()
    assert values(decoder, 1)["X"] == 1
    assert values(decoder, 2) == {"Y": 2}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("tail", ["", "\0", "\x1a", "\r\n\x1a\0\0"])
def test_encodings_and_line_ends_of_editors(encoding: str, tail: str) -> None:
    text = HEAD + BEFORE.replace('""', '"°C"') + AFTER + tail
    decoder = dbc.load(dbc.text_of(text.encode(encoding)), "a.dbc")
    assert decoder.notices == ()
    assert [(channel.name, channel.unit) for channel in decoder.channels] == [("X", "°C"), ("Y", "")]


def test_file_without_line_ends() -> None:
    text = (HEAD + BEFORE + 'VAL_ 1 X 0 "a" ;\nCM_ BO_ 1 "b";\n' + AFTER).replace("\n", " ")
    decoder = dbc.load(text, "a.dbc")
    assert (values(decoder, 1), values(decoder, 2), decoder.notices) == ({"X": 1}, {"Y": 2}, ())


MESSAGES = "\n".join(
    f'BO_ {n} M{n}: 8 E\n SG_ A{n} : 0|8@1+ (1,0) [0|0] "" E\n SG_ B{n} : 8|8@1+ (1,0) [0|0] "" E\n'
    for n in range(1, 6)
)


@pytest.mark.parametrize("lost", ["", "\n", ";;1A2 B2:A12", '22B0":BB1 "0C;1" 0C0"B:20\n', "E 8 :3M 3 _OB\n"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_signals_of_a_lost_message_line_are_not_those_of_the_message_above(lost: str, ends: str) -> None:
    text = (HEAD + "\n" + MESSAGES.replace("BO_ 3 M3: 8 E\n", lost)).replace("\n", ends)
    decoder = dbc.load(text, "a.dbc")
    for can_id in (1, 2, 4, 5):
        assert values(decoder, can_id) == {f"A{can_id}": 1, f"B{can_id}": 2}
    assert any("BO_ line is missing" in notice.detail["what"] for notice in decoder.notices)


def test_a_lost_message_line_in_a_file_of_two_messages() -> None:
    """There one empty line within a message proves nothing, a place that is used twice does."""
    text = HEAD + "\n" + BEFORE + "\n" + AFTER
    one_message = text.replace("BO_ 2 B: 8 E\n", "")
    assert values(dbc.load(one_message, "a.dbc"), 1) == {"X": 1, "Y": 2}
    for again in ("Y : 0|8", "X : 8|8"):
        decoder = dbc.load(one_message.replace("Y : 8|8", again), "a.dbc")
        assert (values(decoder, 1), notices_of(decoder)[0][0]) == ({"X": 1}, "dbc_left_out")
        assert "BO_ line is missing" in decoder.notices[0].detail["what"]


def test_empty_lines_within_messages_are_allowed_where_they_do_not_separate_them() -> None:
    spaced = MESSAGES.replace(" SG_ B", "\n SG_ B")
    for text in (spaced, spaced.replace("\n\nBO_", "\nBO_")):
        decoder = dbc.load(HEAD + text, "a.dbc")
        assert (values(decoder, 3), decoder.notices) == ({"A3": 1, "B3": 2}, ())


def test_a_message_given_twice_is_decoded_once() -> None:
    decoder = dbc.load(HEAD + BEFORE + BEFORE + AFTER, "a.dbc")
    assert (values(decoder, 1), notices_of(decoder)) == ({"A.X": 1}, [("dbc_left_out", LINE)])


def test_messages_with_one_name_have_separate_channels() -> None:
    decoder = dbc.load(HEAD + BEFORE + BEFORE.replace("BO_ 1", "BO_ 0x1F"), "a.dbc")
    assert (values(decoder, 1), values(decoder, 31)) == ({"A.X": 1}, {"A@0x1F.X": 1})


def test_multiplexer_marked_with_small_m() -> None:
    signals = ' SG_ W m : 0|8@1+ (1,0) [0|0] "" E\n SG_ Z m1 : 8|8@1+ (1,0) [0|0] "" E\n'
    decoder = dbc.load(HEAD + "BO_ 3 C: 2 E\n" + signals, "a.dbc")
    assert (values(decoder, 3, b"\1\5"), values(decoder, 3, b"\2\5")) == ({"W": 1, "Z": 5}, {})
    assert notices_of(decoder) == [("dbc_not_strict", HEAD.count("\n") + 2)]


@pytest.mark.parametrize(
    "text", ["", "\0\0", "PK\x03\x04", "<?xml version='1.0'?>", "x" * (MAX_DBC_BYTES + 1)]
)
def test_non_dbc_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no readable DBC") as caught:
        dbc.load(text, "a.dbc")
    assert str(caught.value).startswith("a.dbc:1:1: ")


NESTED = "".join(f' SG_ M{n} m0M : 0|8@1+ (1,0) [0|0] "" E\n' for n in range(2000)) + "".join(
    f"SG_MUL_VAL_ 9 M{n} M{n - 1} 0-4095;\n" for n in range(1, 2000)
)
HUGE = {
    "60,000 messages": "".join(
        f'BO_ {n | 1 << 31} N{n}: 8 E\n SG_ S{n} : 0|8@1+ (1,0) [0|0] "" E\n' for n in range(60_000)
    ),
    "5,000 multiplexed signals": 'BO_ 9 N: 8 E\n SG_ M M : 0|8@1+ (1,0) [0|0] "" E\n'
    + "".join(f' SG_ S{n} m{n % 256} : 8|8@1+ (1,0) [0|0] "" E\n' for n in range(5000)),
    "multiplexers within multiplexers": "BO_ 9 N: 8 E\n" + NESTED,
    "quotation marks": 'CM_ "\\"' * 200_000,
    "escaped quotation marks": 'CM_ "' + '\\"' * 500_000,
    "keywords": "BA_ BO_ SG_ VAL_ " * 100_000,
    "blanks": "BO_ 9 N" + " " * 1_000_000 + "\n",
    "digits": f'BO_ 9 N: 8 E\n SG_ S : 0|8@1+ ({"9" * 1_000_000},0) [0|0] "" E\n',
    "a long identifier": f"BO_ 0x{'9' * 1_000_000} N: 8 E\n",
    "semicolons": ";" * 1_000_000,
    "values": "VAL_ 1 X " + '1 "a" ' * 300_000 + ";\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", HUGE)
def test_hostile_file_takes_bounded_time_and_keeps_earlier_messages(what: str) -> None:
    begun = time.process_time()
    decoder = dbc.load(HEAD + BEFORE + HUGE[what], "a.dbc")
    assert time.process_time() - begun < 30
    assert values(decoder, 1) == {"X": 1}
    assert len(decoder.notices) <= dbc.MAX_NOTICES + 1


@examples(60)
@given(st.data())
def test_damage_never_raises_and_flaw_lines_exist(data: st.DataObject) -> None:
    text = (
        HEAD + BEFORE + 'CM_ SG_ 1 X "x";\nVAL_ 1 X 0 "a" ;\nBA_DEF_ "Q" INT 0 1;\nBA_ "Q" BO_ 1 1;\n' + AFTER
    )
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 30)))
    damaged = text[:begin] + data.draw(st.text('BO_SG 0123;"\\\n:|@m', max_size=12)) + text[end:]
    assert all(1 <= each.line <= damaged.count("\n") + 1 for each in statements(damaged))
    try:
        decoder = dbc.load(damaged, "a.dbc")
    except ConfigurationError as error:
        assert "\n" not in str(error)
        return
    for can_id in decoder.ids:
        decoder.decode(0, can_id, bytes(8))
