"""Flag bits of CAN identifiers: can_id_of and fd_flags."""

from __future__ import annotations

from itertools import product

import pytest

from firmware_bridge.records import (
    ALL_FLAGS,
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_BYTE_SHIFT,
    FD_FLAG,
    RTR_FLAG,
    can_id_of,
    fd_flags,
)


def test_each_property_is_its_flag_and_no_flag_is_part_of_an_identifier() -> None:
    for extended, remote, error in product((False, True), repeat=3):
        can_id = can_id_of(0x123, is_extended=extended, is_remote=remote, is_error=error)
        assert can_id == 0x123 | extended * EFF_FLAG | remote * RTR_FLAG | error * ERR_FLAG
    for fd, switched, passive in product((False, True), repeat=3):
        can_id = can_id_of(0x123, is_extended=False, is_fd=fd, is_switched=switched, is_passive=passive)
        assert can_id == 0x123 | fd * (FD_FLAG | switched * BRS_FLAG | passive * ESI_FLAG)
    assert not ALL_FLAGS & EXTENDED_MASK


@pytest.mark.parametrize(
    ("number", "extended", "error", "can_id"),
    [
        (0x7FF, False, False, 0x7FF),
        (0x800, False, False, 0),
        (0x1FFF_FFFF, True, False, 0x1FFF_FFFF | EFF_FLAG),
        (0xFFFF_FFFF, True, False, 0x1FFF_FFFF | EFF_FLAG),
        (0x2000_0800, False, True, 0x800 | ERR_FLAG),
    ],
)
def test_an_identifier_has_no_more_bits_than_its_kind(
    number: int, extended: bool, error: bool, can_id: int
) -> None:
    assert can_id_of(number, is_extended=extended, is_error=error) == can_id


@pytest.mark.parametrize(("byte", "flags"), [(0, 0), (1, BRS_FLAG), (2, ESI_FLAG), (3, BRS_FLAG | ESI_FLAG)])
def test_socketcans_flags_of_an_fd_frame(byte: int, flags: int) -> None:
    assert fd_flags(byte) == fd_flags(byte | 0xFC) == FD_FLAG | flags
    assert flags >> FD_BYTE_SHIFT == byte
