"""Regular expressions for DBC statements, and parsing of the numbers in them.

They accept more than the format allows where programs write what every reader understands: factors like `.25`, names
that begin with a digit, ranges of any form, a missing unit or receiver.
"""

from __future__ import annotations

import re
from functools import lru_cache

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
"""A BO_ line with a damaged keyword."""
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
_MAX_EXACT_DIGITS = 100
"""Digits up to which a whole number stays exact: far more than a double holds."""


def message_number(digits: str) -> int:
    """The 32-bit number of a message, also from hexadecimal digits or from a signed number."""
    number = int(digits[:20], 16) if digits[:2] in ("0x", "0X") else as_whole(digits)
    return number + 2**32 if -(2**31) <= number < 0 else number


def identifier(number: int) -> tuple[int | None, str]:
    """A message's number as an identifier (with EFF_FLAG if extended), and its fault or "".

    The identifier is None if the number fits neither 11 nor 29 bits.
    """
    bits = number & ~EFF_FLAG
    if not 0 <= number < 2**32 or bits > EXTENDED_MASK:
        return None, f"{number} is not an identifier of 11 or 29 bits"
    if number & EFF_FLAG or bits <= STANDARD_MASK:
        return number, ""
    return number | EFF_FLAG, f"{number} has more than 11 bits, and bit 31 does not mark it as extended"


def excerpt(text: str) -> str:
    """The first 60 characters of a statement on one line, non-printable characters replaced."""
    line = " ".join(text[:200].split())[:60]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


@lru_cache
def as_whole(digits: str) -> int:
    """A whole number. Only the first 20 digits count: such a number exceeds every bound anyway."""
    return int(digits[:20])


@lru_cache
def as_number(text: str) -> float:
    """A number with the type that cantools uses: int for whole numbers, else float."""
    is_whole = len(text) <= _MAX_EXACT_DIGITS and text.lstrip("+-").isdecimal()
    return int(text) if is_whole else float(text)
