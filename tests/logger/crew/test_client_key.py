"""The key by which limits per client are counted."""

from __future__ import annotations

import pytest

from logger.crew.client_key import client_key


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.168.4.2", "192.168.4.2", True),
        ("192.168.4.2", "192.168.4.3", False),
        ("192.168.4.2", "::ffff:192.168.4.2", True),
        ("::ffff:192.168.4.2", "::ffff:192.168.4.3", False),
        ("fd00::1", "fd00::ffff:1", True),
        ("fd00::1%wlan0", "fd00::2", True),
        ("fd00::1", "fd00:0:0:1::1", False),
        ("fe80::bad%wlan0", "fe80::c0de%wlan0", False),
        ("fe80::bad%wlan0", "fe80::bad", True),
        ("febf::1", "febf::2", False),
        ("fec0::1", "fec0::2", True),
        ("", "", True),
        ("nowhere", "elsewhere", False),
    ],
)
def test_addresses_of_one_machine_share_a_key(one: str, other: str, is_same: bool) -> None:
    assert (client_key(one) == client_key(other)) is is_same
