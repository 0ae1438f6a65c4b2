"""The shapes of the DBC statements that decoding needs, and the numbers in them.

They are wider than the format where programs write what every reader understands: factors like `.25`, names that
begin with a digit, ranges of any form, a missing unit or receiver.
"""

from __future__ import annotations

import re

from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK, STANDARD_MASK

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_STRING = r'"(?P<string>(?:[^"\\]|\\.)*)"'
MESSAGE = re.compile(
    r"BO_\s+(?P<id>-?\d+|0[xX][0-9A-Fa-f]+)\s+(?P<name>[^\s:]+)\s*:\s*(?P<length>\d+)(?P<rest>.*)", re.DOTALL
)
SIGNAL = re.compile(
    rf"""SG_\s+(?P<name>[^\s:]+)(?:\s+(?P<marker>m\d*M?|M))?\s*:
    \s*(?P<start>-?\d+)\s*\|\s*(?P<length>\d+)\s*@\s*(?P<order>[01])\s*(?P<sign>[-+])
    \s*\(\s*(?P<scale>{_NUMBER})\s*,\s*(?P<offset>{_NUMBER})\s*\)
    \s*(?:\[[^\]"]*\])?
    \s*(?:"(?P<unit>[^"]*)")?(?P<rest>[^"\[\n]*(?:\n.*)?)$""",
    re.VERBOSE | re.DOTALL,
)
DAMAGED_MESSAGE = re.compile(r"\S*\s*-?\d+\s+[^\s:]+\s*:\s*\d+\s+[^\s|]+\s*$")
"""What a BO_ line looks like whose keyword cannot be read."""
FACTORS = re.compile(r"\(([^()]*)\)")
VALUE_TYPE = re.compile(r"SIG_VALTYPE_\s+(?P<id>-?\d+)\s+(?P<name>\S+?)\s*:?\s*(?P<type>\d+)$")
MULTIPLEXED = re.compile(
    r"SG_MUL_VAL_\s+(?P<id>-?\d+)\s+(?P<name>\S+)\s+(?P<by>\S+)\s+(?P<ranges>\d+\s*-\s*\d+(?:\s*,\s*\d+\s*-\s*\d+)*)$"
)
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
VALUES = re.compile(r"VAL_\s+(?P<id>-?\d+)\s+(?P<name>[^\s\"]+)(?P<pairs>(?:[^\"]*\"[^\"]*\")*\s*)$")
VALUES_OF_A_VARIABLE = re.compile(r"VAL_\s+[^\W\d]")
PAIR = re.compile(r"(-?\d+)(?:\.0*)?\s*\"[^\"]*\"")
ATTRIBUTE = re.compile(
    rf'BA_\s+"(?P<attribute>[^"]*)"\s*(?:(?P<of>BO_|SG_)\s+(?P<id>-?\d+)(?:\s+(?P<name>[^\s"]+))?\s+)?'
    rf"(?:{_STRING}|(?P<number>{_NUMBER}))$",
    re.DOTALL,
)
DEFINITION = re.compile(r'BA_DEF_\s+(?:(?:BO_|SG_|BU_|EV_)\s+)?"(?P<attribute>[^"]*)"(?P<rest>.*)', re.DOTALL)
DEFAULT = re.compile(
    rf'BA_DEF_DEF_\s+"(?P<attribute>[^"]*)"\s*(?:{_STRING}|(?P<number>{_NUMBER}))$', re.DOTALL
)
_LONGEST_WHOLE = 100
"""Digits of a whole number that is kept exact: far beyond a double's range of exact ones."""


def message_number(digits: str) -> int:
    """The number that a file gives a message: 32 bits, also where a program wrote them as a signed number."""
    number = int(digits[:20], 16) if digits[:2] in ("0x", "0X") else as_whole(digits)
    return number + 2**32 if -(2**31) <= number < 0 else number


def identifier(number: int) -> tuple[int | None, str]:
    """A message's number as an identifier with EFF_FLAG, and what is wrong with it; None where there is none."""
    bits = number & ~EFF_FLAG
    if not 0 <= number < 2**32 or bits > EXTENDED_MASK:
        return None, f"{number} is no identifier of 11 or 29 bits"
    if number & EFF_FLAG or bits <= STANDARD_MASK:
        return number, ""
    return number | EFF_FLAG, f"{number} has more than 11 bits, and bit 31 does not mark it as extended"


def excerpt(text: str) -> str:
    """The beginning of a statement on one line, without what upsets a terminal."""
    words = " ".join(text[:200].split())[:60]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


def as_whole(digits: str) -> int:
    """A whole number of any reasonable length; a longer one is beyond every bound, and stays so."""
    return int(digits[:20])


def as_number(text: str) -> float:
    """A number as cantools has it: whole numbers stay whole."""
    try:
        return int(text) if len(text) <= _LONGEST_WHOLE else float(text)
    except ValueError:
        return float(text)
