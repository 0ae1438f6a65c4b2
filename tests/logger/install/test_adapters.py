"""udev rules for adapters: by serial number, or by socket where that is ambiguous; a device cannot inject text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.install.adapters import Adapter, find, plugged, rule, rules

FTDI = Adapter("/dev/ttyUSB0", 0x0403, 0x6001, "A50285BI", "1-1.2")
CP210X = Adapter("/dev/ttyUSB1", 0x10C4, 0xEA60, "0001", "1-1.3")


def test_an_adapter_is_bound_by_serial_number() -> None:
    assert rule("can", FTDI, [FTDI, CP210X]) == (
        'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001", '
        'ATTRS{serial}=="A50285BI", ENV{STAGELOG}="can"'
    )


def test_adapters_that_share_a_serial_number_or_have_none_are_bound_by_socket() -> None:
    twin = replace(CP210X, device="/dev/ttyUSB2", usb_path="1-1.4")
    assert 'KERNELS=="1-1.3"' in (rule("gps", CP210X, [CP210X, twin]) or "")
    assert 'KERNELS=="1-1.4"' in (rule("gps", twin, [CP210X, twin]) or "")
    nameless = replace(FTDI, serial_number="")
    assert 'KERNELS=="1-1.2"' in (rule("gps", nameless, [nameless]) or "")
    assert rule("gps", replace(nameless, usb_path=""), [nameless]) is None


@pytest.mark.parametrize(
    "serial",
    [
        '1", RUN+="/bin/sh',
        "1\nRUN",
        "*",
        "[a-z]",
        "a|b",
        "$env{x}",
        "%k",
        "a b",
        "\N{DIGIT ONE}\u0661",
        "1\n",
        "a" * 65,
    ],
)
def test_strings_of_a_device_cannot_inject_a_rule(serial: str) -> None:
    evil = replace(FTDI, serial_number=serial)
    assert 'KERNELS=="1-1.2"' in (rule("can", evil, [evil]) or "")
    assert rule("can", replace(evil, usb_path=serial), [evil]) is None


@given(serial=st.text(max_size=80), usb_path=st.text(max_size=20))
def test_every_line_is_one_well_formed_rule(serial: str, usb_path: str) -> None:
    adapter = replace(FTDI, serial_number=serial, usb_path=usb_path)
    line = rule("can", adapter, [adapter])
    form = (
        r'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", ATTRS\{idVendor\}=="0403", ATTRS\{idProduct\}=="6001", '
        r'(ATTRS\{serial\}|KERNELS)=="[A-Za-z0-9._:-]+", ENV\{STAGELOG\}="can"'
    )
    assert line is None or re.fullmatch(form, line, re.ASCII)


def test_binding_a_role_again_keeps_the_other() -> None:
    first = rules("", {"gps": rule("gps", FTDI, [FTDI]) or "", "can": rule("can", CP210X, [CP210X]) or ""})
    second = rules(first, {"can": rule("can", replace(FTDI, serial_number="NEW"), []) or ""})
    assert "A50285BI" in second and "NEW" in second and "0001" not in second
    assert rules(second, {}) == second
    assert rules("", {}) == ""


def test_an_adapter_is_found_through_symbolic_links(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    adapter = replace(FTDI, device=str(device))
    assert find(str(tmp_path / "by-id"), [adapter]) is adapter
    assert find("/dev/serial0-that-is-not-there", [adapter]) is None


def test_adapters_of_this_machine_are_listed() -> None:
    assert all(adapter.device.startswith("/dev/") for adapter in plugged())
