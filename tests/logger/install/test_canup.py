"""`stagelog canup` with a stand-in for `ip` that records its arguments and refuses what adapters refuse.

Real controllers: `tests.power_cuts --socketcan`."""

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
    """Run the verb with an interface; return the result and the calls of `ip`, which refuses those with `refused`."""

    def run(
        found: Interface | None, config: str, refused: str = "nothing", name: str = "can0"
    ) -> tuple[Result, list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        script = tmp_path / "ip"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {calls}\ncase "$*" in *"{refused}"*) '
            'echo "RTNETLINK answers: Operation not supported" >&2; exit 2;; esac\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(can_interface, "ask", lambda _name: found)
        file = tmp_path / "stagelog.toml"
        file.write_text(config)
        result = CliRunner().invoke(canup.canup, [name, "-c", str(file)])
        return result, calls.read_text().splitlines() if calls.exists() else []

    return run


@pytest.mark.parametrize(
    ("interface", "config", "calls"),
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
def test_only_differing_settings_are_changed(
    call: Call, interface: Interface, config: str, calls: list[str]
) -> None:
    result, made = call(interface, config)
    assert (result.exit_code, made) == (0, calls), result.output


def test_an_adapter_that_cannot_listen_only_stays_down(call: Call) -> None:
    result, calls = call(DOWN, CONFIG, refused="listen-only on")
    assert isinstance(result.exception, DeviceError)
    assert str(result.exception) == (
        "can0: it does not support listen-only mode, and stays down; "
        'set listen_only = "try" or false if it may acknowledge frames on the bus'
    )
    assert calls == [LISTEN]


def test_an_adapter_set_to_try_comes_up_in_normal_mode(call: Call) -> None:
    result, calls = call(DOWN, CONFIG + 'listen_only = "try"\n', refused="listen-only on")
    assert (result.exit_code, calls) == (0, [LISTEN, ACKNOWLEDGE, RESTART, UP_DOWN[0]])
    assert "can0: not listening only: this adapter acknowledges frames on the bus" in result.output
    result, calls = call(DOWN, CONFIG + 'listen_only = "try"\n')
    assert (result.exit_code, calls) == (0, [LISTEN, UP_DOWN[0]])


def test_another_refusal_is_reported_and_the_interface_stays_down(call: Call) -> None:
    result, calls = call(DOWN, NORMAL, refused="bitrate")
    assert isinstance(result.exception, DeviceError)
    assert calls == [ACKNOWLEDGE]


def test_can_fd_gets_its_data_bit_rate(call: Call) -> None:
    config = CONFIG + "data_bitrate = 2000000\n"
    setup = LISTEN.replace("listen-only", "dbitrate 2000000 fd on listen-only")
    assert call(DOWN, config)[1] == [setup, UP_DOWN[0]]
    assert call(UP, config)[1] == [UP_DOWN[1], setup, UP_DOWN[0]]
    assert call(replace(UP, data_bitrate=2_000_000, is_fd=True), config)[1] == []


def test_a_replugged_adapter_is_brought_up(call: Call) -> None:
    result, calls = call(DOWN, NORMAL, refused="restart-ms")
    assert result.exit_code == 0
    assert calls[-1] == UP_DOWN[0]


@pytest.mark.parametrize("found", [None, replace(DOWN, is_can=False)])
def test_an_interface_that_is_not_can_is_reported(call: Call, found: Interface | None) -> None:
    result, calls = call(found, CONFIG)
    assert isinstance(result.exception, DeviceError)
    assert calls == []


def test_an_interface_without_bit_rate_is_reported(call: Call) -> None:
    result, calls = call(DOWN, CONFIG.replace("bitrate = 500000\n", ""))
    assert isinstance(result.exception, ConfigurationError)
    assert calls == []


def test_a_missing_ip_program_names_its_package(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(can_interface, "ask", lambda _name: DOWN)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (tmp_path / "stagelog.toml").write_text(CONFIG)
    result = CliRunner().invoke(canup.canup, ["can0", "-c", str(tmp_path / "stagelog.toml")])
    assert str(result.exception) == "ip: command not found; install Debian's package iproute2"
