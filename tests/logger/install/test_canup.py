"""Interfaces brought up as the configuration says: by a program called `ip` that keeps what it was told, and refuses
what adapters refuse. Real controllers: `tests.power_cuts --socketcan`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.devices import can_interface
from firmware_bridge.devices.can_interface import Interface
from firmware_bridge.errors import ConfigurationError, DeviceError
from logger.install import canup

pytestmark = pytest.mark.process

DOWN = Interface(
    "can0", is_can=True, is_up=False, kind="can", listen_only=False, state="stopped", restart_ms=0
)
UP = replace(DOWN, is_up=True, bitrate=500_000, listen_only=True, state="active")
CONFIG = '[[can]]\nname = "engine"\nport = "can0"\nprotocol = "socketcan"\nbitrate = 500000\n'
NORMAL = CONFIG + "listen_only = false\n"
LISTEN = "link set can0 type can bitrate 500000 listen-only on"
ACKNOWLEDGE = "link set can0 type can bitrate 500000 listen-only off"
RESTART = "link set can0 type can restart-ms 100"
UP_DOWN = ("link set can0 up", "link set can0 down")

Call = Callable[..., tuple[Result, list[str]]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the verb beside an interface; what `ip` was told. It refuses lines with the word `refused` in them."""

    def run(
        found: Interface | None, config: str, refused: str = "nothing", name: str = "can0"
    ) -> tuple[Result, list[str]]:
        told = tmp_path / "told"
        told.unlink(missing_ok=True)
        script = tmp_path / "ip"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {told}\ncase "$*" in *"{refused}"*) '
            'echo "RTNETLINK answers: Operation not supported" >&2; exit 2;; esac\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(can_interface, "ask", lambda _name: found)
        file = tmp_path / "stagelog.toml"
        file.write_text(config)
        result = CliRunner().invoke(canup.canup, [name, "-c", str(file)])
        return result, told.read_text().splitlines() if told.exists() else []

    return run


@pytest.mark.parametrize(
    ("found", "config", "told"),
    [
        (DOWN, CONFIG, [LISTEN, UP_DOWN[0]]),
        (DOWN, NORMAL, [ACKNOWLEDGE, RESTART, UP_DOWN[0]]),
        (UP, CONFIG, []),
        (UP, NORMAL, [UP_DOWN[1], ACKNOWLEDGE, RESTART, UP_DOWN[0]]),
        (replace(UP, listen_only=False), CONFIG, [UP_DOWN[1], LISTEN, UP_DOWN[0]]),
        (replace(UP, bitrate=250_000), CONFIG, [UP_DOWN[1], LISTEN, UP_DOWN[0]]),
        (
            replace(UP, bitrate=250_000, is_up=False),
            CONFIG.replace("bitrate = 500000\n", ""),
            [LISTEN.replace("500", "250"), UP_DOWN[0]],
        ),
        (replace(DOWN, kind="vcan", listen_only=None), CONFIG, [UP_DOWN[0]]),
        (replace(UP, kind="vcan", bitrate=None, listen_only=None), CONFIG, []),
        (DOWN, CONFIG.replace("can0", "can1"), []),
    ],
)
def test_only_what_is_not_so_yet_is_set(call: Call, found: Interface, config: str, told: list[str]) -> None:
    result, said = call(found, config)
    assert (result.exit_code, said) == (0, told), result.output


def test_an_adapter_that_cannot_listen_only_stays_down(call: Call) -> None:
    result, told = call(DOWN, CONFIG, refused="listen-only on")
    assert isinstance(result.exception, DeviceError)
    assert str(result.exception) == (
        "can0: it does not support listen-only mode, and stays down; "
        'set listen_only = "try" or false if it may acknowledge frames on the bus'
    )
    assert told == [LISTEN]


def test_an_adapter_that_is_to_try_comes_up_normal(call: Call) -> None:
    result, told = call(DOWN, CONFIG + 'listen_only = "try"\n', refused="listen-only on")
    assert (result.exit_code, told) == (0, [LISTEN, ACKNOWLEDGE, RESTART, UP_DOWN[0]])
    assert "can0: not listening only: this adapter acknowledges frames on the bus" in result.output
    result, told = call(DOWN, CONFIG + 'listen_only = "try"\n')
    assert (result.exit_code, told) == (0, [LISTEN, UP_DOWN[0]])


def test_another_refusal_is_told_and_it_stays_down(call: Call) -> None:
    result, told = call(DOWN, NORMAL, refused="bitrate")
    assert isinstance(result.exception, DeviceError)
    assert told == [ACKNOWLEDGE]


def test_can_fd_has_its_second_bit_rate(call: Call) -> None:
    config = CONFIG + "data_bitrate = 2000000\n"
    told = LISTEN.replace("listen-only", "dbitrate 2000000 fd on listen-only")
    assert call(DOWN, config)[1] == [told, UP_DOWN[0]]
    assert call(UP, config)[1] == [UP_DOWN[1], told, UP_DOWN[0]]
    assert call(replace(UP, data_bitrate=2_000_000, is_fd=True), config)[1] == []


def test_an_adapter_that_comes_back_by_itself_is_brought_up(call: Call) -> None:
    result, told = call(DOWN, NORMAL, refused="restart-ms")
    assert result.exit_code == 0
    assert told[-1] == UP_DOWN[0]


@pytest.mark.parametrize("found", [None, replace(DOWN, is_can=False)])
def test_what_is_no_can_interface_is_told(call: Call, found: Interface | None) -> None:
    result, told = call(found, CONFIG)
    assert isinstance(result.exception, DeviceError)
    assert told == []


def test_without_a_bit_rate_it_cannot_be_brought_up(call: Call) -> None:
    result, told = call(DOWN, CONFIG.replace("bitrate = 500000\n", ""))
    assert isinstance(result.exception, ConfigurationError)
    assert told == []


def test_without_ip_the_package_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(can_interface, "ask", lambda _name: DOWN)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (tmp_path / "stagelog.toml").write_text(CONFIG)
    result = CliRunner().invoke(canup.canup, ["can0", "-c", str(tmp_path / "stagelog.toml")])
    assert str(result.exception) == "ip: command not found; install Debian's package iproute2"
