"""Judging a CAN interface of the kernel: is it set up as the configuration says, and what does its controller report.

Whether it is there and up is the port's finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from firmware_bridge.devices.can_interface import Expected, Interface
from logger.doctor.findings import Finding, note, ok, wrong

_TROUBLED_STATES = ("passive", "off")
_WIRES = "check the two wires, the ends' 120 ohms, the ground and the bit rate"


def judge(expected: Expected, found: Interface | None) -> Iterator[Finding]:
    """What is to be said of an interface; nothing where it is not there, not up, or not a CAN interface."""
    if found is None or not (found.is_can and found.is_up):
        return
    where = f"interface {found.name}"
    if found.bitrate is None:
        yield note(where, f"up; {found.kind or 'its driver'} reports neither bit rate nor listen-only")
    else:
        yield from _settings(where, expected, found)
    if found.state in _TROUBLED_STATES:
        counters = f"{found.rx_errors} receive and {found.tx_errors} transmit errors counted"
        restart = f"sudo ip link set {found.name} type can restart" if found.state == "off" else ""
        what = f"the controller is {'off the bus' if found.state == 'off' else 'error passive'}: {counters}"
        yield wrong(where, what, f"{_WIRES}{f'; then {restart}' if restart else ''}")
    if lost := found.dropped + found.overruns:
        yield note(where, f"{lost} frames lost by driver and controller since it was plugged in")


def _settings(where: str, expected: Expected, found: Interface) -> Iterator[Finding]:
    if expected.bitrate not in (None, found.bitrate):
        what = f"set to {found.bitrate} bit/s, not to {expected.bitrate}"
        yield wrong(where, what, f"{expected.set_again}, or correct `bitrate`")
    elif expected.data_bitrate not in (None, found.data_bitrate):
        what = f"data at {found.data_bitrate or 'no'} bit/s, not at {expected.data_bitrate}"
        yield wrong(where, what, f"{expected.set_again}, or correct `data_bitrate`")
    elif expected.listen_only and not found.listen_only:
        judged = wrong if expected.listen_only is True else note
        yield judged(
            where,
            "not listen-only: it acknowledges the car's frames, whether they are recorded or not",
            f"{expected.set_again}, or listen_only = false",
        )
    else:
        silent = ", listen-only" if found.listen_only else ""
        data = f", data at {found.data_bitrate} bit/s" if found.is_fd and found.data_bitrate else ""
        state = f", controller {found.state}" if found.state else ""
        yield ok(where, f"{found.bitrate} bit/s{data}{silent}{state}")
    if not (found.listen_only or expected.listen_only is True or found.restart_ms):
        hint = f"sudo ip link set {found.name} type can restart-ms 100 (while it is down)"
        yield note(where, "a controller that goes off the bus stays off", hint)
